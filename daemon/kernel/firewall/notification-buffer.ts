// Buffers kernel notifications until the caller has recorded the results of its steps.
import type { KernelNotification } from '../kernel.ts';

export class NotificationBuffer {
  readonly #deliver: (notification: KernelNotification) => void;
  /** Calls of {@link during} that have not ended. */
  #running = 0;
  #buffered: KernelNotification[] = [];

  constructor(deliver: (notification: KernelNotification) => void) {
    this.#deliver = deliver;
  }

  /** Delivers at once, unless work is running. */
  push(notification: KernelNotification): void {
    if (this.#running > 0) this.#buffered.push(notification);
    else this.#deliver(notification);
  }

  /** Runs `work` and delivers what was pushed meanwhile after the caller has handled its result. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#running++;
    try {
      return await work();
    } finally {
      // After the promise jobs of the caller, which record the result.
      setImmediate(() => this.#release());
    }
  }

  #release(): void {
    this.#running--;
    if (this.#running > 0) return;
    const notifications = this.#buffered;
    this.#buffered = [];
    for (const notification of notifications) this.#deliver(notification);
  }
}
