// When to look at the kernel without any other cause, and at how much of it. Notices tell what happens; a look finds what they
// did not tell, and while it finds nothing, looks at everything become rarer. It holds no timer.
import type { Random } from '../../lib/backoff.ts';

const JITTER = 0.1;
/** Reading thousands of entries to find nothing is most of what an idle daemon costs. */
const MAX_LOOKS_PER_READ = 10;

export class ResyncSchedule {
  readonly #intervalMs: number;
  readonly #random: Random;
  #nextMs = Infinity;
  #looks = 0;
  #looksPerRead = 1;

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
    this.#looks++;
    if (this.#looks < this.#looksPerRead) return 'sysctls';
    this.#looks = 0;
    return 'everything';
  }

  /** A look at everything found something, or nothing. */
  onResult(foundSomething: boolean): void {
    this.#looksPerRead = foundSomething ? 1 : Math.min(2 * this.#looksPerRead, MAX_LOOKS_PER_READ);
  }
}
