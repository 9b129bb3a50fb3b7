// When to check the kernel without a cause, and how much of it. Notifications report changes as
// they happen; a check finds what they missed. While full reads find nothing, they become rarer.
// Holds no timer.
import type { Random } from '../../../lib/backoff.ts';

const JITTER = 0.1;
/** Reads of thousands of entries that find nothing are most of the cost of an idle daemon. */
const MAX_CHECKS_PER_RESYNC = 10;

export class ResyncSchedule {
  readonly #intervalMs: number;
  readonly #random: Random;
  #nextMs = Infinity;
  #checks = 0;
  #checksPerResync = 1;

  /** @param intervalMs - mean time between two checks. */
  constructor(intervalMs: number, random: Random) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  /** When the next check is due; `Infinity` before the first {@link plan}. */
  get nextMs(): number {
    return this.#nextMs;
  }

  plan(nowMs: number): void {
    const jitter = 1 + JITTER * (2 * this.#random() - 1);
    this.#nextMs = nowMs + this.#intervalMs * jitter;
  }

  /** What to read now, if a check is due; plans the next check. */
  take(nowMs: number): 'resync' | 'sysctls' | undefined {
    if (nowMs < this.#nextMs) return undefined;
    this.plan(nowMs);
    this.#checks++;
    if (this.#checks < this.#checksPerResync) return 'sysctls';
    this.#checks = 0;
    return 'resync';
  }

  /** A full read found differences, or none. */
  onResync(hasDifferences: boolean): void {
    this.#checksPerResync = hasDifferences ? 1 : Math.min(2 * this.#checksPerResync, MAX_CHECKS_PER_RESYNC);
  }
}
