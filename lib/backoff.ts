// Delays before a retry: exponential with full jitter, so that a thousand hosts that fail together
// do not retry together. `backoffDelayMs` and `Retry` are pure, for state machines; `Backoff` keeps
// the count for loops. None holds a timer.
import type { Now } from './clock.ts';

/** Uniform numbers in 0 (included) to 1 (excluded), as `Math.random` gives. */
export type Random = () => number;

export interface BackoffBounds {
  /** Bound of the first delay, in ms; doubles with each failure. */
  readonly baseMs: number;
  /** Bound that is never exceeded, in ms. */
  readonly capMs: number;
}

/**
 * The delay after `failures` earlier failures in a row: uniform in 0..min(cap, base·2ⁿ), rounded up
 * to at least 1 ms.
 * @param jitter - uniform in 0..1
 */
export function backoffDelayMs({ baseMs, capMs }: BackoffBounds, failures: number, jitter: number): number {
  return Math.max(1, Math.ceil(jitter * Math.min(capMs, baseMs * 2 ** failures)));
}

/** When to retry, as data. */
export interface Retry {
  /** Failures since the last success. */
  readonly failures: number;
  /** Earliest point on the clock of the next try, in ms. */
  readonly dueMs: number;
}

/** No failure yet: the next try is due at once. */
export const NO_RETRY: Retry = { failures: 0, dueMs: 0 };

/** One more failure. */
export function afterFailure(retry: Retry, bounds: BackoffBounds, now: Now): Retry {
  const dueMs = now.ms + backoffDelayMs(bounds, retry.failures, now.jitter);
  return { failures: retry.failures + 1, dueMs };
}

/** Moves the next try forward to `atMs`, if it is due later. */
export function expedite(retry: Retry, atMs: number): Retry {
  return atMs < retry.dueMs ? { ...retry, dueMs: atMs } : retry;
}

export interface BackoffOptions extends BackoffBounds {
  readonly random: Random;
}

/** A sequence of delays that grows until it is reset. */
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

  /** The next delay in ms; at least 1. */
  nextMs(): number {
    return backoffDelayMs(this.#options, this.#failures++, this.#options.random());
  }

  /** Call on success. */
  reset(): void {
    this.#failures = 0;
  }
}
