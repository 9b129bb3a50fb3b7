// A level-triggered loop: does the next thing until there is nothing to do, then sleeps until it is woken or a point in
// time comes. One thing at a time; a wake-up during work is not lost. It knows nothing of the work.
import type { Clock } from './clock.ts';

export interface WakeLoopOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Does one thing; returns whether to look again at once. Must not reject. */
  readonly act: () => Promise<boolean>;
  /** Points on the clock, past ones too, at which to look again though nothing happened. */
  readonly deadlinesMs: () => readonly number[];
}

export class ControlLoop {
  readonly #options: WakeLoopOptions;
  #isWoken = false;
  #endSleep: (() => void) | undefined;

  constructor(options: WakeLoopOptions) {
    this.#options = options;
  }

  /** Runs until the signal aborts; {@link wake} is needed to see that while it sleeps. */
  async run(): Promise<void> {
    const { signal, act } = this.#options;
    while (!signal.aborted) {
      this.#isWoken = false;
      if (await act()) continue;
      if (!this.#isWoken && !signal.aborted) await this.#sleep();
    }
  }

  /** Something changed: look again. */
  wake(): void {
    this.#isWoken = true;
    this.#endSleep?.();
  }

  async #sleep(): Promise<void> {
    const { clock, deadlinesMs } = this.#options;
    const nowMs = clock.nowMs();
    const pointsMs = deadlinesMs().filter((pointMs) => pointMs > nowMs);
    let cancel: (() => void) | undefined;
    await new Promise<void>((resolve) => {
      this.#endSleep = resolve;
      if (pointsMs.length > 0) cancel = clock.setTimer(Math.min(...pointsMs) - nowMs, resolve);
    });
    cancel?.();
  }
}
