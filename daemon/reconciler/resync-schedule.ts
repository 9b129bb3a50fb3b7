// When to look at the kernel without any other cause, and at how much of it. Notices tell what happens; a look finds what they
// did not emit, and while it finds nothing, looks at everything become rarer. It holds no timer.
import type { Random } from '../../lib/backoff.ts';

const JITTER = 0.1;
/** Reading thousands of entries to find nothing is most of what an idle daemon costs. */
const MAX_CHECKS_PER_RESYNC = 10;

export class ResyncSchedule {
  readonly #intervalMs: number;
  readonly #random: Random;
  #nextMs = Infinity;
  #checks = 0;
  #checksPerResync = 1;

  /** @param intervalMs - mean time between two looks. */
  constructor(intervalMs: number, random: Random) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  /** When the next is due; `Infinity` before the first {@link plan}. */
  get nextMs(): number {
    return this.#nextMs;
  }

  plan(nowMs: number): void {
    const jitter = 1 + JITTER * (2 * this.#random() - 1);
    this.#nextMs = nowMs + this.#intervalMs * jitter;
  }

  /** What to look at now, if a look is due; plans the next. */
  take(nowMs: number): 'everything' | 'sysctls' | undefined {
    if (nowMs < this.#nextMs) return undefined;
    this.plan(nowMs);
    this.#checks++;
    if (this.#checks < this.#checksPerResync) return 'sysctls';
    this.#checks = 0;
    return 'everything';
  }

  /** A look at everything found something, or nothing. */
  onResult(foundSomething: boolean): void {
    this.#checksPerResync = foundSomething ? 1 : Math.min(2 * this.#checksPerResync, MAX_CHECKS_PER_RESYNC);
  }
}
