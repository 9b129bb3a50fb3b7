// The server of --metrics-port: metrics for Prometheus, a page for people, and the document of the
// page. It answers GET alone, and publishes only what `weft status`, `peers`, `watch` and `doctor` show.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '../../lib/clock.ts';
import { toPrintableJson } from '../../lib/escape.ts';
import { isHostAccepted } from '../http/host-check.ts';
import { listenHttp, type HttpListener } from '../http/http-listener.ts';
import type { Logger } from '../log/log.ts';
import type { NodeView } from '../view/node-view.ts';
import { activityOf } from './activity.ts';
import { ClusterDocument } from './cluster-document.ts';
import { History } from './history.ts';
import type { MetricsRenderer } from './renderer.ts';
import { loadPage, loadRunbook } from './page.ts';

interface Answer {
  readonly text: string;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** On every answer: the browser neither guesses the type nor caches. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
/** On every answer but the page: opened as a document it can load and run nothing. */
const DENY_ALL = "default-src 'none'; frame-ancestors 'none'";

export interface MetricsServerOptions {
  readonly ip: string;
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Names that clients may use; see {@link isHostAccepted}. Default none. */
  readonly hosts?: readonly string[];
  readonly render: MetricsRenderer;
  readonly log: Logger;
}

/** Starts the server. @throws HttpListenerError */
export async function startMetricsServer(
  { ip, port, hosts = [], render, log }: MetricsServerOptions,
  daemon: NodeView,
): Promise<HttpListener> {
  const cluster = new ClusterDocument(daemon);
  const history = new History({ clock: systemClock, daemon });
  const json = (text: string): Answer => ({ text, contentType: 'application/json; charset=utf-8' });
  const answers: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    '/metrics': render,
    '/cluster.json': () => json(cluster.text()),
    '/history.json': () => json(JSON.stringify(history.document())),
    '/events.json': () => json(JSON.stringify(activityOf(daemon))),
    '/': () => loadPage(),
    '/runbook': () => loadRunbook(),
  };
  const listener = await listenHttp(
    { ip, port, title: 'Metrics server', flag: 'metrics' },
    (request, response) => {
      // A client that disconnects is no error.
      response.on('error', () => undefined);
      void answer(request, response).catch((error: Error) => {
        log.error('Metrics request failed', { error });
        send(response, 500, plain('500 internal error\n'));
      });
    },
  );
  history.start();
  return {
    port: listener.port,
    stop: async () => {
      await history.stop();
      await listener.stop();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '', headers } = request;
    if (!isHostAccepted(headers.host, hosts)) return send(response, 421, plain(unknownHost(headers.host)));
    const path = url.split('?', 1)[0]!;
    const load = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (load === undefined)
      return send(response, 404, plain(`404 not found: there are ${Object.keys(answers).join(', ')}\n`));
    if (method !== 'GET' && method !== 'HEAD')
      return send(response, 405, { ...plain('405 only GET\n'), headers: { Allow: 'GET, HEAD' } });
    send(response, 200, await load());
  }
}

function unknownHost(host: string | undefined): string {
  return `421 ${toPrintableJson(host)} is no name of this host: use its address, or add the name to --metrics-hosts\n`;
}

function plain(text: string): Answer {
  return { text, contentType: 'text/plain; charset=utf-8' };
}

function send(response: ServerResponse, status: number, { text, contentType, headers }: Answer): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, {
    ...HEADERS,
    'Content-Security-Policy': DENY_ALL,
    ...headers,
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
