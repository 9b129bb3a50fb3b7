import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { decodeEntry } from './lease-entry.ts';
import { NO_LEASE, toRevision, type RegistryEntry } from './registry.ts';
import { RegistrySnapshotStore } from './registry-snapshot-store.ts';

const KEYS = 5;
const VALUES = ['{"PublicIP":"192.0.2.1"}', '{"PublicIP":"192.0.2.2"}', 'no JSON'];

/** Every list of at most {@link KEYS} entries that these digits stand for: 0 is none, others a value. */
function listOf(digits: string, modRevision: number): RegistryEntry[] {
  return Array.from(digits).flatMap((digit, index) => {
    const value = VALUES[Number(digit) - 1];
    const entry = { key: `10.0.${index}.0-24`, leaseId: NO_LEASE, modRevision: toRevision(modRevision) };
    return value === undefined ? [] : [{ ...entry, value }];
  });
}

describe('RegistrySnapshotStore', () => {
  it('equals a full list after it, and says what differed, whatever it had before', async () => {
    const digits = (seed: number): string => seed.toString(4).padStart(KEYS, '0').slice(-KEYS);
    for (let seed = 0; seed < 4 ** KEYS; seed++) {
      const [before, after] = [listOf(digits(seed), 1), listOf(digits(seed * 577 + 91), 1 + (seed % 2))];
      const store = new RegistrySnapshotStore(decodeEntry);
      store.applySnapshot({ revision: toRevision(1), entries: before }, store.compareNow(before));
      const known = new Map(before.map((entry) => [entry.key, JSON.stringify(entry)]));
      const change = store.applySnapshot(
        { revision: toRevision(2), entries: after },
        await store.compare(after),
      );
      const left = new Set(after.map(({ key }) => key));
      const put = after.filter((entry) => known.get(entry.key) !== JSON.stringify(entry));
      assert.deepEqual(
        [...change.put],
        put.map(({ key }) => key),
      );
      assert.deepEqual(
        [...change.removed],
        [...known.keys()].filter((key) => !left.has(key)),
      );
      assert.deepEqual([...store.entries.values()].sort(byKey), after);
      const isValid = ({ value }: RegistryEntry): boolean => value !== 'no JSON';
      assert.deepEqual(
        [...store.leases.keys()].sort(),
        after.filter(isValid).map(({ key }) => key),
      );
      assert.equal(store.invalidEntries.size, after.length - store.leases.size);
      for (const { key, value } of after.filter(isValid))
        assert.equal(store.leases.get(key)!.attributes.publicIp, value.slice(13, 22));
    }
  });
});

const byKey = (a: RegistryEntry, b: RegistryEntry): number => (a.key < b.key ? -1 : 1);
