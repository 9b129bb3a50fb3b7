// Keeps notices back while steps are under way, so that whoever asked for the steps has recorded their results before he
// hears what happened since.
import type { KernelNotice } from '../kernel.ts';

export class NoticeGate {
  readonly #pass: (notice: KernelNotice) => void;
  #closedBy = 0;
  #waiting: KernelNotice[] = [];

  constructor(pass: (notice: KernelNotice) => void) {
    this.#pass = pass;
  }

  tell(notice: KernelNotice): void {
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
