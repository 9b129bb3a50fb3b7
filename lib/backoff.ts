// How long to wait before the next try: exponential with full jitter, so that a thousand hosts that failed together do
// not come back together. It holds no timer.

/** Uniform numbers in 0 (included) to 1 (excluded), as `Math.random` gives. */
export type Random = () => number;

export interface BackoffOptions {
  /** Bound of the first delay, in ms; doubles with each failure. */
  readonly baseMs: number;
  /** Bound that is never exceeded, in ms. */
  readonly capMs: number;
  readonly random: Random;
}

/** A sequence of delays: the n-th is uniform in 0..min(cap, base·2ⁿ). */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Delays handed out since the last reset. */
  get failures(): number {
    return this.#failures;
  }

  /** The next delay in ms, rounded up so that it is never zero. */
  nextMs(): number {
    const { baseMs, capMs, random } = this.#options;
    const boundMs = Math.min(capMs, baseMs * 2 ** this.#failures);
    this.#failures++;
    return Math.max(1, Math.ceil(random() * boundMs));
  }

  /** To be called on success. */
  reset(): void {
    this.#failures = 0;
  }
}
