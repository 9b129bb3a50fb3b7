// Keeps notifications back while steps are under way, so that whoever asked for the steps has recorded their results before he
// hears what happened since.
import type { KernelNotification } from '../kernel.ts';

export class NotificationBuffer {
  readonly #pass: (notification: KernelNotification) => void;
  #closedBy = 0;
  #waiting: KernelNotification[] = [];

  constructor(pass: (notification: KernelNotification) => void) {
    this.#pass = pass;
  }

  tell(notification: KernelNotification): void {
    if (this.#closedBy > 0) this.#waiting.push(notification);
    else this.#pass(notification);
  }

  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#closedBy++;
    try {
      return await work();
    } finally {
      // Behind everything that is done with the results at once.
      setImmediate(() => this.#open());
    }
  }

  #open(): void {
    this.#closedBy--;
    if (this.#closedBy > 0) return;
    const notifications = this.#waiting;
    this.#waiting = [];
    for (const notification of notifications) this.#pass(notification);
  }
}
