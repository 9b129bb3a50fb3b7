// Level-triggered control loop: single flight, stepped again when woken, asleep until the next
// deadline. A wake-up during a step is kept. It knows nothing of the work.
//
//   new ──start──► stepping ──step: true, or woken──► stepping
//                     │  ▲
//          step: false│  │wake, or a deadline
//                     ▼  │
//                   sleeping                         any state ──stop──► stopped (absorbing)
import type { Clock } from './clock.ts';

export interface ControlLoopOptions {
  readonly clock: Clock;
  /** Does one thing; resolves to whether to step again at once. Must not reject or throw. */
  readonly step: () => Promise<boolean> | boolean;
  /**
   * Points on the clock at which to step without a wake-up, in ms. Read before each sleep; points
   * up to the start of the last step are skipped.
   */
  readonly deadlinesMs?: () => readonly number[];
}

export class ControlLoop {
  readonly #options: ControlLoopOptions;
  #phase: 'new' | 'started' | 'stopped' = 'new';
  #isStepping = false;
  #isWoken = false;
  #cancelTimer: (() => void) | undefined;
  #run: Promise<void> = Promise.resolve();

  constructor(options: ControlLoopOptions) {
    this.#options = options;
  }

  /** No step runs or is due. */
  get isIdle(): boolean {
    return !this.#isStepping;
  }

  /** Takes the first step at once. Without effect after {@link stop}. */
  start(): void {
    if (this.#phase !== 'new') return;
    this.#phase = 'started';
    this.#isStepping = true;
    this.#run = this.#steps();
  }

  /**
   * Something changed: steps once more, after the caller's own synchronous work. Without effect
   * before {@link start}.
   */
  wake(): void {
    if (this.#phase !== 'started') return;
    this.#isWoken = true;
    if (this.#isStepping) return;
    this.#isStepping = true;
    this.#cancelTimer?.();
    this.#run = Promise.resolve().then(() => this.#steps());
  }

  /** Ends the loop. Resolves when a running step has ended. */
  stop(): Promise<void> {
    this.#phase = 'stopped';
    this.#cancelTimer?.();
    return this.#run;
  }

  async #steps(): Promise<void> {
    const { clock, step } = this.#options;
    let startedMs = -Infinity;
    let isMore = true;
    while (this.#phase === 'started' && (isMore || this.#isWoken)) {
      this.#isWoken = false;
      startedMs = clock.nowMs();
      isMore = await step();
    }
    this.#isStepping = false;
    if (this.#phase === 'started') this.#sleep(startedMs);
  }

  /**
   * The last step has seen every point up to its start; one that falls due during it is still to
   * come.
   */
  #sleep(startedMs: number): void {
    const { clock, deadlinesMs = () => [] } = this.#options;
    const pointsMs = deadlinesMs().filter((pointMs) => pointMs > startedMs && pointMs < Infinity);
    if (pointsMs.length === 0) return;
    const delayMs = Math.max(0, Math.min(...pointsMs) - clock.nowMs());
    this.#cancelTimer = clock.setTimer(delayMs, () => this.wake());
  }
}
