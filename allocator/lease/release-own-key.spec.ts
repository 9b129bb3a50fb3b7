import assert from 'node:assert/strict';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { LeaseHost, valueOf } from '../../test/support/lease-host.ts';
import { MemoryStore } from '../registry/memory/registry-memory-store.ts';

const ME = '192.0.2.1';
const OTHER = '192.0.2.2';
const TTL_SEC = 30;

describe('the release of the own lease', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let host: LeaseHost;

  beforeEach(async () => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    host = await new LeaseHost({ clock, store, identity: ME, ttlSec: TTL_SEC, renewMarginSec: 10 }).start();
  });
  afterEach(() => host.stop());

  const keys = (): readonly string[] => store.snapshot().entries.map(({ key }) => key);

  it('removes the key, and leases no other', async () => {
    await host.manager.release();
    await clock.advance(3000 * TTL_SEC);
    assert.deepEqual([keys(), host.manager.state], [[], 'stopped']);
  });

  it('leases no other while the answer is on its path', async () => {
    const remove = host.registry.remove.bind(host.registry);
    host.registry.remove = async (...args) => {
      const result = await remove(...args);
      // The watch reports the removal first.
      await clock.settle();
      return result;
    };
    await host.manager.release();
    await clock.settle();
    assert.deepEqual([keys(), host.registry.calls.create], [[], 1]);
  });

  it('removes a key that was written since it was read', async () => {
    await host.manager.touch();
    await host.manager.release();
    assert.deepEqual(keys(), []);
  });

  it('leaves the key to another host that has taken it', async () => {
    store.put(host.key!, valueOf(OTHER), store.grant(TTL_SEC));
    await host.manager.release();
    assert.deepEqual([keys(), host.manager.state], [[host.key], 'stopped']);
  });

  it('keeps the lease after a failure, for more than its time', async () => {
    host.registry.remove = () => Promise.reject(new Error('no etcd'));
    await assert.rejects(host.manager.release(), /no etcd/);
    await clock.advance(3000 * TTL_SEC);
    assert.deepEqual([keys(), host.manager.isHeld], [[host.key], true]);
  });

  it('leases again after a failure that was none', async () => {
    const { key } = host;
    const remove = host.registry.remove.bind(host.registry);
    host.registry.remove = async (...args) => {
      await remove(...args);
      throw new Error('no answer');
    };
    await assert.rejects(host.manager.release(), /no answer/);
    await clock.advance(60_000);
    assert.deepEqual([keys(), host.manager.isHeld], [[key], true]);
  });

  it('gives up on a key that changes all the time', async () => {
    const remove = host.registry.remove.bind(host.registry);
    host.registry.remove = (...args) => {
      store.put(host.key!, valueOf(ME, 'bb'), host.manager.own!.leaseId);
      return remove(...args);
    };
    await assert.rejects(host.manager.release(), { reason: 'conflict' });
  });

  it('waits for a lease that is on its path', async () => {
    const other = new LeaseHost({ clock, store, identity: OTHER });
    await assert.rejects(other.manager.release(), { reason: 'not-ready' });
  });
});
