// Keeps notices back while steps are under way, so that whoever asked for the steps has recorded their results before he
// hears what happened since.
import type { KernelNotification } from '../kernel.ts';

export class NotificationBuffer {
  readonly #pass: (notice: KernelNotification) => void;
  #closedBy = 0;
  #waiting: KernelNotification[] = [];

  constructor(pass: (notice: KernelNotification) => void) {
    this.#pass = pass;
  }

  tell(notice: KernelNotification): void {
    if (this.#closedBy > 0) this.#waiting.push(notice);
    else this.#pass(notice);
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
    const notices = this.#waiting;
    this.#waiting = [];
    for (const notice of notices) this.#pass(notice);
  }
}
