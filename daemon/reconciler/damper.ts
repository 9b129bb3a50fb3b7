// Slows down what keeps repeating. The first few times within a short while cost no wait; then the wait doubles up to a
// bound, so that two programs that disagree do not keep a processor busy. It holds no timer.

export interface DamperOptions {
  /** Times within the window that do not wait. */
  readonly freeCount: number;
  /** Quiet time after which a key starts from zero, in ms. */
  readonly windowMs: number;
  /** First wait, in ms; doubles each time. */
  readonly firstMs: number;
  /** Longest wait, in ms. */
  readonly capMs: number;
}

interface Record {
  count: number;
  lastMs: number;
}

export class Damper {
  readonly #options: DamperOptions;
  readonly #records = new Map<string, Record>();

  constructor(options: DamperOptions) {
    this.#options = options;
  }

  /** Counts one more time of `key` and returns how long to wait, in ms. */
  record(key: string, nowMs: number): number {
    const known = this.#records.get(key);
    const record = known !== undefined && this.#isFresh(known, nowMs) ? known : { count: 0, lastMs: nowMs };
    record.count++;
    record.lastMs = nowMs;
    this.#records.set(key, record);
    return this.#waitMs(record.count);
  }

  /** Whether `key` has to wait at its present rate. */
  isDamped(key: string, nowMs: number): boolean {
    const record = this.#records.get(key);
    return record !== undefined && this.#isFresh(record, nowMs) && this.#waitMs(record.count) > 0;
  }

  /** Forgets what has been quiet, so that memory follows the present only. */
  prune(nowMs: number): void {
    for (const [key, record] of this.#records) if (!this.#isFresh(record, nowMs)) this.#records.delete(key);
  }

  #isFresh(record: Record, nowMs: number): boolean {
    return nowMs - record.lastMs < this.#options.windowMs;
  }

  #waitMs(count: number): number {
    const { freeCount, firstMs, capMs } = this.#options;
    return count <= freeCount ? 0 : Math.min(capMs, firstMs * 2 ** Math.min(count - freeCount - 1, 30));
  }
}
