// One watch of the registry cache, until there is a reason to compare again: the watch ends, time
// passes, a caller asks, or the revision goes back. Applies nothing itself.
import type { Clock } from '../../lib/clock.ts';
import { revisionAfter } from './registry.ts';
import type { RegistryReader, RegistryEvent, Revision, WatchEnd } from './registry.ts';

/** Why the cache is compared with the registry. */
export type ResyncReason = 'start' | 'periodic' | 'requested' | 'watch-lost' | 'compacted' | 'restored';

export interface CacheWatchOptions {
  readonly registry: Pick<RegistryReader, 'watch'>;
  readonly clock: Clock;
  /** Revision of the cache. Read once at the start and before each batch of events. */
  readonly revision: () => Revision;
  /** Time until the next periodic comparison, in ms. */
  readonly periodMs: number;
  /** The registry accepted the watch. */
  readonly onReady: () => void;
  readonly onEvents: (events: readonly RegistryEvent[], revision: Revision) => void;
}

export interface WatchOutcome {
  readonly reason: ResyncReason;
  /** Set if the watch failed. */
  readonly error?: Error;
  readonly durationMs: number;
}

const ENTRIES_PER_RESYNC = 1000;
const MAX_RESYNC_MS = 12 * 3_600_000;

/**
 * Time until the next periodic comparison: `resyncMs` for up to 1,000 entries and in proportion for
 * more, at most 12 hours, shortened by up to a fifth. The registry walks over all entries for each
 * host, so that a fixed period would cost it the square of their number.
 * @param jitter - uniform in 0..1
 */
export function resyncPeriodMs(resyncMs: number, entryCount: number, jitter: number): number {
  const periods = Math.max(1, entryCount / ENTRIES_PER_RESYNC);
  return Math.min(resyncMs * periods, MAX_RESYNC_MS) * (1 - jitter / 5);
}

export class CacheWatch {
  readonly #options: CacheWatchOptions;
  readonly #abort = new AbortController();
  #interruption: ResyncReason | undefined;

  constructor(options: CacheWatchOptions) {
    this.#options = options;
  }

  /** Ends the watch. The first reason counts. */
  end(reason: ResyncReason): void {
    this.#interruption ??= reason;
    this.#abort.abort();
  }

  /** Watches until it ends. Never rejects. */
  async run(): Promise<WatchOutcome> {
    const { clock, onEvents, onReady, periodMs, registry, revision } = this.#options;
    const { signal } = this.#abort;
    const startedMs = clock.nowMs();
    const cancelTimer = clock.setTimer(periodMs, () => this.end('periodic'));
    const end = await registry.watch({
      fromRevision: revisionAfter(revision()),
      onReady,
      onEvents: (events, reached) => {
        if (signal.aborted) return;
        if (reached < revision()) this.end('restored');
        else onEvents(events, reached);
      },
      signal,
    });
    cancelTimer();
    const durationMs = clock.nowMs() - startedMs;
    if (this.#interruption !== undefined) return { reason: this.#interruption, durationMs };
    return { ...explain(end), durationMs };
  }
}

function explain(end: WatchEnd): Omit<WatchOutcome, 'durationMs'> {
  switch (end.reason) {
    case 'aborted':
      return { reason: 'requested' };
    case 'compacted':
      return { reason: 'compacted' };
    case 'lost':
      return { reason: 'watch-lost', error: end.error };
  }
}
