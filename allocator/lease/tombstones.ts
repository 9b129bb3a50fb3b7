// Keys that bear our address and count for nothing: removed by us, or given up. The registry's copy may show them for a while.
import type { RegistryEntry, Revision } from '../registry/registry.ts';

export class Tombstones {
  /** With the revision that each had. */
  readonly #revisions = new Map<string, Revision>();
  /** Those that are gone for sure from this revision on: whoever has such a key later made it anew, or took it from a backup. */
  readonly #goneAt = new Map<string, Revision>();

  get revisions(): ReadonlyMap<string, Revision> {
    return this.#revisions;
  }

  has({ key, modRevision }: Pick<RegistryEntry, 'key' | 'modRevision'>): boolean {
    return this.#revisions.get(key) === modRevision;
  }

  /** @param goneAt - revision at which it was removed; unset if it is given up, and still there. */
  add({ key, modRevision }: Pick<RegistryEntry, 'key' | 'modRevision'>, goneAt?: Revision): void {
    this.#revisions.set(key, modRevision);
    if (goneAt !== undefined) this.#goneAt.set(key, goneAt);
  }

  delete(key: string): void {
    this.#revisions.delete(key);
  }

  /** The copy has seen that `removed` went, and stands at `revision`. */
  onChange(removed: Iterable<string>, revision: Revision): void {
    for (const key of removed) this.#revisions.delete(key);
    for (const [key, goneAt] of this.#goneAt)
      if (revision >= goneAt) {
        this.#goneAt.delete(key);
        this.#revisions.delete(key);
      }
  }

  clear(): void {
    this.#revisions.clear();
    this.#goneAt.clear();
  }
}
