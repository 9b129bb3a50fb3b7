// A model of the firewall: rules of ours by key. Tests change them by `replace`, our own steps come
// through `apply`.
import type { Family } from '../../../lib/address.ts';
import { objectKey, type FirewallObject, type ObjectKey } from '../../../backends/kernel-state.ts';
import type { KernelNotification, Step } from '../kernel.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';

export class MemoryFirewall {
  readonly #objects = new Map<ObjectKey, FirewallObject>();
  #dropFamilies: readonly Family[] = [];
  /** Called for each change. */
  onNotification: (notification: KernelNotification) => void = () => undefined;

  get objects(): ReadonlyMap<ObjectKey, FirewallObject> {
    return this.#objects;
  }

  get dropFamilies(): readonly Family[] {
    return this.#dropFamilies;
  }

  read(): Promise<readonly FirewallObject[]> {
    return Promise.resolve([...this.#objects.values()]);
  }

  apply({ action, object }: { readonly action: Step['action']; readonly object: FirewallObject }): Outcome {
    this.replace(objectKey(object), action === 'set' ? object : undefined);
    return DONE;
  }

  /** Sets or removes the object of `key`, as another process would. */
  replace(key: ObjectKey, object: FirewallObject | undefined): void {
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.onNotification(object === undefined ? { kind: 'object', key } : { kind: 'object', key, object });
  }

  setForwardDrops(families: readonly Family[]): void {
    this.#dropFamilies = families;
    this.onNotification({ kind: 'forward-policy' });
  }
}
