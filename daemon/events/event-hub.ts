// Distributes events: keeps the last ones, and sends new ones to every watcher. A slow watcher
// misses events and detects it by a gap in the sequence numbers; the publisher never waits.
import type { EventV1 } from '../../api/index.ts';

/** Events kept for `recent`. */
const KEPT_EVENTS = 256;
/** Largest backlog of one watcher. */
const MAX_BACKLOG = 1024;

export type NewEvent = Omit<EventV1, 'sequence' | 'at'>;

interface Watcher {
  readonly backlog: EventV1[];
  wake: () => void;
}

export class EventHub {
  readonly #recent: EventV1[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #counts = new Map<string, number>();
  #sequence = 0;

  /** The last events, oldest first. */
  get recent(): readonly EventV1[] {
    return this.#recent;
  }

  /** Number of events since the start, by code. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  publish(event: NewEvent): void {
    this.#counts.set(event.code, (this.#counts.get(event.code) ?? 0) + 1);
    const numbered: EventV1 = { sequence: ++this.#sequence, at: new Date().toISOString(), ...event };
    this.#recent.push(numbered);
    if (this.#recent.length > KEPT_EVENTS) this.#recent.shift();
    for (const { backlog, wake } of this.#watchers) {
      if (backlog.length < MAX_BACKLOG) backlog.push(numbered);
      wake();
    }
  }

  /** Yields the last `last` events, then new ones until `signal` aborts. */
  async *watch(last: number, signal: AbortSignal): AsyncGenerator<EventV1> {
    const watcher: Watcher = {
      backlog: last === 0 ? [] : this.#recent.slice(-last),
      wake: () => undefined,
    };
    const wake = (): void => watcher.wake();
    this.#watchers.add(watcher);
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const next = watcher.backlog.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (watcher.wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }
}
