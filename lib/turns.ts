// Runs asynchronous work in the order in which it came: alone, or a few at once. Knows nothing of the work.

interface Turn {
  /** How many at most run at once while it does. */
  readonly overlap: number;
  readonly start: () => void;
}

export class Turns {
  readonly #waiting: Turn[] = [];
  #running = 0;
  #isAlone = false;

  /**
   * Calls `run` once all that came before has begun, and fewer than `overlap` of it run; with 1 it is alone. @returns what `run`
   * resolves or rejects to
   */
  take<Result>(overlap: number, run: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve) => {
      const start = (): void => {
        // It may throw before it returns a promise.
        const result = (async () => run())();
        const onEnded = (): void => this.#onEnded();
        result.then(onEnded, onEnded);
        resolve(result);
      };
      this.#waiting.push({ overlap, start });
      this.#startAll();
    });
  }

  #onEnded(): void {
    this.#running--;
    this.#startAll();
  }

  #startAll(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#running++;
      this.#isAlone = next.overlap === 1;
      next.start();
    }
  }

  #fits({ overlap }: Turn): boolean {
    return this.#running === 0 || (!this.#isAlone && this.#running < overlap);
  }
}
