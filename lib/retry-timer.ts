// When to try again what failed: later after each failure, at once after a success.
import { Backoff } from './backoff.ts';
import type { Random } from './backoff.ts';
import type { Clock } from './clock.ts';

const BASE_MS = 500;
const CAP_MS = 60_000;

export class RetryTimer {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #backoff: Backoff;
  #dueMs = 0;

  constructor(clock: Pick<Clock, 'nowMs'>, random: Random) {
    this.#clock = clock;
    this.#backoff = new Backoff({ baseMs: BASE_MS, capMs: CAP_MS, random });
  }

  /** Not before this point on the clock. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Pauses since the last success. */
  get failures(): number {
    return this.#backoff.failures;
  }

  pause(): void {
    this.#dueMs = this.#clock.nowMs() + this.#backoff.nextMs();
  }

  /** No later than `atMs`. */
  expedite(atMs: number): void {
    this.#dueMs = Math.min(this.#dueMs, atMs);
  }

  reset(): void {
    this.#backoff.reset();
    this.#dueMs = 0;
  }
}
