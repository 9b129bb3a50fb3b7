// Kernel objects as this process knows them: as read, then changed by acknowledged steps and by
// notifications.
import { objectKey } from '../../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../../kernel/actual-state.ts';
import type { ActualState, ForeignLink, Step } from '../../kernel/kernel.ts';
import { deviceOf } from '../object-device.ts';

export class CachedState {
  readonly #objects: Map<ObjectKey, KernelObject>;
  readonly #foreignLinks: Map<string, ForeignLink>;
  /** Keys of objects that were read and became others. */
  readonly #changed = new Set<ObjectKey>();

  /** Takes what was read over. */
  constructor({ objects, foreignLinks }: ActualState) {
    this.#objects = objects;
    this.#foreignLinks = foreignLinks;
  }

  get objects(): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#objects;
  }

  get foreignLinks(): ReadonlyMap<string, ForeignLink> {
    return this.#foreignLinks;
  }

  /** Whether nothing was recorded under `key` since it was read. */
  isAsRead(key: ObjectKey): boolean {
    return !this.#changed.has(key);
  }

  /** Puts `object` in place of what was read under its key, which is the same in all that it has. */
  substitute(key: ObjectKey, object: KernelObject): void {
    this.#objects.set(key, object);
  }

  /** Records one object as it is now, or its absence. */
  record(key: ObjectKey, object: KernelObject | undefined): void {
    if (this.#objects.has(key)) this.#changed.add(key);
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
  }

  /** Records an acknowledged step. */
  recordStep(step: Step): void {
    const { action, object } = step;
    const former = step.action === 'set' ? step.current : undefined;
    // The objects on a renamed device have other keys now; the next read restores them.
    if (former?.kind === 'link' && former.name !== deviceOf(object)) this.#dropDevice(former.name);
    const key = objectKey(object);
    if (object.kind === 'link' && (action === 'remove' || !this.#objects.has(key)))
      this.#dropDevice(object.name);
    this.record(key, action === 'set' ? object : undefined);
  }

  /**
   * Records a step that was not done. A command may have run in part, so that its object is there, to
   * be removed or set again.
   */
  recordFailure({ object }: Step): void {
    if (object.kind !== 'command') return;
    const failed: ActualObject = { ...object, mismatch: 'not ended' };
    this.record(objectKey(object), failed);
  }

  #dropDevice(name: string): void {
    this.#foreignLinks.delete(name);
    for (const [key, object] of this.#objects) if (deviceOf(object) === name) this.record(key, undefined);
  }
}
