import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { describeRegistry } from '../../../test/compliance/registry.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { systemClock } from '../../../lib/clock.ts';
import { MemoryStore } from './registry-memory-store.ts';
import { MemoryRegistry } from './registry-memory.ts';
import { NO_LEASE, revisionAfter, toRevision } from '../registry.ts';

describeRegistry('memory', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const clients = [new MemoryRegistry(store)] as [MemoryRegistry];
  return {
    registry: clients[0],
    second: () => clients[clients.push(new MemoryRegistry(store)) - 1] ?? clients[0],
    expireLease: async (id) => store.revoke(id),
    compact: async () => store.compact(),
    rawPut: async (key, value, leaseId) => void store.put(key, value, leaseId),
    rawDelete: async (key) => store.delete(key),
    putConfig: async (text) => store.putConfig(text),
    close: async () => {
      for (const client of clients) client.close();
      for (const id of store.leaseIds) store.revoke(id);
    },
  };
});

describe('MemoryRegistry', () => {
  const open = (): { clock: FakeClock; store: MemoryStore; registry: MemoryRegistry } => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    return { clock, store, registry: new MemoryRegistry(store) };
  };

  it('expires a lease at its time and not before, counted from the last keep-alive', async () => {
    const { clock, store, registry } = open();
    const leaseId = await registry.grant(60);
    await registry.create({ keys: ['a'], value: 'v', leaseId });
    await clock.advance(40_000);
    await registry.keepAlive(leaseId);
    await clock.advance(59_999);
    assert.ok(store.get('a'));
    await clock.advance(1);
    assert.equal(store.get('a'), undefined);
    assert.equal(clock.pendingTimers, 0);
  });

  it('does a call whose answer is lost', async () => {
    const { store, registry } = open();
    registry.injectFault({ kind: 'lose-answer' });
    const create = registry.create({ keys: ['a'], value: 'v', leaseId: NO_LEASE });
    await assert.rejects(create, { code: 'REGISTRY_UNAVAILABLE' });
    assert.ok(store.get('a'));
  });

  it('does a late call after it was reported as failed', async () => {
    const { clock, store, registry } = open();
    registry.injectFault({ kind: 'late', afterMs: 5000 });
    const create = registry.create({ keys: ['a'], value: 'v', leaseId: NO_LEASE });
    await assert.rejects(create, { code: 'REGISTRY_UNAVAILABLE' });
    assert.equal(store.get('a'), undefined);
    await clock.advance(5000);
    assert.ok(store.get('a'));
  });

  it('goes back to a backup with an older revision, and ends watches', async () => {
    const { clock, store, registry } = open();
    const leaseId = store.grant(60);
    store.put('a', 'old', leaseId);
    const backup = store.save();
    store.put('a', 'new');
    store.put('b', 'new');
    const end = registry.watch({
      fromRevision: revisionAfter(store.revision),
      onEvents: () => assert.fail('no event expected'),
      signal: new AbortController().signal,
    });
    await clock.settle();
    store.restore(backup);
    assert.equal((await end).reason, 'lost');
    assert.deepEqual(await registry.snapshot(), backup.snapshot);
    assert.equal(await registry.keepAlive(leaseId), 60);
  });

  it('counts a watch behind its history as compacted', async () => {
    const store = new MemoryStore({ clock: new FakeClock(), maxHistory: 2 });
    const registry = new MemoryRegistry(store);
    for (const key of ['a', 'b', 'c', 'd']) store.put(key, 'v');
    await Promise.resolve();
    const end = await registry.watch({
      fromRevision: toRevision(2),
      onEvents: () => assert.fail('no event expected'),
      signal: new AbortController().signal,
    });
    assert.equal(end.reason, 'compacted');
  });
});
