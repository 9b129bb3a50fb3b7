// Leaky bucket per key. A burst up to the bucket size and any number at a moderate rate cost no
// wait; beyond that the wait doubles up to a bound, so that two conflicting programs do not keep a
// CPU busy. Holds no timer.

export interface RateLimiterOptions {
  /** Bucket size: events that cost no wait. As many drain per window. */
  readonly freeCount: number;
  /** In ms. */
  readonly windowMs: number;
  /** First wait, in ms; doubles each time. */
  readonly firstMs: number;
  /** Longest wait, in ms. */
  readonly capMs: number;
}

interface Bucket {
  /** Events not yet drained, as of `lastMs`. */
  level: number;
  lastMs: number;
}

export class RateLimiter<Key extends string> {
  readonly #options: RateLimiterOptions;
  readonly #buckets = new Map<Key, Bucket>();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
  }

  /** Counts one event of `key`. Returns how long to wait, in ms. */
  record(key: Key, nowMs: number): number {
    const level = this.#levelOf(key, nowMs) + 1;
    this.#buckets.set(key, { level, lastMs: nowMs });
    return this.#waitMs(level);
  }

  /** Whether `key` has to wait at its present rate. */
  isLimited(key: Key, nowMs: number): boolean {
    return this.#waitMs(this.#levelOf(key, nowMs)) > 0;
  }

  /** Forgets drained buckets, which bounds the memory. */
  prune(nowMs: number): void {
    for (const key of this.#buckets.keys()) if (this.#levelOf(key, nowMs) === 0) this.#buckets.delete(key);
  }

  #levelOf(key: Key, nowMs: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    const { freeCount, windowMs } = this.#options;
    return Math.max(0, bucket.level - ((nowMs - bucket.lastMs) * freeCount) / windowMs);
  }

  #waitMs(level: number): number {
    const { freeCount, firstMs, capMs } = this.#options;
    const excess = Math.ceil(level - freeCount);
    return excess <= 0 ? 0 : Math.min(capMs, firstMs * 2 ** Math.min(excess - 1, 30));
  }
}
