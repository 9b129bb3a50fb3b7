// Whether and when everything is to be read, and why. One request stands for all: the earliest. It holds no timer and reads
// nothing.
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { RateLimiter } from './rate-limiter.ts';
import { retryDelayMs } from './failures.ts';
import type { ResyncReason } from './status.ts';

/** Interfaces that change all the time must not make the daemon read all tables all the time. */
const INTERFACE_LIMIT = { freeCount: 10, windowMs: 2_000, firstMs: 20, capMs: 200 };

export class ResyncQueue {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #random: Random;
  readonly #limiter = new RateLimiter(INTERFACE_LIMIT);
  #next: { readonly reason: ResyncReason; readonly atMs: number } | undefined;
  #failures = 0;
  #noAnswers = 0;

  constructor(clock: Pick<Clock, 'nowMs'>, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Why everything is to be read next; `undefined` if nobody asked. */
  get reason(): ResyncReason | undefined {
    return this.#next?.reason;
  }

  /** When; `undefined` if nobody asked. */
  get atMs(): number | undefined {
    return this.#next?.atMs;
  }

  get isDue(): boolean {
    return this.#next !== undefined && this.#next.atMs <= this.#clock.nowMs();
  }

  request(reason: ResyncReason, delayMs = 0): void {
    const atMs = this.#clock.nowMs() + delayMs;
    if (this.#next === undefined || atMs < this.#next.atMs) this.#next = { reason, atMs };
  }

  /** Interfaces changed: soon, and later if they keep changing. */
  requestForInterfaces(): void {
    this.request('interfaces', this.#limiter.record('interfaces', this.#clock.nowMs()));
  }

  /** The request is being done; what is asked from now on is another. */
  take(): void {
    this.#next = undefined;
  }

  /** The kernel told. */
  onSuccess(): void {
    this.#failures = 0;
    this.#limiter.prune(this.#clock.nowMs());
  }

  /** The kernel would not emit: tried again later. Returns whether that is news. */
  onFailure(): boolean {
    this.#failures++;
    this.request('unknown', retryDelayMs(this.#failures, this.#random));
    return this.#failures === 1;
  }

  /** All steps of a batch were answered. */
  onAnswers(): void {
    this.#noAnswers = 0;
  }

  /**
   * Steps were not answered. Once is an overrun, which reading cures at once; again and again is something else. Returns
   * how often in a row.
   */
  onNoAnswer(): number {
    this.#noAnswers++;
    this.take();
    this.request('unknown', this.#noAnswers === 1 ? 0 : retryDelayMs(this.#noAnswers - 1, this.#random));
    return this.#noAnswers;
  }
}
