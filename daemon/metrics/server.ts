// The server of --metrics-port: metrics for Prometheus, a page for people, and the document that the page shows. It only
// answers GET, and tells nothing that "weft status" and "weft peers" do not.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DaemonView } from '../view/node-view.ts';
import { listenHttp, type HttpListener } from '../http/http-listener.ts';
import { ClusterDocument } from './cluster-document.ts';
import { expose } from './renderer.ts';
import { loadPage } from './page.ts';

interface Answer {
  readonly text: string;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Of every answer: whatever it is, a browser shows it as what it is said to be, and keeps nothing. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
/** Of what is no page: even if it were opened as one, it could do nothing. */
const NOTHING_ALLOWED = "default-src 'none'; frame-ancestors 'none'";

/** Starts to answer. @throws HttpListenerError */
export function startMetricsServer(
  { ip, port }: { readonly ip: string; readonly port: number },
  daemon: DaemonView,
): Promise<HttpListener> {
  const cluster = new ClusterDocument(daemon);
  const answers: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    '/metrics': () => expose(daemon),
    '/cluster.json': () => ({ text: cluster.text(), contentType: 'application/json; charset=utf-8' }),
    '/': () => loadPage(),
  };
  return listenHttp({ ip, port, title: 'Metrics server', flag: 'metrics' }, (request, response) => {
    // A client that goes away is no error.
    response.on('error', () => undefined);
    void answer(request, response).catch((error: Error) => {
      daemon.log.error('A request for metrics failed', { error });
      send(response, 500, plain('500 internal error\n'));
    });
  });

  async function answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = url.split('?', 1)[0]!;
    const find = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (find === undefined)
      return send(response, 404, plain('404 not found: there are /, /metrics, /cluster.json\n'));
    if (method !== 'GET' && method !== 'HEAD')
      return send(response, 405, { ...plain('405 only GET\n'), headers: { Allow: 'GET, HEAD' } });
    send(response, 200, await find());
  }
}

function plain(text: string): Answer {
  return { text, contentType: 'text/plain; charset=utf-8' };
}

function send(response: ServerResponse, status: number, { text, contentType, headers }: Answer): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, {
    ...HEADERS,
    'Content-Security-Policy': NOTHING_ALLOWED,
    ...headers,
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
