// Failed owners or orphans: the cause, and when the next try is due. Holds no timer.
import type { Random } from '../../../lib/backoff.ts';
import type { KernelObject } from '../../../backends/kernel-state.ts';

/** First wait after a failure, in ms; doubles with each failure in a row. */
const FIRST_RETRY_MS = 500;
/** Longest wait before jitter, in ms. */
const LONGEST_RETRY_MS = 60_000;
/** Largest random share added to the wait; it spreads the retries of simultaneous failures. */
const JITTER = 0.2;

export interface Failure {
  /** The object of the rejected step. */
  readonly object: KernelObject;
  readonly errno: string;
  /** Text of the kernel: errno and extended ack. */
  readonly message: string;
  /** Failures in a row, this one included. */
  readonly attempts: number;
  /** On the reconciler's clock, as is `retryAtMs`. */
  readonly failedAtMs: number;
  readonly retryAtMs: number;
}

/** Wait before the next try after `attempts` failures in a row, in ms. */
export function retryDelayMs(attempts: number, random: Random): number {
  const boundMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 30));
  return boundMs * (1 + JITTER * random());
}

export type Rejection = Pick<Failure, 'object' | 'errno' | 'message'>;

export class Failures<Name extends string> {
  readonly #byName = new Map<Name, Failure>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  get(name: Name): Failure | undefined {
    return this.#byName.get(name);
  }

  /** Names whose next try is due. */
  due(nowMs: number): readonly Name[] {
    return Array.from(this.#byName.keys()).filter((name) => !this.isWaiting(name, nowMs));
  }

  /** Whether `name` failed and its next try is not due. */
  isWaiting(name: Name, nowMs: number): boolean {
    const failure = this.#byName.get(name);
    return failure !== undefined && failure.retryAtMs > nowMs;
  }

  /** Records one more failure in a row. */
  add(name: Name, rejection: Rejection, nowMs: number): Failure {
    const attempts = (this.#byName.get(name)?.attempts ?? 0) + 1;
    const failure = {
      ...rejection,
      attempts,
      failedAtMs: nowMs,
      retryAtMs: nowMs + retryDelayMs(attempts, this.#random),
    };
    this.#byName.set(name, failure);
    return failure;
  }

  /** Returns whether there was a failure. */
  delete(name: Name): boolean {
    return this.#byName.delete(name);
  }

  /**
   * Makes every try due now whose failure is at least `leastMs` old; keeps the number of failures.
   */
  retryNow(nowMs: number, leastMs: number): void {
    for (const [name, failure] of this.#byName)
      if (failure.retryAtMs > nowMs && nowMs - failure.failedAtMs >= leastMs)
        this.#byName.set(name, { ...failure, retryAtMs: nowMs });
  }

  /** Earliest try after `afterMs`, on the reconciler's clock. */
  nextRetryMs(afterMs: number): number | undefined {
    let next: number | undefined;
    for (const { retryAtMs } of this.#byName.values())
      if (retryAtMs > afterMs && (next === undefined || retryAtMs < next)) next = retryAtMs;
    return next;
  }
}
