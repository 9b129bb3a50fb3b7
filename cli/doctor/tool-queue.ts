// Runs few programs at a time. A hundred at once would keep this process from noticing the answers of
// etcd and of peers within their time limits.
const MAX_RUNNING = 6;

export class ToolQueue {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  async run<Result>(action: () => Promise<Result>): Promise<Result> {
    if (this.#running >= MAX_RUNNING) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await action();
    } finally {
      // The next one takes this place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
