// What the kernel holds as far as this process knows: what was read, what the kernel confirmed, what it told since.
import { objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { ActualState, ForeignLink, Step } from '../kernel/kernel.ts';
import { deviceOf } from './object-device.ts';

export class CachedState {
  #objects: Map<ObjectKey, KernelObject>;
  #foreignLinks: Map<string, ForeignLink>;

  constructor(actual: ActualState) {
    this.#objects = new Map(actual.objects);
    this.#foreignLinks = new Map(actual.foreignLinks);
  }

  get objects(): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#objects;
  }

  get foreignLinks(): ReadonlyMap<string, ForeignLink> {
    return this.#foreignLinks;
  }

  /** Records one object as it is now, or that it is gone. */
  record(key: ObjectKey, object: KernelObject | undefined): void {
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
  }

  /** Records a step that the kernel acknowledged. */
  recordStep(step: Step): void {
    const { action, object } = step;
    const former = step.action === 'set' ? step.current : undefined;
    // What lies on it bears another name now, too: only reading tells all of it.
    if (former?.kind === 'link' && former.name !== deviceOf(object)) this.#dropDevice(former.name);
    if (object.kind === 'link' && (action === 'remove' || !this.#objects.has(objectKey(object))))
      this.#dropDevice(object.name);
    this.record(objectKey(object), action === 'set' ? object : undefined);
  }

  #dropDevice(name: string): void {
    this.#foreignLinks.delete(name);
    for (const [key, object] of this.#objects) if (deviceOf(object) === name) this.#objects.delete(key);
  }
}
