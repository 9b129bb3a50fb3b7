// A Clock that stands still until a test moves it. Timers fire in order of their time; between two
// of them all pending promise work is done, so that a test sees what a real run would.
import type { Clock } from '../../lib/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have not fired, for leak checks. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Does all promise work that needs no more time. */
  async settle(): Promise<void> {
    // Promise jobs run to the end before an immediate does; the second turn is for work that itself
    // took an immediate.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves time on by `ms`, firing each timer at its own time. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const next = this.#next(endMs);
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#fireDue();
      await this.settle();
    }
    this.#nowMs = endMs;
  }

  /**
   * Moves time on by `ms` at once, as a stopped process sees it: every timer that is due by then
   * fires late.
   */
  async jump(ms: number): Promise<void> {
    await this.settle();
    this.#nowMs += ms;
    await this.advance(0);
  }

  /**
   * Moves on until `condition` holds. @throws Error if it does not within `limitMs` of this clock's
   * time.
   */
  async until(condition: () => boolean, limitMs = 3_600_000): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    await this.settle();
    while (!condition()) {
      const next = this.#next(endMs);
      if (next === undefined)
        throw new Error(`Nothing made it true within ${limitMs} ms: ${String(condition)}`);
      await this.advance(Math.max(0, next.dueMs - this.#nowMs));
    }
  }

  #next(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers)
      if (timer.dueMs <= endMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    return first;
  }

  #fireDue(): void {
    const due = [...this.#timers].filter((timer) => timer.dueMs <= this.#nowMs);
    for (const timer of due.sort((a, b) => a.dueMs - b.dueMs))
      if (this.#timers.delete(timer)) timer.callback();
  }
}
