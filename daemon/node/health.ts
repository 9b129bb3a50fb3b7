// The health server: /healthz says that the process lives, /readyz that the host can carry traffic.
// Paths, codes and bodies are flannel's. Holds no state: readiness is asked for at each request.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeControls } from '../../lib/escape.ts';
import { listenHttp, type HttpListener } from '../http/http-listener.ts';

/** Whether the host can carry traffic, and if not, why. */
export interface Readiness {
  readonly isReady: boolean;
  /** One line each; shown with `?verbose`. Some do not affect readiness. */
  readonly reasons: readonly string[];
}

export interface HealthOptions {
  readonly ip: string;
  /** TCP port; 0 takes any free one, as tests do (as a flag, 0 means no server at all). */
  readonly port: number;
  readonly readiness: () => Readiness;
}

/** Starts the server. @throws HttpListenerError if the address cannot be listened on. */
export function startHealthServer({ ip, port, readiness }: HealthOptions): Promise<HttpListener> {
  return listenHttp({ ip, port, title: 'Health server', flag: 'healthz' }, (request, response) =>
    answer(request, response, readiness),
  );
}

function answer(request: IncomingMessage, response: ServerResponse, readiness: () => Readiness): void {
  const [path, query] = (request.url ?? '').split('?', 2);
  if (path === '/healthz') send(response, 200, 'flanneld is running');
  else if (path === '/readyz') answerReadiness(response, query, readiness);
  else send(response, 404, '404 page not found\n');
}

function answerReadiness(response: ServerResponse, query: string | undefined, ask: () => Readiness): void {
  const { isReady, reasons } = askSafely(ask);
  const isVerbose = new URLSearchParams(query).has('verbose');
  const details = isVerbose ? reasons.map((reason) => `\n${escapeControls(reason)}`).join('') : '';
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
