// Watches the metadata of all nodes. The server ends a watch at a random time, which is not its end
// for the caller: it goes on where it was. Silence is an end, since bookmarks come each minute.
import { toRevision } from '../registry.ts';
import type { Revision } from '../registry.ts';
import type { Random } from '../../../lib/backoff.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError, type ApiStatus } from './errors.ts';
import type { NodeObject } from './node-record.ts';

const METADATA = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
/** Bookmarks come once a minute; without a byte for this long the connection is dead. */
const SILENCE_MS = 150_000;
/** Length of one watch, in seconds: random, so that nodes do not reconnect together. */
const MIN_WATCH_SEC = 300;
const MAX_WATCH_SEC = 600;
/** Bound of one event, in UTF-16 units. */
const MAX_EVENT_CHARACTERS = 4 * 1024 * 1024;

export type NodeEvent =
  | { readonly type: 'put' | 'delete'; readonly node: NodeObject; readonly revision: Revision }
  | { readonly type: 'bookmark'; readonly revision: Revision };

interface RawEvent {
  readonly type?: string;
  readonly object?: NodeObject & ApiStatus;
}

export interface NodeWatchOptions {
  readonly random: Random;
  /** Events after this one are reported. */
  readonly after: Revision;
  readonly onReady: () => void;
  /** All events that arrived together. */
  readonly onEvents: (events: readonly NodeEvent[]) => void;
  readonly signal: AbortSignal;
  /** Default {@link SILENCE_MS}. */
  readonly silenceMs?: number;
}

/**
 * Never resolves. @throws ApiError of status 410 if history before `after` is gone; RegistryError or
 * Error for any other end; the signal's reason.
 */
export async function watchNodes(client: ApiClient, options: NodeWatchOptions): Promise<never> {
  let { after } = options;
  const onEvents = (events: readonly NodeEvent[]): void => {
    after = events.at(-1)?.revision ?? after;
    options.onEvents(events);
  };
  for (;;) await watchOnce(client, { ...options, after, onEvents });
}

/** Resolves when the server ends the watch at its time. */
async function watchOnce(client: ApiClient, options: NodeWatchOptions): Promise<void> {
  const { after, onEvents, onReady, random, signal, silenceMs = SILENCE_MS } = options;
  const seconds = Math.round(MIN_WATCH_SEC + random() * (MAX_WATCH_SEC - MIN_WATCH_SEC));
  const path = `/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion=${after}&timeoutSeconds=${seconds}`;
  // The head comes with the first event, or at once; a quiet cluster may need a bookmark's time.
  const { body, server } = await client.send({ path, accept: METADATA, timeoutMs: silenceMs, signal });
  onReady();
  const silence = setTimeout(
    () => body.destroy(new Error(`${server} sent nothing for ${silenceMs / 1000} s`)),
    silenceMs,
  );
  const lines = new LineReader();
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      silence.refresh();
      const events = lines.read(chunk).map(parseEvent);
      if (events.length > 0) onEvents(events);
    }
    signal.throwIfAborted();
  } finally {
    clearTimeout(silence);
    body.destroy();
  }
}

/** @throws ApiError for the event ERROR, which comes inside an answer of status 200. */
function parseEvent(line: string): NodeEvent {
  const { object = {}, type } = JSON.parse(line) as RawEvent;
  if (type === 'ERROR') throw new ApiError('watch of /api/v1/nodes', object);
  const revision = toRevision(object.metadata?.resourceVersion ?? NaN);
  if (type === 'BOOKMARK') return { type: 'bookmark', revision };
  return { type: type === 'DELETED' ? 'delete' : 'put', node: object, revision };
}

class LineReader {
  #rest = '';
  readonly #decoder = new TextDecoder();

  /** @throws if a line exceeds its bound. */
  read(chunk: Buffer): string[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_EVENT_CHARACTERS) throw new Error('an event of the watch is too long');
    return lines.filter((line) => line.trim() !== '');
  }
}
