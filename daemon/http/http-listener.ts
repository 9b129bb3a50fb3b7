// An HTTP server on a TCP port for untrusted clients, with limits for time and connections. It
// knows no paths.
import { createServer, type RequestListener, type Server } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { WeftError } from '../../api/index.ts';
import { limitConnections } from './connection-limit.ts';
import { limitRequestTime, NO_REQUEST_CHECK } from './request-timeout.ts';

export interface HttpListenerOptions {
  readonly ip: string;
  /** TCP port; 0 takes a free one. (As a flag, 0 means no server.) */
  readonly port: number;
  /** For messages, for example `Health server`. */
  readonly title: string;
  /** Prefix of the flags, for example `healthz` of `--healthz-port`. */
  readonly flag: string;
}

export interface HttpListener {
  readonly port: number;
  /** Stops listening and closes every connection at once. */
  stop(): Promise<void>;
}

/** Why a server cannot start. The message names address, port and remedy. */
export class HttpListenerError extends WeftError {
  constructor(message: string, options?: ErrorOptions) {
    super('HTTP_LISTEN_FAILED', message, options);
  }
}

/** Limit for the head of a request; it also limits how long a client holds a connection. */
const REQUEST_TIMEOUT_MS = 5000;
/** Answers are documents, not streams: only a client that does not read takes longer. */
const ANSWER_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 128;

/** Starts a server with `handler`. @throws HttpListenerError */
export async function listenHttp(
  options: HttpListenerOptions,
  handler: RequestListener,
): Promise<HttpListener> {
  const server = createServer(NO_REQUEST_CHECK, handler);
  limitRequestTime(server, REQUEST_TIMEOUT_MS);
  limitConnections(server, { maxConnections: MAX_CONNECTIONS, answerTimeoutMs: ANSWER_TIMEOUT_MS });
  await listen(server, options);
  // Without a listener, the error of one connection would end the process.
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
  const address = isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
  const why = LISTEN_ERRORS[error.code ?? '']?.(flag) ?? error.message;
  return new HttpListenerError(`${title} cannot listen on ${address}: ${why}`, { cause: error });
}

const LISTEN_ERRORS: Readonly<Record<string, (flag: string) => string>> = {
  EADDRINUSE: (flag) =>
    `the port is in use; stop the other program, or choose another port with --${flag}-port`,
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
