// Reads facts about the host after each request: once for all requests of a burst, one read at a
// time, again later after a failure.
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';

export interface HostWatcherDeps {
  readonly clock: Clock;
  /** Reads the host and uses the result. */
  readonly read: () => Promise<void>;
  /** Called when {@link read} rejected. It is tried again. */
  readonly onError: (error: Error) => void;
}

/** Notifications come in bursts. */
const BURST_MS = 5;
/** Wait after the kernel did not answer. */
const RETRY_MS = 1000;

export class HostWatcher {
  readonly #deps: HostWatcherDeps;
  readonly #loop: ControlLoop;
  /** When to read; infinite while no read is requested. */
  #dueMs = Infinity;
  #notBeforeMs = 0;
  #isStopped = false;

  constructor(deps: HostWatcherDeps) {
    const { clock } = deps;
    this.#deps = deps;
    this.#loop = new ControlLoop({ clock, step: () => this.#step(), deadlinesMs: () => [this.#dueMs] });
    this.#loop.start();
  }

  /** Facts about the host may have changed. */
  request(): void {
    const dueMs = Math.max(this.#notBeforeMs, this.#deps.clock.nowMs() + BURST_MS);
    this.#dueMs = Math.min(this.#dueMs, dueMs);
    this.#loop.wake();
  }

  stop(): void {
    this.#isStopped = true;
    void this.#loop.stop();
  }

  async #step(): Promise<boolean> {
    const { clock, onError, read } = this.#deps;
    if (this.#dueMs > clock.nowMs()) return false;
    this.#dueMs = Infinity;
    await read().catch((error: Error) => {
      if (this.#isStopped) return;
      this.#notBeforeMs = clock.nowMs() + RETRY_MS;
      this.#dueMs = this.#notBeforeMs;
      onError(error);
    });
    return false;
  }
}
