// One HTTP/1.0 request over a Unix socket, and its response. Loading node:http would add a fifth to
// the start time of Node. The server closes the connection after its response.
import { connect } from 'node:net';

export interface HttpRequest {
  readonly socketPath: string;
  readonly method: string;
  /** With the query, for example `/v1/events?last=3`. */
  readonly path: string;
  /** Empty for none. */
  readonly body: string;
  /** Limit of the time to the first byte of the response. */
  readonly timeoutMs: number;
  /** Thrown after that time. */
  readonly timeoutError: Error;
  /** Closes the connection. */
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** Streamed. Throws with code ECONNRESET if the connection ends before Content-Length bytes. */
  readonly body: AsyncIterable<string>;
}

/** Longest head of a response, in characters. */
const MAX_HEAD_LENGTH = 16_384;

/** @throws what `node:net` throws; an error with code EPROTO if the response is not HTTP. */
export async function requestHttp(request: HttpRequest): Promise<HttpResponse> {
  const { socketPath, timeoutMs, timeoutError, signal } = request;
  const socket = connect({ path: socketPath, ...(signal && { signal }) }).setEncoding('utf8');
  const timer = setTimeout(() => socket.destroy(timeoutError), timeoutMs);
  socket.write(formatRequest(request));
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<string>;
  try {
    return await readResponse(chunks);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function formatRequest({ method, path, body }: HttpRequest): string {
  return `${method} ${path} HTTP/1.0\r\nHost: weft\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

async function readResponse(chunks: AsyncIterator<string>): Promise<HttpResponse> {
  let text = '';
  let end = -1;
  while (end < 0) {
    const next = await chunks.next();
    if (next.done === true) throw failure('ECONNRESET', 'the connection ended before an answer');
    text += next.value;
    end = text.indexOf('\r\n\r\n');
    if (!text.startsWith('HTTP/'.slice(0, text.length)) || (end < 0 && text.length > MAX_HEAD_LENGTH))
      throw failure('EPROTO', JSON.stringify(text.slice(0, 60)));
  }
  const head = text.slice(0, end);
  const [, status] = /^HTTP\/1\.[01] (\d{3})\b/.exec(head) ?? [];
  if (status === undefined) throw failure('EPROTO', JSON.stringify(head.slice(0, 60)));
  const [, length] = /^content-length: *(\d+)/im.exec(head) ?? [];
  const body = bodyOf(text.slice(end + 4), chunks, length === undefined ? 0 : Number(length));
  return { status: Number(status), body };
}

async function* bodyOf(
  first: string,
  chunks: AsyncIterator<string>,
  minBytes: number,
): AsyncGenerator<string> {
  let bytes = 0;
  for (let chunk = first; ;) {
    bytes += Buffer.byteLength(chunk);
    yield chunk;
    const next = await chunks.next();
    if (next.done === true) break;
    chunk = next.value;
  }
  if (bytes < minBytes) throw failure('ECONNRESET', 'the connection ended within the answer');
}

function failure(code: 'ECONNRESET' | 'EPROTO', message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
