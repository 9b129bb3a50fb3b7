// Watches the metadata of all nodes. The server ends a watch at a random time, which is not its end
// for the caller: it goes on where it was. Silence is an end, since bookmarks come each minute.
import { RegistryError, toRevision } from '../registry.ts';
import type { Revision } from '../registry.ts';
import type { Random } from '../../../lib/backoff.ts';
import type { ApiClient } from './api-client.ts';
import { readChunks } from './body-chunks.ts';
import { ApiError, type ApiStatus } from './errors.ts';
import type { NodeObject } from './node-record.ts';

const METADATA = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
/** Bookmarks come once a minute; without a byte for this long the connection is dead. */
const SILENCE_MS = 150_000;
/** Length of one watch, in seconds: random, so that nodes do not reconnect together. */
const MIN_WATCH_SEC = 300;
const MAX_WATCH_SEC = 600;
/** A watch that ends sooner, without an event, did not end at its time. */
const MIN_LIFE_MS = 1000;
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
 * Error for any other end, two watches in a row that end at once among them; the signal's reason.
 */
export async function watchNodes(client: ApiClient, options: NodeWatchOptions): Promise<never> {
  let { after } = options;
  let isIdle = true;
  const onEvents = (events: readonly NodeEvent[]): void => {
    after = events.at(-1)?.revision ?? after;
    isIdle = false;
    options.onEvents(events);
  };
  for (let shortOnes = 0; shortOnes < 2;) {
    isIdle = true;
    const startedMs = performance.now();
    await watchOnce(client, { ...options, after, onEvents });
    const isShort = isIdle && performance.now() - startedMs < MIN_LIFE_MS;
    shortOnes = isShort ? shortOnes + 1 : 0;
  }
  // A proxy in front of the API server cannot watch: the caller waits before it tries again.
  throw new RegistryError('REGISTRY_UNAVAILABLE', 'watch of /api/v1/nodes: the server ends it at once');
}

/** Resolves when the server ends the watch at its time. */
async function watchOnce(client: ApiClient, options: NodeWatchOptions): Promise<void> {
  const { after, onEvents, onReady, random, signal, silenceMs = SILENCE_MS } = options;
  const seconds = Math.round(MIN_WATCH_SEC + random() * (MAX_WATCH_SEC - MIN_WATCH_SEC));
  const path = `/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion=${after}&timeoutSeconds=${seconds}`;
  // The head comes with the first event, or at once; a quiet cluster may need a bookmark's time.
  const { body, server } = await client.send({ path, accept: METADATA, timeoutMs: silenceMs, signal });
  onReady();
  const lines = new LineReader();
  for await (const chunk of readChunks(body, { server, silenceMs })) {
    const events = lines.read(chunk).map(parseEvent);
    if (events.length > 0) onEvents(events);
  }
  signal.throwIfAborted();
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
