// Steps of a plan that are still to be taken, batch by batch. What changes between two batches is compared again by its key,
// and the steps of that key are out of date. Pure: it does no work and holds no timer.
import { objectKey } from '../../../backends/kernel-state.ts';
import type { ObjectKey } from '../../../backends/kernel-state.ts';
import type { Step } from '../../kernel/kernel.ts';

export class PlannedSteps {
  /** Owners, and orphans by key, with a step that failed: one failure a plan. */
  readonly failed = new Set<string>();
  readonly #steps: readonly Step[];
  readonly #superseded = new Set<ObjectKey>();
  #taken = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  get isEmpty(): boolean {
    return this.#taken === this.#steps.length;
  }

  /** Keys of the steps that are left. */
  get keys(): readonly ObjectKey[] {
    const left = this.#steps.slice(this.#taken).map(({ object }) => objectKey(object));
    return left.filter((key) => !this.#superseded.has(key));
  }

  /** These keys were compared again: their steps are not taken. */
  supersede(keys: Iterable<ObjectKey>): void {
    for (const key of keys) this.#superseded.add(key);
  }

  /**
   * Takes the next `count` steps, without those that are out of date.
   * @param isDirty - whether a key is to be compared again.
   */
  take(count: number, isDirty: (key: ObjectKey) => boolean): readonly Step[] {
    const batch: Step[] = [];
    while (batch.length < count && !this.isEmpty) {
      const step = this.#steps[this.#taken++]!;
      const key = objectKey(step.object);
      if (!this.#superseded.has(key) && !isDirty(key)) batch.push(step);
    }
    return batch;
  }
}
