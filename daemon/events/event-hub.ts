// What happens, for those who watch: the last events are kept, and each watcher gets those from now on. A watcher that is
// too slow misses some and sees it by the numbers; nobody waits for it.
import type { EventV1 } from '../../api/index.ts';

/** Events that are kept for late comers. */
const KEPT_EVENTS = 256;
/** Events that wait for one watcher at most. */
const MAX_WAITING = 1024;

export type NewEvent = Omit<EventV1, 'sequence' | 'at'>;

interface Watcher {
  readonly waiting: EventV1[];
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

  /** Events so far by code. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  publish(event: NewEvent): void {
    this.#counts.set(event.code, (this.#counts.get(event.code) ?? 0) + 1);
    const numbered: EventV1 = { sequence: ++this.#sequence, at: new Date().toISOString(), ...event };
    this.#recent.push(numbered);
    if (this.#recent.length > KEPT_EVENTS) this.#recent.shift();
    for (const { waiting, wake } of this.#watchers) {
      if (waiting.length < MAX_WAITING) waiting.push(numbered);
      wake();
    }
  }

  /** The last `last` events, and then each as it comes, until `signal` aborts. */
  async *watch(last: number, signal: AbortSignal): AsyncGenerator<EventV1> {
    const watcher: Watcher = {
      waiting: last === 0 ? [] : this.#recent.slice(-last),
      wake: () => undefined,
    };
    const wake = (): void => watcher.wake();
    this.#watchers.add(watcher);
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const next = watcher.waiting.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (watcher.wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }
}
