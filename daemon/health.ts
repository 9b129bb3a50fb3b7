// The health server: /healthz says that the process lives, /readyz that the host can carry traffic. Paths, codes and
// bodies are flannel's. Holds no state: readiness is asked for at each request.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import type { AddressInfo } from 'node:net';

/** Whether the host can carry traffic, and if not, why. */
export interface Readiness {
  readonly isReady: boolean;
  /** One line each; shown with `?verbose`. May also tell of trouble that does not take readiness away. */
  readonly reasons: readonly string[];
}

export interface HealthOptions {
  readonly ip: string;
  /** TCP port; 0 takes any free one, as tests do (as a flag, 0 means no server at all). */
  readonly port: number;
  readonly readiness: () => Readiness;
}

export interface HealthServer {
  readonly port: number;
  /** Stops listening and closes every connection at once. */
  stop(): Promise<void>;
}

/** Why the server could not start. The message names address, port and remedy. */
export class HealthServerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HealthServerError';
  }
}

/** A probe that takes longer is no probe; it also bounds what a stranger can hold open. */
const REQUEST_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 128;

/** Starts the server. @throws HealthServerError if the address cannot be listened on. */
export async function startHealthServer(options: HealthOptions): Promise<HealthServer> {
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    },
    (request, response) => answer(request, response, options.readiness),
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
  // Errors of single connections must not end the daemon.
  server.on('error', () => undefined);
  return { port: (server.address() as AddressInfo).port, stop: () => stop(server) };
}

function listen(server: Server, { ip, port }: HealthOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(describeListenError(error, ip, port)));
    server.listen({ host: ip, port }, resolve);
  });
}

function describeListenError(error: NodeJS.ErrnoException, ip: string, port: number): HealthServerError {
  const place = isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
  const why = LISTEN_ERRORS[error.code ?? ''] ?? error.message;
  return new HealthServerError(`Health server cannot listen on ${place}: ${why}`, { cause: error });
}

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; stop what uses it, or choose another with --healthz-port',
  EADDRNOTAVAIL: 'no interface has this address; correct --healthz-ip',
  EACCES: 'permission denied; run as root, or choose --healthz-port above 1023',
  EAFNOSUPPORT: 'this host has no such IP version; choose another --healthz-ip',
};

function answer(request: IncomingMessage, response: ServerResponse, readiness: () => Readiness): void {
  const [path, query] = (request.url ?? '').split('?', 2);
  if (path === '/healthz') send(response, 200, 'flanneld is running');
  else if (path === '/readyz') answerReadiness(response, query, readiness);
  else send(response, 404, '404 page not found\n');
}

function answerReadiness(response: ServerResponse, query: string | undefined, ask: () => Readiness): void {
  const { isReady, reasons } = askSafely(ask);
  const isVerbose = new URLSearchParams(query).has('verbose');
  const details = isVerbose ? reasons.map((reason) => `\n${reason}`).join('') : '';
  if (isReady) send(response, 200, `flanneld is ready${details}`);
  else send(response, 503, `flanneld is not ready yet${details}`);
}

function askSafely(ask: () => Readiness): Readiness {
  try {
    return ask();
  } catch (error) {
    return {
      isReady: false,
      reasons: [`readiness is unknown: ${error instanceof Error ? error.message : String(error)}`],
    };
  }
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
