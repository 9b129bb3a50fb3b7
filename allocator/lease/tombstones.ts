// Tombstones: keys with this host's address that count as absent, because this host removed them or
// gave them up while the cache may still show them. Immutable data and pure functions.
import type { RegistryEntry, Revision } from '../registry/registry.ts';

type KeyVersion = Pick<RegistryEntry, 'key' | 'modRevision'>;

export interface Tombstones {
  /** The revision that each key had. A key written since counts again. */
  readonly revisions: ReadonlyMap<string, Revision>;
  /**
   * Removed keys: from this revision on the cache shows what is there, and the tombstone is
   * obsolete.
   */
  readonly removedAt: ReadonlyMap<string, Revision>;
}

export const NO_TOMBSTONES: Tombstones = { revisions: new Map(), removedAt: new Map() };

export function isBuried({ revisions }: Tombstones, { key, modRevision }: KeyVersion): boolean {
  return revisions.get(key) === modRevision;
}

/**
 * @param removedAt - revision of the removal; unset for a key that is given up and still exists.
 */
export function bury(
  tombstones: Tombstones,
  { key, modRevision }: KeyVersion,
  removedAt?: Revision,
): Tombstones {
  const revisions = new Map(tombstones.revisions).set(key, modRevision);
  if (removedAt === undefined) return { ...tombstones, revisions };
  return { revisions, removedAt: new Map(tombstones.removedAt).set(key, removedAt) };
}

/** Drops the tombstone of `key`. */
export function unbury(tombstones: Tombstones, key: string): Tombstones {
  return tombstones.revisions.has(key)
    ? { ...tombstones, revisions: without(tombstones.revisions, [key]) }
    : tombstones;
}

/** Drops what the cache confirms: it saw `removed` go and stands at `revision`. */
export function settle(tombstones: Tombstones, removed: Iterable<string>, revision: Revision): Tombstones {
  if (tombstones.revisions.size + tombstones.removedAt.size === 0) return tombstones;
  const settled = [...tombstones.removedAt]
    .filter(([, removedAt]) => revision >= removedAt)
    .map(([key]) => key);
  return {
    revisions: without(tombstones.revisions, [...removed, ...settled]),
    removedAt: without(tombstones.removedAt, settled),
  };
}

function without<Value>(
  map: ReadonlyMap<string, Value>,
  keys: readonly string[],
): ReadonlyMap<string, Value> {
  const rest = new Map(map);
  for (const key of keys) rest.delete(key);
  return rest;
}
