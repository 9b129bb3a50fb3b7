// What every implementation of Registry must do, as one mocha suite. It knows a store only through
// the fixture, so that the same statements hold for etcd and for memory. It starts no server and
// measures no time.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { MAX_CREATE_KEYS, NO_LEASE, toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import type { CreateResult, Registry, RegistryEntry } from '../../allocator/registry/registry.ts';
import { describeEnds } from './registry-ends.ts';
import { UNUSUAL, rejectsWith } from './registry-fixture.ts';
import type { RegistryFixture } from './registry-fixture.ts';
import { describeWatch } from './registry-watch.ts';

export type { RegistryFixture } from './registry-fixture.ts';

/** Declares the suite. `open` is called before each test and the result closed after it. */
export function describeRegistry(name: string, open: () => Promise<RegistryFixture>): void {
  describe(`Registry: ${name}`, () => {
    let store: RegistryFixture;
    let registry: Registry;

    beforeEach(async () => {
      store = await open();
      registry = store.registry;
    });
    afterEach(() => store.close());

    const create = (keys: readonly string[], value = 'v', leaseId = NO_LEASE): Promise<CreateResult> =>
      registry.create({ keys, value, leaseId });
    const entries = async (): Promise<RegistryEntry[]> =>
      [...(await registry.snapshot()).entries].sort((a, b) => (a.key < b.key ? -1 : 1));
    const keys = async (): Promise<string[]> => (await entries()).map((entry) => entry.key);
    const created = async (key: string, value = 'v', leaseId = NO_LEASE): Promise<number> => {
      const result = await create([key], value, leaseId);
      assert.equal(result.created, true, `${key} was not free`);
      return result.revision;
    };

    describe('snapshot', () => {
      it('of an empty store has no config and no entries', async () => {
        const snapshot = await registry.snapshot();
        assert.equal(snapshot.config, undefined);
        assert.deepEqual(snapshot.entries, []);
        assert.ok(Number.isSafeInteger(snapshot.revision) && snapshot.revision >= 0);
      });

      it('shows key, value, lease and revision of each entry, and the config', async () => {
        const leaseId = await registry.grant(60);
        await store.putConfig('{"Network":"10.5.0.0/16"}');
        const first = await created('10.5.1.0-24', 'one', leaseId);
        const second = await created('10.5.2.0-24', 'two');
        const snapshot = await registry.snapshot();
        assert.equal(snapshot.config?.text, '{"Network":"10.5.0.0/16"}');
        assert.ok(snapshot.config.modRevision < first);
        assert.equal(snapshot.revision, second);
        assert.deepEqual(await entries(), [
          { key: '10.5.1.0-24', value: 'one', leaseId, modRevision: first },
          { key: '10.5.2.0-24', value: 'two', leaseId: NO_LEASE, modRevision: second },
        ]);
      });

      it('distinguishes an empty config from an absent one', async () => {
        await store.putConfig('');
        assert.equal((await registry.snapshot()).config?.text, '');
        await store.putConfig(undefined);
        assert.equal((await registry.snapshot()).config, undefined);
      });

      it('sees what another client wrote just before', async () => {
        await store.second().create({ keys: ['k'], value: 'v', leaseId: NO_LEASE });
        assert.deepEqual(await keys(), ['k']);
      });

      for (const { what, key, value } of UNUSUAL)
        it(`returns unchanged: ${what}`, async () => {
          await store.rawPut(key, value);
          const [entry] = await entries();
          assert.equal(entry?.key, key);
          assert.equal(entry.value, value);
          assert.equal(entry.leaseId, NO_LEASE);
        });
    });

    describe('changesSince', () => {
      it('shows the entries written after a revision, config whenever it was written, and counts all', async () => {
        await store.putConfig('{"Network":"10.5.0.0/16"}');
        const leaseId = await registry.grant(60);
        await created('a', 'one');
        const since = await created('b', 'two', leaseId);
        const nothing = await registry.changesSince(toRevision(since));
        assert.deepEqual([nothing.entries, nothing.count, nothing.revision], [[], 2, since]);
        assert.equal(nothing.config?.text, '{"Network":"10.5.0.0/16"}');
        const { revision } = await registry.update(
          { key: 'a', value: 'new', leaseId },
          toRevision(since - 1),
        );
        const changes = await registry.changesSince(toRevision(since));
        assert.deepEqual(changes.entries, [{ key: 'a', value: 'new', leaseId, modRevision: revision }]);
        assert.deepEqual([changes.count, changes.revision], [2, revision]);
      });

      it('counts less after a removal', async () => {
        await created('a');
        const since = await created('b');
        await registry.remove('a', toRevision(since - 1));
        const { count, entries: changed, config } = await registry.changesSince(toRevision(since));
        assert.deepEqual([count, changed, config], [1, [], undefined]);
      });
    });

    describe('create', () => {
      it('takes the first free key', async () => {
        const result = await create(['a', 'b']);
        assert.deepEqual(result, { created: true, key: 'a', revision: result.revision });
        assert.deepEqual(await keys(), ['a']);
      });

      for (let taken = 1; taken < MAX_CREATE_KEYS; taken++)
        it(`passes over ${taken} taken key(s)`, async () => {
          const wanted = Array.from({ length: MAX_CREATE_KEYS }, (_, index) => `k${index}`);
          for (const key of wanted.slice(0, taken)) await store.rawPut(key, 'theirs');
          const result = await create(wanted, 'mine');
          assert.equal(result.created && result.key, `k${taken}`);
          assert.equal((await entries()).filter((entry) => entry.value === 'mine').length, 1);
        });

      it('lists every key when all of them are taken, and writes nothing', async () => {
        for (const key of ['a', 'b', 'c', 'schlüssel']) await store.rawPut(key, 'theirs');
        const before = await registry.snapshot();
        const result = await create(['a', 'b'], 'mine');
        assert.ok(!result.created);
        assert.deepEqual([...result.takenKeys].sort(), ['a', 'b', 'c', 'schlüssel']);
        assert.equal(result.revision, before.revision);
        assert.deepEqual((await registry.snapshot()).entries, before.entries);
      });

      it('lets exactly one of two racing clients have each key', async () => {
        const request = { keys: ['a', 'b', 'c'], value: 'v', leaseId: NO_LEASE };
        const other = store.second();
        const results = await Promise.all(
          Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? registry : other).create(request)),
        );
        const won = results.flatMap((result) => (result.created ? [result.key] : []));
        assert.deepEqual(won.sort(), ['a', 'b', 'c']);
        for (const result of results)
          if (!result.created) assert.deepEqual([...result.takenKeys].sort(), ['a', 'b', 'c']);
      });

      it('reuses a key that was removed', async () => {
        await created('a', 'old');
        await store.rawDelete('a');
        await created('a', 'new');
        assert.equal((await entries())[0]?.value, 'new');
      });

      it('writes unusual keys and values unchanged', async () => {
        for (const { key, value } of UNUSUAL) await created(key, value);
        const found = new Map((await entries()).map((entry) => [entry.key, entry.value]));
        for (const { what, key, value } of UNUSUAL) assert.equal(found.get(key), value, what);
      });

      it('with a lease that does not exist fails and writes nothing', async () => {
        await rejectsWith('REGISTRY_LEASE_NOT_FOUND', create(['a'], 'v', toLeaseId('123456789')));
        assert.deepEqual(await keys(), []);
      });

      for (const count of [0, MAX_CREATE_KEYS + 1])
        it(`refuses ${count} keys`, () =>
          assert.rejects(create(Array.from({ length: count }, String)), RangeError));
    });

    describe('update', () => {
      it('replaces value and lease', async () => {
        const leaseId = await registry.grant(60);
        const at = await created('a', 'old');
        const result = await registry.update({ key: 'a', value: 'new', leaseId }, toRevision(at));
        assert.equal(result.written, true);
        assert.ok(result.revision > at);
        assert.deepEqual(await entries(), [
          { key: 'a', value: 'new', leaseId, modRevision: result.revision },
        ]);
      });

      it('of a key that was changed meanwhile writes nothing and shows what is there', async () => {
        const at = await created('a', 'mine');
        await store.rawPut('a', 'theirs');
        const [current] = await entries();
        const result = await registry.update(
          { key: 'a', value: 'again mine', leaseId: NO_LEASE },
          toRevision(at),
        );
        assert.deepEqual(result, { written: false, revision: result.revision, current });
        assert.equal((await entries())[0]?.value, 'theirs');
      });

      it('of a removed key writes nothing and shows nothing', async () => {
        const at = await created('a');
        await store.rawDelete('a');
        const result = await registry.update({ key: 'a', value: 'x', leaseId: NO_LEASE }, toRevision(at));
        assert.deepEqual(result, { written: false, revision: result.revision });
        assert.deepEqual(await keys(), []);
      });

      it('of a key removed and created again by another client writes nothing', async () => {
        const at = await created('a', 'mine');
        await store.rawDelete('a');
        await store.rawPut('a', 'mine');
        assert.equal(
          (await registry.update({ key: 'a', value: 'x', leaseId: NO_LEASE }, toRevision(at))).written,
          false,
        );
      });

      it('lets exactly one of two racing clients write', async () => {
        const at = await created('a');
        const other = store.second();
        const results = await Promise.all([
          registry.update({ key: 'a', value: 'one', leaseId: NO_LEASE }, toRevision(at)),
          other.update({ key: 'a', value: 'two', leaseId: NO_LEASE }, toRevision(at)),
        ]);
        assert.equal(results.filter((result) => result.written).length, 1);
        assert.equal((await entries())[0]?.value, results[0].written ? 'one' : 'two');
      });

      it('to no lease makes a key outlive its former lease', async () => {
        const leaseId = await registry.grant(60);
        const at = await created('a', 'v', leaseId);
        await registry.update({ key: 'a', value: 'v', leaseId: NO_LEASE }, toRevision(at));
        await store.expireLease(leaseId);
        assert.deepEqual(await keys(), ['a']);
      });

      it('with a lease that does not exist fails and leaves the key', async () => {
        const at = await created('a', 'old');
        const update = registry.update(
          { key: 'a', value: 'new', leaseId: toLeaseId('123456789') },
          toRevision(at),
        );
        await rejectsWith('REGISTRY_LEASE_NOT_FOUND', update);
        assert.equal((await entries())[0]?.value, 'old');
      });
    });

    describe('move', () => {
      const to = (key: string, value = 'new', leaseId = NO_LEASE) => ({ key, value, leaseId });

      it('puts one key in the place of another, with its own value and lease', async () => {
        const leaseId = await registry.grant(60);
        const at = await created('10.5.1.0-24', 'old', leaseId);
        const key = '10.5.1.0-24&fd00:0:0:1::-64';
        const result = await registry.move('10.5.1.0-24', toRevision(at), to(key, 'new', leaseId));
        assert.equal(result.written, true);
        assert.ok(result.revision > at);
        assert.deepEqual(await entries(), [{ key, value: 'new', leaseId, modRevision: result.revision }]);
      });

      it('is seen by others as one: the old key gone, then the new one there', async () => {
        const at = await created('a');
        const seen: string[] = [];
        const ended = new AbortController();
        const isSeen = new Promise<void>((resolve) => {
          void store.second().watch({
            fromRevision: toRevision(at + 1),
            signal: ended.signal,
            onEvents: (events) => {
              seen.push(events.map((event) => (event.type === 'put' ? event.entry.key : event.type)).join());
              resolve();
            },
          });
        });
        await registry.move('a', toRevision(at), to('b'));
        await isSeen;
        ended.abort();
        assert.deepEqual(seen, ['delete,b']);
      });

      it('of a key that was changed meanwhile writes nothing and shows what is there', async () => {
        const at = await created('a', 'mine');
        await store.rawPut('a', 'theirs');
        const [current] = await entries();
        const result = await registry.move('a', toRevision(at), to('b'));
        assert.deepEqual(result, { written: false, revision: result.revision, current });
        assert.deepEqual(await keys(), ['a']);
      });

      it('of a removed key writes nothing', async () => {
        const at = await created('a');
        await store.rawDelete('a');
        assert.equal((await registry.move('a', toRevision(at), to('b'))).written, false);
        assert.deepEqual(await keys(), []);
      });

      it('to a key that exists writes nothing', async () => {
        const at = await created('a', 'mine');
        await store.rawPut('b', 'theirs');
        assert.equal((await registry.move('a', toRevision(at), to('b'))).written, false);
        assert.deepEqual(
          (await entries()).map(({ key, value }) => `${key} ${value}`),
          ['a mine', 'b theirs'],
        );
      });

      it('with a lease that does not exist fails and leaves the key', async () => {
        const at = await created('a', 'old');
        await rejectsWith(
          'REGISTRY_LEASE_NOT_FOUND',
          registry.move('a', toRevision(at), to('b', 'new', toLeaseId('123456789'))),
        );
        assert.deepEqual(await keys(), ['a']);
      });
    });

    describe('remove', () => {
      it('removes the key that is meant and no other', async () => {
        const at = await created('10.5.1.0-24');
        await created('10.5.1.0-24&fd00::-64');
        const result = await registry.remove('10.5.1.0-24', toRevision(at));
        assert.equal(result.written, true);
        assert.ok(result.revision > at);
        assert.deepEqual(await keys(), ['10.5.1.0-24&fd00::-64']);
      });

      it('of an absent key succeeds', async () => {
        const at = await created('a');
        await store.rawDelete('a');
        assert.equal((await registry.remove('a', toRevision(at))).written, true);
        assert.equal((await registry.remove('never there', toRevision(at))).written, true);
      });

      it('of a key that was changed meanwhile leaves it and shows what is there', async () => {
        const at = await created('a', 'mine');
        await store.rawPut('a', 'theirs');
        const [current] = await entries();
        const result = await registry.remove('a', toRevision(at));
        assert.deepEqual(result, { written: false, revision: result.revision, current });
        assert.deepEqual(await keys(), ['a']);
      });
    });

    describe('registry leases', () => {
      it('have ids of their own, in decimal', async () => {
        const ids = await Promise.all([registry.grant(60), registry.grant(60), store.second().grant(60)]);
        assert.equal(new Set(ids).size, 3);
        for (const id of ids) assert.match(id, /^[1-9]\d*$/);
      });

      it('are extended by keepAlive to their full time', async () => {
        const leaseId = await registry.grant(60);
        assert.equal(await registry.keepAlive(leaseId), 60);
        assert.equal(await store.second().keepAlive(leaseId), 60);
      });

      it('take their keys along when they expire, and no others', async () => {
        const [leaseId, otherId] = [await registry.grant(60), await registry.grant(60)];
        await created('a', 'v', leaseId);
        await created('b', 'v', leaseId);
        await created('c', 'v', otherId);
        await created('reservation');
        await store.expireLease(leaseId);
        assert.deepEqual(await keys(), ['c', 'reservation']);
        assert.equal(await registry.keepAlive(leaseId), 0);
        await rejectsWith('REGISTRY_LEASE_NOT_FOUND', create(['d'], 'v', leaseId));
      });

      it('end at once when they are revoked', async () => {
        const leaseId = await registry.grant(60);
        await created('a', 'v', leaseId);
        await created('b');
        await registry.revoke(leaseId);
        assert.deepEqual(await keys(), ['b']);
        assert.equal(await registry.keepAlive(leaseId), 0);
      });

      it('that do not exist have no time left, and revoking them succeeds', async () => {
        assert.equal(await registry.keepAlive(toLeaseId('123456789')), 0);
        await registry.revoke(toLeaseId('123456789'));
        assert.equal(await registry.keepAlive(NO_LEASE), 0);
        await registry.revoke(NO_LEASE);
      });

      it('stay with a key only until it is written without them', async () => {
        const leaseId = await registry.grant(60);
        await created('a', 'v', leaseId);
        await store.rawPut('a', 'reserved');
        await store.expireLease(leaseId);
        assert.equal((await entries())[0]?.leaseId, NO_LEASE);
      });
    });

    describeWatch(() => store);
    describeEnds(() => store);
  });
}
