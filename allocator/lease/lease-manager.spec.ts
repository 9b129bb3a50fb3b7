import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { FakeClock } from '../../test/support/fake-clock.ts';
import {
  LeaseHost,
  NETWORK_DUAL,
  NETWORK_IPV4,
  NETWORK_IPV6,
  valueOf,
} from '../../test/support/lease-host.ts';
import type { LeaseHostOptions } from '../../test/support/lease-host.ts';
import type { IpAddress, Ipv4 } from '../../lib/address.ts';
import { MemoryStore } from '../registry/memory/registry-memory-store.ts';
import { NO_LEASE, toLeaseId, toRevision } from '../registry/registry.ts';

const ME = '192.0.2.1';
const OTHER = '192.0.2.2';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Retries in simulated time cost real time: three lease lives are enough to show what lasts. */
const SHORT_LEASE = { ttlSec: 3600, renewMarginSec: 300 };

describe('LeaseManager', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let hosts: LeaseHost[];

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    hosts = [];
  });
  afterEach(async () => {
    for (const host of hosts) host.stop();
    for (const id of store.leaseIds) store.revoke(id);
    await clock.settle();
    assert.equal(clock.pendingTimers, 0, 'a timer was left behind');
  });

  const make = (options: Partial<LeaseHostOptions> = {}): LeaseHost => {
    const host = new LeaseHost({ clock, store, identity: ME, ...options });
    hosts.push(host);
    return host;
  };
  const start = (options: Partial<LeaseHostOptions> = {}): Promise<LeaseHost> => make(options).start();
  const foreignLease = (key: string, identity = OTHER): void =>
    void store.put(key, valueOf(identity), store.grant(86_400));
  const keyIn = (host: LeaseHost): string => {
    assert.ok(host.key, `no lease: ${host.manager.state}, ${String(host.manager.lastError)}`);
    return host.key;
  };
  /** The host holds exactly this key, and the registry says the same. */
  const assertHolds = (host: LeaseHost, key: string): void => {
    assert.equal(host.manager.state, 'held', String(host.manager.lastError));
    assert.ok(host.manager.isHeld);
    assert.equal(host.key, key);
    const entry = store.get(key);
    assert.equal(entry?.value, valueOf(host.manager.nodeId, host.mac, host.publicIpv6));
    assert.equal(entry.leaseId, host.manager.own?.leaseId);
    const mine = store.snapshot().entries.filter(({ value }) => value === entry.value);
    assert.deepEqual(
      mine.map((one) => one.key),
      [key],
    );
  };

  /** The watch lives but reports nothing: only lists show changes. */
  const muteWatch = (host: LeaseHost): LeaseHost => {
    const watch = host.registry.watch.bind(host.registry);
    host.registry.watch = (options) => watch({ ...options, onEvents: () => undefined });
    return host;
  };

  describe('joining', () => {
    it('costs one read, one grant, one create and one watch', async () => {
      for (let index = 1; index < 100; index++) foreignLease(`10.5.${index}.0-24`, `198.51.100.${index}`);
      const host = await start();
      await clock.advance(60_000);
      assertHolds(host, keyIn(host));
      assert.deepEqual(host.registry.calls, {
        snapshot: 1,
        changesSince: 0,
        grant: 1,
        create: 1,
        update: 0,
        move: 0,
        remove: 0,
        keepAlive: 0,
        revoke: 0,
        listMeta: 0,
        readMeta: 0,
        writeMeta: 0,
        watch: 1,
      });
      assert.deepEqual(host.states, ['acquiring', 'held']);
      assert.deepEqual(
        host.owns.map(({ change }) => change),
        ['acquired'],
      );
      assert.equal(host.manager.own?.expiresAtMs, DAY_MS);
      assert.equal(host.manager.peers.size, 99);
    });

    it('takes the previous subnet if it is free', async () => {
      assertHolds(await start({ previous: '10.5.77.0/24' }), '10.5.77.0-24');
    });

    const UNUSABLE: readonly (readonly [string, string, string | undefined])[] = [
      ['another host has it', '10.5.77.0/24', '10.5.77.0-24'],
      ['a wider key covers it', '10.5.77.0/24', '10.5.64.0-18'],
      ['its size is not the configured one', '10.5.77.0/25', undefined],
      ['it lies outside the network', '10.6.77.0/24', undefined],
    ];
    for (const [why, previous, blocker] of UNUSABLE)
      it(`leaves the previous subnet alone if ${why}`, async () => {
        if (blocker !== undefined) foreignLease(blocker);
        const host = await start({ previous });
        const key = keyIn(host);
        assert.notEqual(key, '10.5.77.0-24');
        assertHolds(host, key);
        assert.equal(host.count('subnet-changed'), 1);
      });

    it('prefers its own key to the previous subnet, and takes its lease over', async () => {
      const leaseId = store.grant(500);
      store.put('10.5.9.0-24', valueOf(ME), leaseId);
      const host = await start({ previous: '10.5.77.0/24' });
      assertHolds(host, '10.5.9.0-24');
      assert.equal(host.manager.own?.leaseId, leaseId);
      assert.equal(host.manager.own.expiresAtMs, 500_000);
      assert.deepEqual([host.registry.calls.keepAlive, host.registry.unaryCalls], [1, 2]);
    });

    it('writes the value of its own key only if it differs', async () => {
      store.put('10.5.9.0-24', valueOf(ME, 'old'), store.grant(86_400));
      assertHolds(await start(), '10.5.9.0-24');
      assert.equal(hosts[0]?.registry.calls.update, 1);
    });

    it('takes the first of several own keys, and shows the others', async () => {
      for (const key of ['10.5.9.0-24', '10.5.12.0-24']) foreignLease(key, ME);
      const host = await start();
      assert.equal(host.key, '10.5.12.0-24');
      assert.deepEqual([...host.manager.duplicates.keys()], ['10.5.9.0-24']);
      assert.equal(host.manager.peers.size, 0);
      assert.equal(host.count('duplicate-public-ip'), 1);
    });

    it('removes own keys that do not fit the network, but no reservations', async () => {
      foreignLease('10.6.1.0-24', ME);
      store.put('10.6.2.0-24', valueOf(ME));
      const host = await start();
      assert.equal(store.get('10.6.1.0-24'), undefined);
      assert.ok(store.get('10.6.2.0-24'));
      assert.match(keyIn(host), /^10\.5\./);
    });

    it('does not remove an own key that was changed meanwhile', async () => {
      foreignLease('10.6.1.0-24', ME);
      const host = make();
      host.cache.start();
      await clock.until(() => host.cache.isConnected);
      host.registry.injectFault({ kind: 'late', afterMs: 10_000 });
      host.manager.start();
      await clock.settle();
      store.put('10.6.1.0-24', valueOf(OTHER));
      await clock.advance(30_000);
      assert.equal(store.get('10.6.1.0-24')?.value, valueOf(OTHER));
      assertHolds(host, keyIn(host));
    });

    it('grants a lease of its own if that of its key is gone', async () => {
      store.put('10.5.9.0-24', valueOf(ME), store.grant(86_400));
      const host = make();
      host.cache.start();
      await clock.until(() => host.cache.isConnected);
      store.revoke(toLeaseId(store.get('10.5.9.0-24')?.leaseId ?? ''));
      host.manager.start();
      await clock.advance(60_000);
      assertHolds(host, '10.5.9.0-24');
    });

    it('finds its key again after it was killed between create and the file', async () => {
      const first = await start();
      first.stop();
      const second = await start();
      assertHolds(second, keyIn(first));
      assert.equal(second.manager.own?.leaseId, first.manager.own?.leaseId);
    });

    it('waits for a registry that does not answer', async () => {
      const host = make();
      host.cache.start();
      await clock.until(() => host.cache.isConnected);
      host.registry.setUnavailable(true);
      await clock.settle();
      host.manager.start();
      await clock.advance(600_000);
      assert.equal(host.manager.state, 'waiting');
      assert.equal(host.key, undefined);
      host.registry.setUnavailable(false);
      await clock.advance(60_000);
      assertHolds(host, keyIn(host));
    });

    it('retries when attributes cannot be made yet', async () => {
      const host = make();
      let isReady = false;
      Object.defineProperty(host, 'mac', {
        get: () => {
          if (!isReady) throw new Error('no device yet');
          return 'bb';
        },
      });
      await host.start();
      await clock.advance(5000);
      assert.match(String(host.manager.lastError), /no device yet/);
      isReady = true;
      await clock.advance(60_000);
      assertHolds(host, keyIn(host));
      assert.equal(host.manager.lastError, undefined);
    });
  });

  describe('reservations', () => {
    it('of its address is taken, completed without a lease, and not kept alive', async () => {
      store.put('10.5.9.0-24', `{"PublicIP":"${ME}"}`);
      const host = await start();
      await clock.advance(3 * DAY_MS);
      assertHolds(host, '10.5.9.0-24');
      assert.equal(store.get('10.5.9.0-24')?.leaseId, NO_LEASE);
      assert.equal(host.manager.own?.isReservation, true);
      assert.equal(host.manager.own.expiresAtMs, Infinity);
      const { grant, keepAlive, update } = host.registry.calls;
      assert.deepEqual({ grant, keepAlive, update }, { grant: 0, keepAlive: 0, update: 1 });
    });

    for (const value of ['', 'for the database', `{"PublicIP":"${OTHER}"}`])
      it(`with value ${JSON.stringify(value)} blocks its subnet`, async () => {
        store.put('10.5.77.0-24', value);
        const host = await start({ previous: '10.5.77.0/24' });
        assert.notEqual(keyIn(host), '10.5.77.0-24');
        assert.equal(store.get('10.5.77.0-24')?.value, value);
      });

    it('is made by putting the key without its lease while the host runs', async () => {
      const host = await start();
      const key = keyIn(host);
      store.put(key, valueOf(ME));
      await clock.settle();
      assert.equal(host.manager.own?.isReservation, true);
      const calls = host.registry.unaryCalls;
      await clock.advance(2 * DAY_MS);
      assert.equal(store.get(key)?.leaseId, NO_LEASE);
      assert.equal(host.registry.unaryCalls - calls - host.cache.resyncs.periodic, 0);
      assertHolds(host, key);
      assert.equal(host.count('lease-reserved'), 1);
      assert.deepEqual(
        host.owns.map(({ change }) => change),
        ['acquired', 'updated'],
      );
    });

    it('whose value differs is filled in and stays a reservation', async () => {
      const host = await start();
      const key = keyIn(host);
      store.put(key, `{"PublicIP":"${ME}"}`);
      await clock.advance(1000);
      assertHolds(host, key);
      assert.equal(store.get(key)?.leaseId, NO_LEASE);
    });

    it('that is deleted is leased again', async () => {
      store.put('10.5.9.0-24', valueOf(ME));
      const host = await start();
      store.delete('10.5.9.0-24');
      await clock.advance(1000);
      assertHolds(host, '10.5.9.0-24');
      assert.equal(host.manager.own?.isReservation, false);
    });
  });

  describe('keeping', () => {
    it('renews the same lease every eight hours and writes nothing', async () => {
      const host = await start();
      const before = store.get(keyIn(host));
      await clock.advance(10 * DAY_MS);
      assert.equal(store.get(keyIn(host)), before);
      assertHolds(host, keyIn(host));
      assert.ok(host.registry.calls.keepAlive >= 30 && host.registry.calls.keepAlive <= 34);
      assert.deepEqual([host.registry.calls.grant, host.registry.calls.update], [1, 0]);
    });

    it('renews before the margin where that is earlier', async () => {
      const host = await start({ ttlSec: 3600, renewMarginSec: 3000 });
      await clock.advance(600_000);
      assert.equal(host.registry.calls.keepAlive, 1);
    });

    it('publishes attributes that changed, once, with compare', async () => {
      const host = await start();
      host.manager.publish();
      await clock.settle();
      assert.equal(host.registry.calls.update, 0);
      host.mac = 'bb';
      host.manager.publish();
      await clock.settle();
      assertHolds(host, keyIn(host));
      assert.equal(host.registry.calls.update, 1);
      assert.deepEqual(
        host.owns.map(({ change }) => change),
        ['acquired', 'updated'],
      );
    });

    it('knows its own write before the watch reports it', async () => {
      const host = await muteWatch(make()).start();
      await host.cache.resync();
      host.mac = 'bb';
      host.manager.publish();
      await clock.advance(60_000);
      assertHolds(host, keyIn(host));
      assert.deepEqual([host.registry.calls.update, host.count('key-overwritten')], [1, 0]);
    });

    it('backs off from a registry that rejects each write', async () => {
      const host = await start();
      host.registry.update = () => Promise.resolve({ written: false, revision: store.revision });
      host.mac = 'bb';
      host.manager.publish();
      await clock.advance(600_000);
      assert.ok(host.registry.calls.snapshot < 60, `${host.registry.calls.snapshot} reads in ten minutes`);
    });

    it('keeps its key when its public address changes', async () => {
      const host = await start();
      const key = keyIn(host);
      host.manager.setIdentity({ nodeId: '192.0.2.99' as IpAddress });
      await clock.advance(60_000);
      assertHolds(host, key);
      assert.equal(host.count('lease-lost'), 0);
    });

    it('leaves its key to another host that has its former address and the same key', async () => {
      const host = await start();
      const [key, value, { leaseId }] = [keyIn(host), valueOf(host.manager.nodeId), host.manager.own!];
      host.manager.setIdentity({ nodeId: '192.0.2.99' as IpAddress });
      await clock.advance(1000);
      for (let round = 0; round < 20; round++) {
        if (store.get(key)?.value !== value) store.put(key, value, leaseId);
        await clock.advance(60_000);
      }
      assert.deepEqual(
        [store.get(key)?.value, host.manager.state, host.count('subnet-changed')],
        [value, 'held', 1],
      );
      assert.notEqual(keyIn(host), key);
      assert.deepEqual([...host.manager.peers.keys()], [key]);
    });

    it('renews through errors on the same lease', async () => {
      const host = await start(SHORT_LEASE);
      const leaseId = host.manager.own?.leaseId;
      await clock.advance(0.29 * SHORT_LEASE.ttlSec * 1000);
      host.registry.setUnavailable(true);
      await clock.advance(0.42 * SHORT_LEASE.ttlSec * 1000);
      assert.equal(host.manager.state, 'held');
      assert.ok(host.manager.lastError);
      host.registry.setUnavailable(false);
      await clock.advance(120_000);
      assertHolds(host, keyIn(host));
      assert.equal(host.manager.own?.leaseId, leaseId);
      assert.equal(host.manager.lastError, undefined);
    });

    it('does not trust its lease beyond the deadline, and takes the same subnet again', async () => {
      const host = await start(SHORT_LEASE);
      const key = keyIn(host);
      host.registry.setUnavailable(true);
      await clock.advance(SHORT_LEASE.ttlSec * 1000 - 1000);
      assert.ok(host.manager.isHeld);
      await clock.advance(1000);
      assert.equal(host.manager.isHeld, false);
      assert.equal(host.manager.state, 'expiring');
      assert.equal(host.key, key);
      assert.equal(store.get(key), undefined);
      host.registry.setUnavailable(false);
      await clock.advance(120_000);
      assertHolds(host, key);
      assert.equal(host.count('subnet-changed'), 0);
    });

    it('goes on after a listener that throws', async () => {
      const host = make();
      host.cache.start();
      await clock.until(() => host.cache.isConnected);
      host.failNextOwnLease();
      host.manager.start();
      await clock.advance(2000);
      assert.equal(host.count('attempt-failed'), 1);
      const { keepAlive } = host.registry.calls;
      await clock.advance(DAY_MS);
      assert.ok(host.manager.isHeld);
      assert.ok(host.registry.calls.keepAlive > keepAlive);
    });

    it('stops at once and leaves key and lease', async () => {
      const host = await start();
      const key = keyIn(host);
      const calls = host.registry.unaryCalls;
      host.manager.stop();
      host.cache.stop();
      await clock.advance(HOUR_MS);
      assert.ok(store.get(key));
      assert.equal(host.registry.unaryCalls, calls);
      assert.equal(host.manager.state, 'stopped');
    });
  });

  describe('losing', () => {
    const LOSSES: readonly (readonly [string, (key: string) => void])[] = [
      ['its key is deleted', (key) => store.delete(key)],
      ['its lease is revoked', (key) => store.revoke(toLeaseId(store.get(key)?.leaseId ?? ''))],
      ['all keys and leases vanish', () => store.restore(new MemoryStore({ clock }).save())],
    ];
    for (const [what, lose] of LOSSES)
      it(`takes the same subnet again when ${what}`, async () => {
        const host = await start();
        const key = keyIn(host);
        lose(key);
        await clock.advance(20_000);
        assertHolds(host, key);
        assert.equal(host.count('lease-lost'), 1);
        assert.equal(host.count('subnet-changed'), 0);
        await clock.advance(3 * DAY_MS);
        assertHolds(host, key);
      });

    it('does the same when the registry goes back to an older state of its key', async () => {
      const host = await start();
      const backup = store.save();
      host.mac = 'bb';
      host.manager.publish();
      await clock.settle();
      store.restore(backup);
      await clock.advance(20_000);
      assertHolds(host, keyIn(host));
      assert.equal(host.count('registry-restored'), 1);
      assert.equal(host.registry.calls.grant, 1);
    });

    it('takes another subnet, with an error event, when another host took its own', async () => {
      const host = await start();
      const key = keyIn(host);
      host.registry.setUnavailable(true);
      await clock.settle();
      store.revoke(toLeaseId(store.get(key)?.leaseId ?? ''));
      foreignLease(key);
      host.registry.setUnavailable(false);
      await clock.advance(60_000);
      assert.notEqual(keyIn(host), key);
      assertHolds(host, keyIn(host));
      assert.equal(store.get(key)?.value, valueOf(OTHER));
      assert.equal(host.manager.peers.get(key)?.attributes.publicIp, OTHER);
      assert.equal(host.count('subnet-changed'), 1);
      assert.deepEqual(
        host.owns.map(({ change }) => change),
        ['acquired', 'subnet-changed'],
      );
    });

    it('takes another subnet when its key is gone and a wider one covers it', async () => {
      const host = await start({ previous: '10.5.77.0/24' });
      store.put('10.5.64.0-18', 'reserved');
      store.delete('10.5.77.0-24');
      await clock.advance(20_000);
      const key = keyIn(host);
      assert.notEqual(key, '10.5.77.0-24');
      assertHolds(host, key);
      assert.equal(host.count('subnet-changed'), 1);
    });

    it('gives its key up when another host is written into it', async () => {
      const host = await start();
      const key = keyIn(host);
      foreignLease(key);
      await clock.advance(1000);
      assert.notEqual(keyIn(host), key);
      assertHolds(host, keyIn(host));
      assert.equal(store.get(key)?.value, valueOf(OTHER));
      assert.ok(host.manager.peers.has(key));
      assert.deepEqual(host.notifiedPeers.at(-1), [key]);
    });

    it('leaves the lease to the host that is written into the key on it', async () => {
      const host = await start();
      const leaseId = toLeaseId(host.manager.own?.leaseId ?? '');
      store.put(keyIn(host), valueOf(OTHER), leaseId);
      await clock.advance(2 * DAY_MS);
      assertHolds(host, keyIn(host));
      assert.notEqual(host.manager.own?.leaseId, leaseId);
      assert.ok(!store.leaseIds.includes(leaseId));
    });

    for (const leased of [true, false])
      it(`writes its key again over garbage ${leased ? 'with' : 'without'} a lease`, async () => {
        const host = await start();
        const key = keyIn(host);
        store.put(key, '{"Public', leased ? store.grant(60) : NO_LEASE);
        await clock.advance(1000);
        assertHolds(host, key);
        assert.equal(host.manager.own?.isReservation, !leased);
        assert.equal(host.count('key-overwritten'), 1);
      });

    it('takes the lease over when another program writes the same on another one', async () => {
      const host = await start();
      const leaseId = store.grant(3600);
      store.put(keyIn(host), valueOf(ME), leaseId);
      await clock.advance(1000);
      assert.equal(host.manager.own?.leaseId, leaseId);
      assert.equal(host.registry.calls.update, 0);
      await clock.advance(DAY_MS);
      assertHolds(host, keyIn(host));
    });

    it('reports a host that overwrites the key with the same address, and backs off', async () => {
      const one = await start();
      const two = make();
      two.mac = 'bb';
      await two.start();
      await clock.advance(HOUR_MS);
      assert.equal(one.key, two.key);
      for (const host of [one, two]) assert.equal(host.count('public-ip-contested'), 1);
      assert.ok(one.registry.calls.update + two.registry.calls.update < 60);
    });

    it('yields to a peer that overlapped its new subnet first', async () => {
      const host = make({ config: NETWORK_DUAL, previous: '10.5.7.0/24 fd00:0:0:7::/64' });
      host.cache.start();
      await clock.until(() => host.cache.isConnected);
      host.registry.setUnavailable(true);
      await clock.settle();
      // Only the watch shows a key that pairs the same IPv6 subnet with another IPv4 one.
      foreignLease('10.5.8.0-24&fd00:0:0:7::-64');
      const blind = new MemoryStore({ clock }).snapshot();
      const snapshot = host.registry.snapshot.bind(host.registry);
      host.registry.snapshot = async () => ({ ...blind, revision: toRevision(1) });
      host.registry.setUnavailable(false);
      host.manager.start();
      await clock.advance(5000);
      host.registry.snapshot = snapshot;
      await clock.advance(60_000);
      assertHolds(host, keyIn(host));
      assert.notEqual(host.key, '10.5.7.0-24&fd00:0:0:7::-64');
      assert.ok(host.count('subnet-overlap') >= 1);
    });

    it('stays where a later key overlaps its own, and reports it', async () => {
      const host = await start({ previous: '10.5.77.0/24' });
      foreignLease('10.5.64.0-18');
      await clock.advance(60_000);
      assertHolds(host, '10.5.77.0-24');
      assert.equal(host.count('subnet-overlap'), 1);
    });
  });

  describe('lost answers', () => {
    it('of each mutating call leave one key and no lease behind', async () => {
      for (const call of ['grant', 'create'] as const) {
        const host = make({ identity: `192.0.2.${call === 'grant' ? 10 : 11}` });
        host.registry.injectFault(...(call === 'create' ? [NO_FAULT, LOST] : [LOST]));
        await host.start();
        await clock.advance(60_000);
        assertHolds(host, keyIn(host));
      }
    });

    it('of a create that is done late leave one key', async () => {
      const host = make();
      host.registry.injectFault(NO_FAULT, { kind: 'late', afterMs: 30_000 });
      await host.start();
      await clock.advance(120_000);
      assertHolds(host, keyIn(host));
    });

    for (const fault of [{ kind: 'lose-answer' }, { kind: 'late', afterMs: 3000 }] as const)
      it(`of an update (${fault.kind}) leave the value right`, async () => {
        const host = await start();
        host.mac = 'bb';
        host.registry.injectFault(fault);
        host.manager.publish();
        await clock.advance(60_000);
        assertHolds(host, keyIn(host));
        assert.equal(host.count('lease-lost'), 0);
      });

    it('of a create are searched for before another is sent', async () => {
      const host = muteWatch(make());
      host.registry.injectFault(NO_FAULT, LOST);
      await host.start();
      await clock.advance(30_000);
      assertHolds(host, keyIn(host));
      assert.equal(host.registry.calls.create, 1);
    });

    it('of a create that is done meanwhile do not cost the previous subnet', async () => {
      const host = muteWatch(make({ previous: '10.5.77.0/24', delayMs: () => 20 }));
      // Carried out just after the list that searches for it, and before the next try arrives.
      host.registry.injectFault(NO_FAULT, { kind: 'late', afterMs: 280 });
      await host.start();
      await clock.advance(30_000);
      assertHolds(host, '10.5.77.0-24');
      assert.equal(host.registry.calls.create, 2);
      assert.equal(host.count('subnet-changed'), 0);
    });

    it('of a remove are harmless', async () => {
      foreignLease('10.6.1.0-24', ME);
      const host = make();
      host.registry.injectFault(LOST);
      await host.start();
      await clock.advance(60_000);
      assertHolds(host, keyIn(host));
      assert.equal(store.get('10.6.1.0-24'), undefined);
    });

    it('of a keep-alive are harmless', async () => {
      const host = await start();
      host.registry.injectFault(LOST, LOST);
      await clock.advance(DAY_MS);
      assertHolds(host, keyIn(host));
      assert.equal(host.count('lease-lost'), 0);
    });
  });

  describe('peers', () => {
    it('are all other leases, and only differences are notified', async () => {
      foreignLease('10.5.1.0-24');
      const host = await start();
      foreignLease('10.5.2.0-24', '192.0.2.3');
      await clock.settle();
      store.put('10.5.2.0-24', valueOf('192.0.2.3'), store.grant(60));
      await clock.settle();
      store.put('10.5.2.0-24', valueOf('192.0.2.3', 'moved'), store.grant(60));
      await clock.settle();
      store.delete('10.5.1.0-24');
      await clock.settle();
      assert.deepEqual([...host.manager.peers.keys()], ['10.5.2.0-24']);
      assert.deepEqual(
        host.notifiedPeers.filter((keys) => !keys.includes(keyIn(host))),
        [['10.5.1.0-24'], ['10.5.2.0-24'], ['10.5.2.0-24'], ['10.5.2.0-24'], ['10.5.1.0-24']],
      );
    });

    it('never include ourselves, also after the public address changed', async () => {
      const host = await start();
      foreignLease('10.5.1.0-24', ME);
      foreignLease('10.5.2.0-24', OTHER);
      await clock.settle();
      assert.deepEqual([...host.manager.peers.keys()], ['10.5.2.0-24']);
      host.manager.setIdentity({ nodeId: OTHER as IpAddress });
      await clock.advance(1000);
      assert.deepEqual([...host.manager.peers.keys()], ['10.5.1.0-24']);
      assert.deepEqual([...host.manager.duplicates.keys()], ['10.5.2.0-24']);
    });

    it('are not touched by garbage, which is shown and reported once', async () => {
      foreignLease('10.5.1.0-24');
      store.put('10.5.2.0-24', '[]');
      const host = await start();
      store.put('nonsense', '{}');
      store.put('nonsense', '{"a":1}');
      await clock.advance(HOUR_MS);
      assert.deepEqual([...host.manager.peers.keys()], ['10.5.1.0-24']);
      assert.deepEqual([...host.manager.invalidEntries.keys()], ['10.5.2.0-24', 'nonsense']);
      assert.equal(host.count('bad-entry'), 2);
    });

    it('stay while the registry does not answer', async () => {
      foreignLease('10.5.1.0-24');
      const host = await start(SHORT_LEASE);
      host.registry.setUnavailable(true);
      await clock.advance(3 * SHORT_LEASE.ttlSec * 1000);
      assert.deepEqual([...host.manager.peers.keys()], ['10.5.1.0-24']);
      assert.equal(host.count('registry-unreachable'), 1);
    });

    it('with the backend that flannel defaults to are reported once', async () => {
      const host = await start({ config: { ...NETWORK_IPV4, isBackendDefaulted: true } });
      for (const index of [1, 2]) store.put(`10.5.${index}.0-24`, `{"PublicIP":"198.51.100.${index}"}`);
      await clock.settle();
      assert.equal(host.count('implied-backend-differs'), 1);
    });
  });

  describe('address families', () => {
    it('leases both subnets of a dual-stack network under one key', async () => {
      const host = await start({ config: NETWORK_DUAL });
      const { ipv4, ipv6 } = host.manager.own?.subnets ?? {};
      assert.ok(ipv4 && ipv6);
      assert.match(keyIn(host), /^10\.5\.\d+\.0-24&fd00:0:0:[0-9a-f]+::-64$/);
      assertHolds(host, keyIn(host));
    });

    it('takes what is free of a dual-stack previous subnet, and another for the rest', async () => {
      foreignLease('10.5.200.0-24&fd00:0:0:7::-64');
      const host = await start({ config: NETWORK_DUAL, previous: '10.5.7.0/24 fd00:0:0:7::/64' });
      assertHolds(host, '10.5.7.0-24&fd00:0:0:8::-64');
    });

    const ONE = '10.5.9.0-24';
    const BOTH = '10.5.9.0-24&fd00:0:0:9::-64';
    const SWITCHES = [
      { what: 'on', before: NETWORK_IPV4, from: ONE, after: NETWORK_DUAL, to: BOTH },
      { what: 'off', before: NETWORK_DUAL, from: BOTH, after: NETWORK_IPV4, to: ONE },
    ] as const;
    for (const { what, before, from, after, to } of SWITCHES) {
      const previous = from === ONE ? '10.5.9.0/24' : '10.5.9.0/24 fd00:0:0:9::/64';

      it(`turned ${what} while it runs: the IPv4 subnet stays, and peers see one change`, async () => {
        const [host, peer] = [await start({ config: before, previous }), await start({ identity: OTHER })];
        assertHolds(host, from);
        peer.notifiedPeers.length = 0;
        host.manager.setConfig(after);
        await clock.settle();
        assertHolds(host, to);
        assert.deepEqual(peer.notifiedPeers, [[from, to].sort()]);
        assert.deepEqual([...peer.manager.peers.keys()], [to]);
        assert.equal(host.owns.at(-1)?.change, 'updated');
        for (const code of ['subnet-changed', 'lease-lost', 'duplicate-public-ip'] as const)
          assert.equal(host.count(code), 0, code);
        assert.equal(store.leaseIds.length, 2);
      });

      it(`turned ${what} while it was down: the IPv4 subnet and the lease stay`, async () => {
        (await start({ config: before, previous })).stop();
        const { leaseId } = store.get(from) ?? {};
        const host = await start({ config: after });
        assertHolds(host, to);
        assert.equal(store.get(to)?.leaseId, leaseId);
        assert.deepEqual(host.states, ['acquiring', 'held']);
        assert.equal(host.count('subnet-changed'), 0);
      });

      it(`turned ${what} with the answer lost: one key in the end`, async () => {
        const host = await start({ config: before, previous });
        host.registry.injectFault(NO_FAULT, LOST);
        host.manager.setConfig(after);
        await clock.advance(60_000);
        assertHolds(host, to);
      });

      it(`turned ${what} for a reservation: it stays one`, async () => {
        store.put(from, valueOf(ME));
        const host = await start({ config: after });
        assertHolds(host, to);
        assert.equal(store.get(to)?.leaseId, NO_LEASE);
      });
    }

    it('turned on where another host has the IPv6 subnet of this slot: takes the next', async () => {
      const host = await start({ previous: '10.5.9.0/24' });
      foreignLease('10.5.200.0-24&fd00:0:0:9::-64');
      host.manager.setConfig(NETWORK_DUAL);
      await clock.settle();
      assertHolds(host, '10.5.9.0-24&fd00:0:0:a::-64');
    });

    it('turned on where no IPv6 subnet is free: goes on with IPv4 until one is', async () => {
      const ipv6 = { ...NETWORK_DUAL.ipv6!, max: NETWORK_DUAL.ipv6!.min };
      foreignLease('10.5.200.0-24&fd00:0:0:1::-64');
      const host = await start({ config: { ...NETWORK_DUAL, ipv6 }, previous: '10.5.9.0/24' });
      assert.equal(host.manager.state, 'exhausted');
      store.put(ONE, valueOf(ME), store.grant(86_400));
      await clock.advance(60_000);
      assertHolds(host, ONE);
      store.delete('10.5.200.0-24&fd00:0:0:1::-64');
      await clock.settle();
      assertHolds(host, '10.5.9.0-24&fd00:0:0:1::-64');
    });

    it('turned off where a leaked key of this host has the IPv4 subnet: one key in the end', async () => {
      const host = await start({ config: NETWORK_DUAL, previous: '10.5.9.0/24 fd00:0:0:9::/64' });
      store.put(ONE, valueOf(ME), host.manager.own?.leaseId);
      host.manager.setConfig(NETWORK_IPV4);
      await clock.advance(60_000);
      assertHolds(host, ONE);
    });

    it('gives up the IPv6 subnet alone to a peer that had it first', async () => {
      const host = await start({ previous: '10.5.9.0/24' });
      const move = host.registry.move.bind(host.registry);
      host.registry.move = (...args) => {
        host.registry.move = move;
        // Invisible until this host has written: keys guard pairs.
        foreignLease('10.5.200.0-24&fd00:0:0:9::-64');
        return move(...args);
      };
      host.manager.setConfig(NETWORK_DUAL);
      await clock.advance(60_000);
      assertHolds(host, '10.5.9.0-24&fd00:0:0:a::-64');
      assert.equal(host.count('lease-lost'), 0);
    });

    it('keeps the subnet of the family that another network config allows still', async () => {
      const host = await start({ config: NETWORK_DUAL, previous: '10.5.9.0/24 fd00:0:0:9::/64' });
      const ipv4 = { ...NETWORK_IPV4.ipv4!, min: '10.5.100.0' as Ipv4 };
      host.manager.setConfig({ ...NETWORK_DUAL, ipv4 });
      await clock.settle();
      assert.match(keyIn(host), /^10\.5\.1\d\d\.0-24&fd00:0:0:9::-64$/);
      assertHolds(host, keyIn(host));
      assert.equal(host.count('subnet-changed'), 1);
    });

    it('takes another subnet, and then removes its key, if the config allows none of what it has', async () => {
      const host = await start({ previous: '10.5.9.0/24' });
      const ipv4 = { ...NETWORK_IPV4.ipv4!, min: '10.5.100.0' as Ipv4 };
      host.manager.setConfig({ ...NETWORK_IPV4, ipv4 });
      await clock.advance(60_000);
      assertHolds(host, keyIn(host));
      assert.match(keyIn(host), /^10\.5\.[12]\d\d\.0-24$/);
      assert.equal(store.leaseIds.length, 1);
    });

    const IPV6 = '2001:db8::1';
    const ONLY_IPV6 = '0.0.0.0-0&fd00:0:0:9::-64';
    const IPV4_SWITCHES = [
      { what: 'on', from: ONLY_IPV6, to: BOTH, isOn: true },
      { what: 'off', from: BOTH, to: ONLY_IPV6, isOn: false },
    ] as const;
    for (const { what, from, to, isOn } of IPV4_SWITCHES) {
      const dual = { config: NETWORK_DUAL, identity: ME, publicIpv6: IPV6 };
      const ipv6Only = { config: NETWORK_IPV6, identity: IPV6 };
      const [before, after] = isOn ? [ipv6Only, dual] : [dual, ipv6Only];
      const previous = isOn ? 'fd00:0:0:9::/64' : '10.5.9.0/24 fd00:0:0:9::/64';

      it(`IPv4 turned ${what} while it was down: the IPv6 subnet and the lease stay`, async () => {
        (await start({ ...before, previous })).stop();
        const { leaseId } = store.get(from) ?? {};
        const host = await start({ ...after, previous });
        assertHolds(host, to);
        assert.equal(store.get(from), undefined);
        assert.equal(store.get(to)?.leaseId, leaseId);
        assert.equal(host.manager.peers.size, 0);
        for (const code of ['subnet-changed', 'duplicate-public-ip'] as const)
          assert.equal(host.count(code), 0, code);
      });
    }

    it('IPv4 turned on: the key of a host with another IPv4 address and our IPv6 address belongs to that host', async () => {
      store.put(BOTH, valueOf(OTHER, 'aa', IPV6), store.grant(86_400));
      const host = await start({ config: NETWORK_DUAL, identity: ME, publicIpv6: IPV6 });
      assert.notEqual(keyIn(host), BOTH);
      assert.deepEqual([...host.manager.peers.keys()], [BOTH]);
    });

    it('distinguishes hosts of an IPv6-only network', async () => {
      const config = NETWORK_IPV6;
      const one = await start({ config, identity: '2001:db8::1' });
      const two = await start({ config, identity: '2001:db8::2' });
      for (const host of [one, two]) assertHolds(host, keyIn(host));
      assert.notEqual(one.key, two.key);
      one.stop();
      assertHolds(await start({ config, identity: '2001:db8::1' }), keyIn(one));
    });
  });

  describe('a full pool', () => {
    const SMALL = {
      ...NETWORK_IPV4,
      ipv4: {
        ...(NETWORK_IPV4.ipv4 as NonNullable<typeof NETWORK_IPV4.ipv4>),
        min: '10.5.1.0' as Ipv4,
        max: '10.5.3.0' as Ipv4,
      },
    };

    it('is one clear error, and ends when a subnet becomes free', async () => {
      for (const index of [1, 2, 3]) foreignLease(`10.5.${index}.0-24`, `198.51.100.${index}`);
      const host = await start({ config: SMALL });
      await clock.advance(HOUR_MS);
      assert.equal(host.manager.state, 'exhausted');
      assert.equal(host.count('pool-exhausted'), 1);
      assert.match(
        String(host.manager.lastError),
        /10\.5\.0\.0\/16.*\/24 from 10\.5\.1\.0 to 10\.5\.3\.0.*all 3 /,
      );
      assert.equal(host.registry.calls.grant + host.registry.calls.create, 0);
      store.delete('10.5.2.0-24');
      await clock.advance(2000);
      assertHolds(host, '10.5.2.0-24');
      assert.deepEqual(host.states, ['acquiring', 'exhausted', 'held']);
    });

    it('keeps a subnet alive that another config has no room for, until there is another', async () => {
      for (const index of [1, 2, 3]) store.put(`10.5.${index}.0-24`, valueOf(`198.51.100.${index}`));
      const host = await start({ previous: '10.5.200.0/24', ...SHORT_LEASE });
      host.manager.setConfig(SMALL);
      await clock.advance(3 * SHORT_LEASE.ttlSec * 1000);
      assert.equal(host.manager.state, 'exhausted');
      assert.ok(store.get('10.5.200.0-24') !== undefined, 'peers still reach it');
      store.delete('10.5.2.0-24');
      await clock.advance(2000);
      assertHolds(host, '10.5.2.0-24');
      assert.equal(store.get('10.5.200.0-24'), undefined);
    });

    it('goes on with a subnet that another config has no room for, once the former config is back', async () => {
      for (const index of [1, 2, 3]) store.put(`10.5.${index}.0-24`, valueOf(`198.51.100.${index}`));
      const host = await start({ previous: '10.5.200.0/24' });
      host.manager.setConfig(SMALL);
      await clock.advance(60_000);
      assert.equal(host.manager.state, 'exhausted');
      const callsBefore = host.registry.unaryCalls;
      host.manager.setConfig(NETWORK_IPV4);
      await clock.advance(1000);
      assertHolds(host, '10.5.200.0-24');
      assert.ok(host.registry.unaryCalls - callsBefore < 3);
    });

    it('leaves no lease behind when its own subnet goes to another host', async () => {
      for (const index of [1, 2]) foreignLease(`10.5.${index}.0-24`, `198.51.100.${index}`);
      const host = await start({ config: SMALL });
      foreignLease(keyIn(host));
      await clock.advance(HOUR_MS);
      assert.equal(host.manager.state, 'exhausted');
      assert.equal(store.leaseIds.length, 3);
    });

    it('leaves no lease behind when the last subnet goes to another host', async () => {
      for (const index of [1, 2]) foreignLease(`10.5.${index}.0-24`, `198.51.100.${index}`);
      const one = make({ config: SMALL, identity: '198.51.100.3' });
      const two = make({ config: SMALL, identity: '198.51.100.4' });
      await Promise.all([one.cache, two.cache].map((cache) => (cache.start(), cache.ready)));
      one.manager.start();
      two.manager.start();
      await clock.advance(1000);
      assert.deepEqual([one.manager.state, two.manager.state].sort(), ['exhausted', 'held']);
      assert.equal(store.leaseIds.length, 3);
    });
  });
});

const LOST = { kind: 'lose-answer' } as const;
const NO_FAULT = { kind: 'none' } as const;
