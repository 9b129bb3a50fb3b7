// Slows down what keeps repeating, as a leaky bucket: a few times cost no wait, and so does any number at a moderate rate;
// beyond that the wait doubles up to a bound, so that two programs that disagree do not keep a processor busy. It holds
// no timer.

export interface RateLimiterOptions {
  /** Times within the window that do not wait; also how many a window are forgotten. */
  readonly freeCount: number;
  /** In ms. */
  readonly windowMs: number;
  /** First wait, in ms; doubles each time. */
  readonly firstMs: number;
  /** Longest wait, in ms. */
  readonly capMs: number;
}

interface Bucket {
  /** Times not yet forgotten, as of `lastMs`. */
  level: number;
  lastMs: number;
}

export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
  }

  /** Counts one more time of `key` and returns how long to wait, in ms. */
  record(key: string, nowMs: number): number {
    const level = this.#levelOf(key, nowMs) + 1;
    this.#buckets.set(key, { level, lastMs: nowMs });
    return this.#waitMs(level);
  }

  /** Whether `key` has to wait at its present rate. */
  isLimited(key: string, nowMs: number): boolean {
    return this.#waitMs(this.#levelOf(key, nowMs)) > 0;
  }

  /** Forgets what has been quiet, so that memory follows the present only. */
  prune(nowMs: number): void {
    for (const key of this.#buckets.keys()) if (this.#levelOf(key, nowMs) === 0) this.#buckets.delete(key);
  }

  #levelOf(key: string, nowMs: number): number {
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
