// Handles one HTTP request: finds the endpoint, bounds and parses the body, writes the reply or the
// error. It knows neither endpoints by name nor the listener.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../log/log.ts';
import { ControlError } from './endpoint.ts';
import type { ControlledNode, ControlRequest, Endpoint, Reply } from './endpoint.ts';
import type { ErrorV1 } from '../../api/index.ts';

/** Longest request body. etcd's default limit of a request is 1.5 MiB. */
export const MAX_BODY_BYTES = 1 << 20;

export type ControlHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Makes a handler for `node:http`. It never throws. */
export function createControlHandler(daemon: ControlledNode, endpoints: readonly Endpoint[]): ControlHandler {
  return (request, response) => {
    const clientGone = new AbortController();
    response.once('close', () => clientGone.abort());
    // A client that disconnects is no error.
    response.on('error', () => undefined);
    void answer(request, clientGone.signal)
      .then((reply) => send(response, reply, clientGone.signal))
      .catch((error: unknown) => sendError(response, error, daemon.log));
  };

  async function answer(request: IncomingMessage, signal: AbortSignal): Promise<Reply> {
    const { pathname, searchParams } = parseTarget(request.url ?? '/');
    if (pathname === '/v1') return { json: { endpoints: endpoints.map(nameOf) } };
    const endpoint = findEndpoint(endpoints, request.method ?? '', pathname);
    const body = await readBody(request);
    const control: ControlRequest = { query: searchParams, body, signal };
    return endpoint.handle(daemon, control);
  }
}

function parseTarget(target: string): URL {
  if (!URL.canParse(target, 'http://weft'))
    throw new ControlError(400, 'bad-request', `${JSON.stringify(target)} is no path: GET /v1 lists all`);
  return new URL(target, 'http://weft');
}

function nameOf({ method, path, summary }: Endpoint): object {
  return { method, path, summary };
}

function findEndpoint(endpoints: readonly Endpoint[], method: string, path: string): Endpoint {
  const candidates = endpoints.filter((endpoint) => endpoint.path === path);
  const found = candidates.find((endpoint) => endpoint.method === method);
  if (found) return found;
  if (candidates.length === 0)
    throw new ControlError(404, 'not-found', `No endpoint ${path}: GET /v1 lists all`);
  const methods = candidates.map((endpoint) => endpoint.method).join(' and ');
  throw new ControlError(405, 'wrong-method', `${path} takes ${methods}, not ${method}`);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new ControlError(413, 'too-large', `The body has more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (error) {
    throw new ControlError(400, 'not-json', `The body is not JSON: ${(error as Error).message}`);
  }
}

async function send(response: ServerResponse, reply: Reply, signal: AbortSignal): Promise<void> {
  if ('lines' in reply) return sendLines(response, reply.lines, signal);
  const [text, type] =
    'json' in reply
      ? [`${JSON.stringify(reply.json)}\n`, 'application/json; charset=utf-8']
      : [reply.text, reply.contentType];
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

async function sendLines(
  response: ServerResponse,
  lines: AsyncIterable<unknown>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson; charset=utf-8' });
  response.flushHeaders();
  for await (const line of lines) {
    if (signal.aborted) return;
    if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response);
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.once('drain', done).once('close', done);
  });
}

function sendError(response: ServerResponse, error: unknown, log: Logger): void {
  const known = error instanceof ControlError ? error : undefined;
  if (known === undefined) log.error('Control socket request failed', { error });
  if (response.headersSent || response.destroyed) return void response.destroy();
  const { status = 500, reason = 'internal' } = known ?? {};
  const message = error instanceof Error ? error.message : String(error);
  const body = JSON.stringify({ error: { code: reason, message } } satisfies ErrorV1);
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    // The rest of a body that is too large stays unread.
    Connection: 'close',
  });
  response.end(body);
}
