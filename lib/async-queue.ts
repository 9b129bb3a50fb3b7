// Lines of a stream that are made faster or slower than they are read: pushed at one end, iterated at the other. For
// streams whose length is bounded by what was asked for.

export class AsyncQueue<Line> implements AsyncIterable<Line> {
  readonly #lines: Line[] = [];
  #wake: () => void = () => undefined;
  #isEnded = false;
  #error: unknown;

  push(line: Line): void {
    this.#lines.push(line);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** The reader gets what is there, and then the error. */
  fail(error: unknown): void {
    this.#error = error;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Line> {
    for (;;) {
      while (this.#lines.length > 0) yield this.#lines.shift()!;
      if (this.#isEnded) break;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#error !== undefined) throw this.#error as Error;
  }
}
