// Random sequences of faults of the registry and of the connection to it. After each of them, once
// faults end, every host holds exactly one key, no two the same, with the right value, and sees all
// others as peers.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { LeaseHost, NETWORK_DUAL, NETWORK_IPV4, valueOf } from '../../test/support/lease-host.ts';
import type { Ipv4, Ipv4Cidr, Ipv6 } from '../../lib/address.ts';
import type { NetworkConfig } from '../config/config.ts';
import { subnetsOverlap } from './choose-subnet.ts';
import type { StoreBackup } from '../registry/memory/registry-memory-store.ts';
import { MemoryStore } from '../registry/memory/registry-memory-store.ts';
import { NO_LEASE, toLeaseId } from '../registry/registry.ts';

const HOSTS = 4;
const TTL_SEC = 3600;
const CALM_MS = 3 * TTL_SEC * 1000;

/** 31 subnets, so that hosts meet. */
const NARROW: NetworkConfig = {
  ...NETWORK_IPV4,
  ipv4: {
    network: '10.5.0.0/19' as Ipv4Cidr,
    subnetLength: 24,
    min: '10.5.1.0' as Ipv4,
    max: '10.5.31.0' as Ipv4,
  },
};

/** The same with as many IPv6 subnets beside them. */
const NARROW_DUAL: NetworkConfig = {
  ...NARROW,
  ...(NETWORK_DUAL.ipv6 && { ipv6: { ...NETWORK_DUAL.ipv6, max: 'fd00:0:0:1f::' as Ipv6 } }),
};

/** Two subnets, so that most hosts find none. */
const CRAMPED: NetworkConfig = { ...NARROW, ipv4: { ...NARROW.ipv4!, max: '10.5.2.0' as Ipv4 } };

class World {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore({ clock: this.clock });
  readonly hosts: LeaseHost[] = [];
  readonly cramped = new Set<LeaseHost>();
  backup: StoreBackup = this.store.save();
  #strangers = 0;

  boot(index: number): LeaseHost {
    const { clock, store } = this;
    const identity = `192.0.2.${index}`;
    let draw = index + 1;
    const random = (): number => (draw = (draw * 16_807) % 2_147_483_647) / 2_147_483_647;
    const host = new LeaseHost({
      clock,
      store,
      identity,
      random,
      config: NARROW,
      ttlSec: TTL_SEC,
      renewMarginSec: 60,
    });
    this.hosts[index] = host;
    host.cache.start();
    return host;
  }

  configure(host: LeaseHost, config: NetworkConfig): void {
    if (config === CRAMPED) this.cramped.add(host);
    else this.cramped.delete(host);
    host.manager.setConfig(config);
  }

  host(index: number): LeaseHost {
    return this.hosts[index] ?? assert.fail(`no host ${index}`);
  }

  /** A host outside of the test, which takes a key for an hour. */
  stranger(key: string): void {
    this.store.put(key, valueOf(`198.51.100.${++this.#strangers}`), this.store.grant(TTL_SEC));
  }
}

interface Happening {
  readonly what: string;
  readonly host: number;
  readonly amount: number;
}

type Deed = (world: World, host: LeaseHost, happening: Happening) => void | Promise<void>;

/** What happens to a host's key happens only while it has one. */
const onKey =
  (deed: (world: World, key: string, host: LeaseHost) => void): Deed =>
  (world, host) => {
    if (host.key !== undefined && world.store.get(host.key) !== undefined) deed(world, host.key, host);
  };

const DEEDS: Readonly<Record<string, Deed>> = {
  'delete key': onKey(({ store }, key) => store.delete(key)),
  'revoke lease': onKey(({ store }, key) => store.revoke(toLeaseId(store.get(key)?.leaseId ?? ''))),
  'overwrite with garbage': onKey(({ store }, key) => void store.put(key, '{', store.grant(TTL_SEC))),
  'overwrite with a stranger': onKey((world, key) => world.stranger(key)),
  'overwrite with other data': onKey(
    ({ store }, key, { manager }) =>
      void store.put(key, valueOf(manager.nodeId, 'zz'), store.get(key)?.leaseId ?? NO_LEASE),
  ),
  'move to another lease': onKey(
    ({ store }, key) => void store.put(key, store.get(key)?.value ?? '', store.grant(TTL_SEC)),
  ),
  'let a stranger in': (world, _host, { amount }) => world.stranger(`10.5.${1 + (amount % 31)}.0-24`),
  'write garbage': ({ store }, _host, { amount }) => void store.put(`junk ${amount % 3}`, 'junk'),
  backup: (world) => void (world.backup = world.store.save()),
  restore: (world) => world.store.restore(world.backup),
  compact: ({ store }) => store.compact(),
  'break watch': (_world, host) => host.registry.breakWatches(),
  'cut off': (_world, host) => host.registry.setUnavailable(true),
  reconnect: (_world, host) => host.registry.setUnavailable(false),
  'lose an answer': (_world, host) => host.registry.injectFault({ kind: 'lose-answer' }),
  'delay a request': (_world, host, { amount }) =>
    host.registry.injectFault({ kind: 'late', afterMs: 1 + (amount % 20_000) }),
  publish: (_world, host, { amount }) => {
    host.mac = `mac ${amount % 5}`;
    host.manager.publish();
  },
  'turn IPv6 on': (world, host) => world.configure(host, NARROW_DUAL),
  'turn IPv6 off': (world, host) => world.configure(host, NARROW),
  'take the room away': (world, host) => world.configure(host, CRAMPED),
  reboot: (world, host, { host: index }) => {
    host.stop();
    const next = world.boot(index);
    void next.cache.ready.then(() => next.manager.start(), ignoreStop);
  },
  'jump in time': ({ clock }, _host, { amount }) => clock.jump(amount * 60),
  'pass some time': ({ clock }, _host, { amount }) => clock.advance(amount),
  'pass much time': ({ clock }, _host, { amount }) => clock.advance(amount * 10),
};

describe('LeaseManager under random faults', function () {
  this.timeout(120_000);

  it('ends with one key for each host and all others as its peers', async () => {
    const happening = fc.record({
      what: fc.constantFrom(...Object.keys(DEEDS)),
      host: fc.nat({ max: HOSTS - 1 }),
      amount: fc.nat({ max: 100_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25, size: 'max' }), async (happenings) => {
        const world = new World();
        for (let index = 0; index < HOSTS; index++) {
          const host = world.boot(index);
          void host.cache.ready.then(() => host.manager.start(), ignoreStop);
        }
        await world.clock.advance(10);
        for (const one of happenings) {
          await DEEDS[one.what]?.(world, world.host(one.host), one);
          if (one.amount % 3 > 0) await world.clock.settle();
        }
        for (const host of world.hosts) host.registry.setUnavailable(false);
        for (const host of world.cramped) world.configure(host, NARROW);
        await world.clock.advance(CALM_MS);
        check(world);
        await end(world);
      }),
      { numRuns: Number(process.env['WALK_RUNS'] ?? 150) },
    );
  });
});

function check({ hosts, store }: World): void {
  const { entries } = store.snapshot();
  const keys = new Set<string>();
  for (const { manager, mac } of hosts) {
    const { own } = manager;
    assert.ok(
      own !== undefined && manager.isHeld && manager.state === 'held',
      `${manager.state}: ${manager.lastError}`,
    );
    keys.add(own.key);
    const mine = entries.filter(({ value }) => value.includes(`"${manager.nodeId}"`));
    assert.deepEqual(
      mine.map(({ key }) => key),
      [own.key],
      'keys with its address',
    );
    assert.equal(mine[0]?.value, valueOf(manager.nodeId, mac));
    assert.equal(mine[0].leaseId, own.leaseId);
    const others = entries.filter(({ key }) => key !== own.key && !key.startsWith('junk'));
    assert.deepEqual([...manager.peers.keys()].sort(), others.map(({ key }) => key).sort());
  }
  assert.equal(keys.size, HOSTS);
  const held = hosts.map(({ manager }) => manager.own?.subnets ?? {});
  for (const [index, one] of held.entries())
    for (const other of held.slice(index + 1))
      assert.ok(!subnetsOverlap(one, other), `${JSON.stringify(one)} and ${JSON.stringify(other)}`);
}

/** A host that was stopped before it could read anything. */
function ignoreStop(): void {}

async function end({ hosts, store, clock }: World): Promise<void> {
  for (const host of hosts) host.stop();
  for (const id of store.leaseIds) store.revoke(id);
  await clock.advance(60_000);
  assert.equal(clock.pendingTimers, 0, 'a timer was left behind');
}
