// Keys that must not wait for work of many turns, such as a full read: those of peers that leave. Serves them while such work
// goes on; else they are taken with all that is dirty. Knows nothing of the work.
import type { ObjectKey } from '../../../backends/kernel-state.ts';

export class UrgentKeys {
  readonly #keys = new Set<ObjectKey>();
  #onAdded: () => void = () => undefined;

  add(keys: Iterable<ObjectKey>): void {
    for (const key of keys) this.#keys.add(key);
    this.#onAdded();
  }

  /** All keys that are dirty are being compared. */
  clear(): void {
    this.#keys.clear();
  }

  /**
   * Resolves or rejects as `work` does. Calls `serve`, which must not reject, with keys that were added; it has ended when this
   * resolves.
   */
  async during<Result>(
    work: Promise<Result>,
    serve: (keys: readonly ObjectKey[]) => Promise<void>,
  ): Promise<Result> {
    let isDone = false;
    const onDone = (): void => {
      isDone = true;
      this.#onAdded();
    };
    work.then(onDone, onDone);
    for (;;) {
      await this.#untilAdded(() => isDone);
      if (isDone) return work;
      const keys = [...this.#keys];
      this.#keys.clear();
      await serve(keys);
    }
  }

  async #untilAdded(isDone: () => boolean): Promise<void> {
    if (this.#keys.size === 0 && !isDone())
      await new Promise<void>((resolve) => {
        this.#onAdded = resolve;
      });
    this.#onAdded = () => undefined;
  }
}
