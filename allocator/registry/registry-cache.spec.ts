import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { TurnMeter } from '../../lib/turn-meter.ts';
import { MemoryStore } from './memory/registry-memory-store.ts';
import { MemoryRegistry } from './memory/registry-memory.ts';
import { RegistryCache } from './registry-cache.ts';
import type { RegistryCacheChange } from './cache-listeners.ts';
import type { LastKnown } from './cache-recall.ts';
import { decodeEntry } from './lease-entry.ts';
import type { DecodeEntry } from './registry-snapshot-store.ts';
import { NO_LEASE, NO_REVISION, toRevision, type ConfigEntry, type RegistryReader } from './registry.ts';

const value = (publicIp: string): string => JSON.stringify({ PublicIP: publicIp, PublicIPv6: null });
const subnetKey = (index: number): string => `10.${index >> 8}.${index & 255}.0-24`;

interface Seen {
  readonly put: string[];
  readonly removed: string[];
  readonly isConfigChanged: boolean;
  readonly isRestored: boolean;
}

describe('RegistryCache', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let registry: MemoryRegistry;
  let cache: RegistryCache;
  let seen: Seen[];

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    registry = new MemoryRegistry(store);
    cache = new RegistryCache({ registry, clock, random: () => 0.5 });
    seen = [];
    cache.subscribe({ onChange: (change) => seen.push(plain(change)) });
  });
  afterEach(async () => {
    cache.stop();
    await clock.settle();
    assert.equal(clock.pendingTimers, 0, 'a timer was left behind');
  });

  const start = async (): Promise<void> => {
    cache.start();
    await clock.until(() => cache.isConnected);
    await clock.settle();
    seen.length = 0;
  };

  it('is ready with config and leases after one read and one watch', async () => {
    store.putConfig('{"Network":"10.0.0.0/8"}');
    store.put('10.5.1.0-24', value('192.0.2.1'), store.grant(60));
    store.put('10.5.2.0-24', value('192.0.2.2'));
    cache.start();
    await cache.ready;
    await clock.settle();
    assert.equal(cache.config?.text, '{"Network":"10.0.0.0/8"}');
    assert.deepEqual([...cache.leases.keys()], ['10.5.1.0-24', '10.5.2.0-24']);
    assert.equal(cache.leases.get('10.5.1.0-24')?.attributes.publicIp, '192.0.2.1');
    assert.equal(cache.leases.get('10.5.1.0-24')?.isReservation, false);
    assert.equal(cache.leases.get('10.5.2.0-24')?.isReservation, true);
    assert.equal(cache.revision, store.revision);
    assert.deepEqual([registry.calls.snapshot, registry.calls.watch], [1, 1]);
    store.leaseIds.forEach((id) => store.revoke(id));
  });

  describe('with what an earlier process knew', () => {
    const SAVED_AT = '2026-11-30T04:00:00.000Z';
    const key = subnetKey(1281);
    const entry = { key, value: value('192.0.2.7'), leaseId: NO_LEASE, modRevision: toRevision(5) };
    let reads: number;

    const open = (source: MemoryRegistry): void => {
      reads = 0;
      const recall = (): Promise<LastKnown> => {
        reads++;
        return Promise.resolve({ revision: toRevision(5), savedAt: SAVED_AT, entries: [entry] });
      };
      cache = new RegistryCache({ registry: source, clock, random: () => 0.5, recall });
      cache.subscribe({ onChange: (change) => seen.push(plain(change)) });
    };
    beforeEach(() => open(registry));

    it('does not read that where the registry answers', async () => {
      await start();
      await clock.advance(10_000);
      assert.equal(reads, 0);
      assert.equal(cache.lastKnownAt, undefined);
    });

    it('is ready with it after the first failure, and not connected', async () => {
      registry.setUnavailable(true);
      cache.start();
      await cache.ready;
      assert.deepEqual([...cache.leases.keys()], [key]);
      assert.equal(cache.lastKnownAt, SAVED_AT);
      assert.equal(cache.isConnected, false);
      assert.deepEqual(seen[0]?.put, [key]);
    });

    it('is ready with it if the registry neither answers nor fails', async () => {
      open(new MemoryRegistry(store, { delayMs: () => 20_000 }));
      cache.start();
      await clock.advance(4999);
      assert.equal(reads, 0);
      await clock.advance(1);
      await cache.ready;
      assert.deepEqual([...cache.leases.keys()], [key]);
    });

    it('drops it for the first answer, and keeps it for hours without one', async () => {
      registry.setUnavailable(true);
      cache.start();
      await cache.ready;
      for (let hours = 0; hours < 5; hours++) await clock.advance(3_600_000);
      assert.deepEqual([...cache.leases.keys()], [key]);
      assert.equal(reads, 1);
      registry.setUnavailable(false);
      await clock.until(() => cache.isConnected);
      assert.equal(cache.leases.size, 0);
      assert.equal(cache.lastKnownAt, undefined);
      assert.deepEqual(seen.at(-1)?.removed, [key]);
    });
  });

  it('is connected as soon as it is ready, and when a requested resync is done', async () => {
    cache.start();
    await cache.ready;
    assert.ok(cache.isConnected);
    const isConnected = cache.resync().then(() => cache.isConnected);
    assert.ok(await isConnected);
  });

  it('follows puts, changes, removals and config changes', async () => {
    await start();
    store.put('10.5.1.0-24', value('192.0.2.1'));
    await clock.settle();
    store.put('10.5.1.0-24', value('192.0.2.9'));
    store.put('10.5.2.0-24', value('192.0.2.2'));
    await clock.settle();
    store.delete('10.5.1.0-24');
    store.putConfig('{}');
    await clock.settle();
    assert.deepEqual(
      seen.map(({ put, removed, isConfigChanged }) => [put, removed, isConfigChanged]),
      [
        [['10.5.1.0-24'], [], false],
        [['10.5.1.0-24', '10.5.2.0-24'], [], false],
        [[], ['10.5.1.0-24'], true],
      ],
    );
    assert.deepEqual([...cache.leases.keys()], ['10.5.2.0-24']);
    assert.equal(registry.calls.snapshot, 1);
  });

  it('keeps garbage to its own key, and drops it when it is repaired', async () => {
    await start();
    store.put('10.5.1.0-24', value('192.0.2.1'));
    store.put('10.5.2.0-24', '{"PublicIP":');
    store.put('no subnet', value('192.0.2.3'));
    await clock.settle();
    assert.deepEqual([...cache.leases.keys()], ['10.5.1.0-24']);
    assert.deepEqual([...cache.invalidEntries.keys()], ['10.5.2.0-24', 'no subnet']);
    store.put('10.5.2.0-24', value('192.0.2.2'));
    store.delete('no subnet');
    await clock.settle();
    assert.deepEqual([...cache.leases.keys()], ['10.5.1.0-24', '10.5.2.0-24']);
    assert.equal(cache.invalidEntries.size, 0);
  });

  it('keeps everything while the registry is away, and shows what changed meanwhile', async () => {
    store.put('10.5.1.0-24', value('192.0.2.1'));
    store.put('10.5.2.0-24', value('192.0.2.2'));
    await start();
    registry.setUnavailable(true);
    await clock.advance(3_600_000);
    assert.equal(cache.isConnected, false);
    assert.ok(cache.lastError);
    assert.equal(cache.leases.size, 2);
    assert.deepEqual(seen, []);
    store.delete('10.5.1.0-24');
    store.put('10.5.2.0-24', value('192.0.2.22'));
    store.put('10.5.3.0-24', value('192.0.2.3'));
    store.compact();
    registry.setUnavailable(false);
    await clock.until(() => cache.isConnected, 11_000);
    assert.deepEqual(seen, [
      {
        put: ['10.5.2.0-24', '10.5.3.0-24'],
        removed: ['10.5.1.0-24'],
        isConfigChanged: false,
        isRestored: false,
      },
    ]);
    assert.equal(cache.leases.get('10.5.2.0-24')?.attributes.publicIp, '192.0.2.22');
    assert.equal(cache.resyncs['watch-lost'], 1);
  });

  it('follows a config of a place of its own, registry or not, once it is ready', async () => {
    let change: (text: string) => void = () => undefined;
    const modRevision = toRevision(1);
    Object.assign(registry, {
      followConfig: (onChange: (config: ConfigEntry) => void) => {
        change = (text) => onChange({ text, modRevision });
        return () => (change = () => assert.fail('it was ended'));
      },
    });
    registry.setUnavailable(true);
    cache.start();
    await clock.settle();
    change('{"Network":"10.1.0.0/16"}');
    assert.equal(seen.length, 0, 'nodes of an earlier process would be forgotten');
    registry.setUnavailable(false);
    store.put('10.5.1.0-24', value('192.0.2.1'));
    await clock.until(() => cache.isConnected, 11_000);
    registry.setUnavailable(true);
    await clock.advance(10_000);
    assert.equal(cache.isConnected, false);
    seen.length = 0;
    change('{"Network":"10.2.0.0/16"}');
    assert.equal(cache.config?.text, '{"Network":"10.2.0.0/16"}');
    assert.deepEqual(seen, [{ put: [], removed: [], isConfigChanged: true, isRestored: false }]);
  });

  it('asks an unreachable registry ever more seldom', async () => {
    registry.setUnavailable(true);
    cache.start();
    await clock.advance(60_000);
    const inFirstMinute = registry.calls.snapshot;
    await clock.advance(60_000);
    const inSecondMinute = registry.calls.snapshot - inFirstMinute;
    assert.ok(
      inSecondMinute < inFirstMinute && inSecondMinute >= 6,
      `${inFirstMinute}, then ${inSecondMinute}`,
    );
  });

  it('does not spin on a registry that answers reads but breaks each watch', async () => {
    cache.start();
    for (let second = 0; second < 60; second++) {
      await clock.advance(1000);
      registry.breakWatches();
    }
    assert.ok(registry.calls.snapshot <= 30, `${registry.calls.snapshot} reads in a minute`);
  });

  it('reads again after compaction', async () => {
    const slow = new MemoryRegistry(store);
    const held: (() => void)[] = [];
    const late = new RegistryCache({
      registry: {
        snapshot: (signal) => slow.snapshot(signal),
        changesSince: (since, signal) => slow.changesSince(since, signal),
        watch: async (options) => {
          if (held.length === 0) await new Promise<void>((resolve) => held.push(resolve));
          return slow.watch(options);
        },
      },
      clock,
      random: () => 0.5,
    });
    late.start();
    await late.ready;
    await clock.settle();
    store.put('10.5.1.0-24', value('192.0.2.1'));
    store.compact();
    held[0]?.();
    await clock.until(() => late.leases.size === 1, 1000);
    assert.equal(late.resyncs.compacted, 1);
    late.stop();
  });

  describe('every few minutes', () => {
    let isMuted: boolean;
    let muted: RegistryCache;

    beforeEach(async () => {
      store.put('10.5.9.0-24', value('192.0.2.9'));
      store.put('10.5.8.0-24', value('192.0.2.8'));
      store.putConfig('{}');
      isMuted = false;
      muted = new RegistryCache({
        registry: {
          snapshot: (signal) => registry.snapshot(signal),
          changesSince: (since, signal) => registry.changesSince(since, signal),
          watch: (options) =>
            registry.watch({ ...options, onEvents: (...batch) => isMuted || options.onEvents(...batch) }),
        },
        clock,
        random: () => 0.5,
      });
      muted.start();
      await muted.ready;
      await clock.settle();
    });
    afterEach(() => muted.stop());

    const MISSED: Readonly<Record<string, () => void>> = {
      'a new key': () => void store.put('10.5.1.0-24', value('192.0.2.1')),
      'another value': () => void store.put('10.5.9.0-24', value('192.0.2.99')),
      'a key that went': () => store.delete('10.5.9.0-24'),
      'one that went while another came': () => {
        store.delete('10.5.9.0-24');
        store.put('10.5.1.0-24', value('192.0.2.1'));
      },
      'the same config written again': () => store.putConfig('{}'),
      'another config': () => store.putConfig('{"Network":"10.5.0.0/16"}'),
    };
    for (const [what, change] of Object.entries(MISSED))
      it(`finds a change that the watch did not report: ${what}`, async () => {
        isMuted = true;
        change();
        const [stale, fresh] = [[...muted.entries.values()], store.snapshot()];
        await clock.advance(200_000);
        assert.deepEqual([...muted.entries.values()], stale);
        await clock.advance(100_000);
        assert.deepEqual([...muted.entries.values()].sort(byKey), fresh.entries);
        assert.deepEqual(muted.config, fresh.config);
        assert.equal(muted.resyncs.periodic, 1);
        assert.ok(muted.isConnected);
      });

    it('asks only for what was written eleven times of twelve, where it knows all of it', async () => {
      await clock.advance(300_000);
      const { snapshot, changesSince } = registry.calls;
      store.put('10.5.9.0-24', value('192.0.2.99'));
      store.delete('10.5.8.0-24');
      await clock.advance(11 * 270_000);
      assert.equal(registry.calls.snapshot, snapshot);
      assert.equal(registry.calls.changesSince, changesSince + 11);
      await clock.advance(270_000);
      assert.equal(registry.calls.snapshot, snapshot + 1);
      assert.equal(muted.revision, store.revision);
      assert.ok(muted.isConnected);
    });

    it('reads all of it where the registry is older than a write of this host', async () => {
      await clock.advance(300_000);
      const [{ snapshot }, { revision }] = [registry.calls, store];
      // Nothing differs but the revision, which a restored backup has had before.
      muted.noteRevision(toRevision(revision + 5));
      await clock.advance(270_000);
      assert.deepEqual([registry.calls.snapshot, muted.resyncs.restored], [snapshot + 1, 1]);
      // It is comparable from there on.
      await clock.advance(2 * 270_000);
      assert.deepEqual([muted.resyncs.restored, muted.isConnected], [1, true]);
    });

    for (const behind of [1, 5])
      it(`reads all of it where the registry is ${behind} revisions behind`, async () => {
        await clock.advance(300_000);
        const { snapshot } = registry.calls;
        const changesSince = registry.changesSince.bind(registry);
        registry.changesSince = async (since, signal) => {
          const changes = await changesSince(since, signal);
          return { ...changes, revision: toRevision(changes.revision - behind) };
        };
        await clock.advance(270_000);
        assert.equal(registry.calls.snapshot, snapshot + 1);
      });

    it('reads all of it where the registry did not answer the question', async () => {
      registry.changesSince = () => Promise.reject(new Error('gone for a moment'));
      await clock.advance(300_000);
      await clock.until(() => muted.isConnected, 11_000);
      assert.equal(registry.calls.snapshot, 2);
      assert.deepEqual([...muted.entries.values()].sort(byKey), store.snapshot().entries);
    });
  });

  it('notices a restored backup even where key and revision are the same', async () => {
    const backup = store.save();
    store.put('10.5.1.0-24', value('192.0.2.1'));
    store.put('10.5.2.0-24', value('192.0.2.2'));
    await start();
    store.restore(backup);
    store.put('10.5.1.0-24', value('192.0.2.11'));
    await clock.until(() => cache.isConnected, 11_000);
    assert.deepEqual(seen, [
      { put: ['10.5.1.0-24'], removed: ['10.5.2.0-24'], isConfigChanged: false, isRestored: true },
    ]);
    assert.equal(cache.leases.get('10.5.1.0-24')?.attributes.publicIp, '192.0.2.11');
    assert.equal(cache.resyncs.restored, 1);
  });

  it('finds with the first comparison what a backup restored between list and watch has changed', async () => {
    store.put('10.5.1.0-24', value('192.0.2.1'));
    const backup = store.save();
    store.put('10.5.2.0-24', value('192.0.2.2'));
    const read = registry.snapshot.bind(registry);
    registry.snapshot = async (signal) => {
      const snapshot = await read(signal);
      registry.snapshot = read;
      store.restore(backup);
      store.put('10.5.3.0-24', value('192.0.2.3'));
      return snapshot;
    };
    await start();
    assert.ok(!cache.entries.has('10.5.3.0-24'));
    await clock.advance(300_000);
    assert.deepEqual([...cache.entries.keys()].sort(), ['10.5.1.0-24', '10.5.3.0-24']);
  });

  it('notices a restored backup that is older only than a write just made', async () => {
    const backup = store.save();
    await start();
    cache.noteRevision(
      toRevision(
        (await registry.update({ key: 'x', value: '', leaseId: NO_LEASE }, NO_REVISION)).revision + 5,
      ),
    );
    store.restore(backup);
    await clock.until(() => cache.resyncs.restored === 1, 11_000);
  });

  it('answers a request with a read that began after it', async () => {
    await start();
    await cache.resync();
    assert.equal(registry.calls.snapshot, 2);
    registry.setUnavailable(true);
    const back = cache.resync();
    await clock.advance(60_000);
    store.put('10.5.1.0-24', value('192.0.2.1'));
    registry.setUnavailable(false);
    await clock.advance(10_000);
    await back;
    assert.equal(cache.leases.size, 1);
  });

  it('when stopped before it was ready says so', async () => {
    registry.setUnavailable(true);
    cache.start();
    await clock.advance(1000);
    cache.stop();
    await assert.rejects(cache.ready, /stopped/);
    await assert.rejects(cache.resync(), /stopped/);
  });

  it('reads a large registry more rarely, as every host of it does', async () => {
    for (let index = 0; index < 2000; index++) store.put(subnetKey(index), value('192.0.2.1'));
    const patient = new RegistryCache({ registry, clock, random: () => 0.5 });
    patient.start();
    await patient.ready;
    await clock.advance(500_000);
    await manyTurns();
    assert.equal(patient.resyncs.periodic, 0);
    await clock.advance(100_000);
    await manyTurns();
    assert.equal(patient.resyncs.periodic, 1);
    patient.stop();
  });

  describe('decodes a large list in slices', () => {
    const COUNT = 1100;
    const meter = new TurnMeter();
    let slow: RegistryCache;
    let changes: number;
    let follow: ((config: ConfigEntry | undefined) => void) | undefined;

    beforeEach(() => {
      for (let index = 0; index < COUNT; index++) store.put(subnetKey(index), value('192.0.2.1'));
      store.putConfig('{"Network":"10.0.0.0/8"}');
      changes = 0;
      const reader: RegistryReader = {
        snapshot: (signal) => registry.snapshot(signal),
        changesSince: (revision, signal) => registry.changesSince(revision, signal),
        watch: (options) => registry.watch(options),
        followConfig: (onChange) => {
          follow = onChange;
          return () => undefined;
        },
      };
      const decode: DecodeEntry = (entry) => {
        meter.count(1);
        return decodeEntry(entry);
      };
      slow = new RegistryCache({ registry: reader, clock, random: () => 0.5, decode });
      slow.subscribe({ onChange: () => changes++ });
      slow.start();
    });

    it('and shows it as a whole', async () => {
      await clock.settle();
      assert.deepEqual([slow.leases.size, changes], [0, 0]);
      await slow.ready;
      assert.deepEqual([slow.leases.size, slow.entries.size, changes], [COUNT, COUNT, 1]);
      assert.equal(meter.most, 100);
      slow.stop();
    });

    it('and a config that changes meanwhile stays', async () => {
      await clock.settle();
      const config = { text: '{"Network":"10.1.0.0/16"}', modRevision: toRevision(9999) };
      follow!(config);
      await slow.ready;
      assert.deepEqual(slow.config, config);
      slow.stop();
    });

    it('and ends that when it is stopped', async () => {
      await clock.settle();
      slow.stop();
      await assert.rejects(slow.ready, /stopped/);
      await clock.settle();
      assert.equal(slow.leases.size, 0);
    });
  });

  it('decodes an entry once however often it is read', async () => {
    let decoded = 0;
    for (let index = 0; index < 10_000; index++) store.put(subnetKey(index), value('192.0.2.1'));
    const counting = new RegistryCache({
      registry,
      clock,
      random: () => 0.5,
      resyncMs: 30_000,
      decode: ({ key }) => ({ ok: false, invalid: { key, reason: `counted as ${++decoded}` } }),
    });
    counting.start();
    await counting.ready;
    for (let list = 0; list < 20; list++) {
      await clock.advance(300_000);
      await manyTurns();
    }
    assert.ok(counting.resyncs.periodic > 10);
    assert.equal(decoded, 10_000);
    counting.stop();
  });
});

/** As many as a full list of 10,000 entries takes, and some more. */
async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 150; turn++) await nextTurn();
}

const byKey = (a: { readonly key: string }, b: { readonly key: string }): number => (a.key < b.key ? -1 : 1);

function plain({ put, removed, ...rest }: RegistryCacheChange): Seen {
  return { put: [...put], removed: [...removed], ...rest };
}
