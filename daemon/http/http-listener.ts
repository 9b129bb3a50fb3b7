// An HTTP server on a TCP port for strangers to ask: bounded in time and connections, ended at once. Knows no path.
import { createServer, type RequestListener, type Server } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { limitRequestTime, NO_REQUEST_CHECK } from './request-timeout.ts';

export interface HttpListenerOptions {
  readonly ip: string;
  /** TCP port; 0 takes any free one, as tests do (as a flag, 0 means no server at all). */
  readonly port: number;
  /** For messages, for example `Health server`. */
  readonly title: string;
  /** What the flags begin with, for example `healthz` of `--healthz-port`. */
  readonly flag: string;
}

export interface HttpListener {
  readonly port: number;
  /** Stops listening and closes every connection at once. */
  stop(): Promise<void>;
}

/** Why a server could not start. The message names address, port and remedy. */
export class HttpListenerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HttpListenerError';
  }
}

/** A question that takes longer to ask is none; it also bounds what a stranger can hold open. */
const REQUEST_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 128;

/** Starts to answer with `handler`. @throws HttpListenerError if the address cannot be listened on. */
export async function listenHttp(
  options: HttpListenerOptions,
  handler: RequestListener,
): Promise<HttpListener> {
  const server = createServer(NO_REQUEST_CHECK, handler);
  limitRequestTime(server, REQUEST_TIMEOUT_MS);
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
  // Errors of single connections must not end the daemon.
  server.on('error', () => undefined);
  return { port: (server.address() as AddressInfo).port, stop: () => stop(server) };
}

function listen(server: Server, options: HttpListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(describe(error, options)));
    server.listen({ host: options.ip, port: options.port }, resolve);
  });
}

function describe(
  error: NodeJS.ErrnoException,
  { ip, port, title, flag }: HttpListenerOptions,
): HttpListenerError {
  const place = isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
  const why = LISTEN_ERRORS[error.code ?? '']?.(flag) ?? error.message;
  return new HttpListenerError(`${title} cannot listen on ${place}: ${why}`, { cause: error });
}

const LISTEN_ERRORS: Readonly<Record<string, (flag: string) => string>> = {
  EADDRINUSE: (flag) => `the port is in use; stop what uses it, or choose another with --${flag}-port`,
  EADDRNOTAVAIL: (flag) => `no interface has this address; correct --${flag}-ip`,
  EACCES: (flag) => `permission denied; run as root, or choose --${flag}-port above 1023`,
  EAFNOSUPPORT: (flag) => `this host has no such IP version; choose another --${flag}-ip`,
};

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
