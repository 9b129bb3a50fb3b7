// Many hosts that start at once: each gets a subnet while there is one, at few calls.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { LeaseHost, NETWORK_IPV4 } from '../../test/support/lease-host.ts';
import type { LeaseHostOptions } from '../../test/support/lease-host.ts';
import type { Ipv4, Ipv4Cidr } from '../../lib/address.ts';
import type { NetworkConfig } from '../config/config.ts';
import { decodeEntry } from '../registry/lease-entry.ts';
import type { DecodedEntry } from '../registry/lease-entry.ts';
import { MemoryStore } from '../registry/memory/registry-memory-store.ts';
import { toLeaseId } from '../registry/registry.ts';
import type { RegistryEntry } from '../registry/registry.ts';

/** 1,024 subnets of length /24. */
const WIDE: NetworkConfig = {
  ...NETWORK_IPV4,
  ipv4: {
    network: '10.8.0.0/14' as Ipv4Cidr,
    subnetLength: 24,
    min: '10.8.0.0' as Ipv4,
    max: '10.11.255.0' as Ipv4,
  },
};

describe('LeaseManager under contention', function () {
  this.timeout(60_000);

  const startHosts = async (count: number, options: Partial<LeaseHostOptions> = {}) => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    const decode = sharedDecode();
    const hosts = Array.from({ length: count }, (_, index) => {
      const identity = `192.0.${index >> 8}.${index & 255}`;
      return new LeaseHost({ clock, store, identity, decode, ...options });
    });
    for (const host of hosts) host.cache.start();
    await clock.until(() => hosts.every((host) => host.cache.isConnected));
    for (const host of hosts) host.manager.start();
    await clock.advance(1000);
    return { clock, store, hosts };
  };
  const close = ({ hosts, store }: Awaited<ReturnType<typeof startHosts>>): void => {
    for (const host of hosts) host.stop();
    for (const id of store.leaseIds) store.revoke(id);
  };
  const keysOf = (hosts: readonly LeaseHost[]): Set<string> =>
    new Set(hosts.filter((host) => host.manager.isHeld).map((host) => host.key ?? ''));

  it('gives 1,000 hosts 1,000 of 1,024 subnets, at no more than 4 calls a host', async () => {
    const all = await startHosts(1000, { config: WIDE });
    assert.equal(keysOf(all.hosts).size, 1000);
    assert.equal(all.store.snapshot().entries.length, 1000);
    const calls = all.hosts.reduce((sum, host) => sum + host.registry.unaryCalls, 0);
    assert.ok(calls <= 4000, `${calls} calls`);
    for (const { manager } of all.hosts) assert.equal(manager.peers.size, 999);
    close(all);
  });

  it('gives 300 hosts 300 subnets when answers are slow', async () => {
    let draw = 0;
    const delayMs = (): number => (draw = (draw * 1_103_515_245 + 12_345) % 2 ** 31) % 30;
    const all = await startHosts(300, { config: WIDE, delayMs });
    assert.equal(keysOf(all.hosts).size, 300);
    const calls = all.hosts.reduce((sum, host) => sum + host.registry.unaryCalls, 0);
    assert.ok(calls <= 1200, `${calls} calls`);
    close(all);
  });

  it('gives 255 of 300 hosts the 255 subnets, and 45 one clear error each', async () => {
    const all = await startHosts(300);
    const { hosts, store, clock } = all;
    assert.equal(keysOf(hosts).size, 255);
    const without = hosts.filter((host) => host.manager.state === 'exhausted');
    assert.equal(without.length, 45);
    for (const host of without) assert.equal(host.count('pool-exhausted'), 1);
    assert.equal(store.leaseIds.length, 255);

    // Ten hosts leave for good.
    for (const host of hosts.filter(({ manager }) => manager.isHeld).slice(0, 10)) {
      host.stop();
      store.revoke(toLeaseId(host.manager.own?.leaseId ?? ''));
    }
    await clock.advance(120_000);
    const alive = hosts.filter(({ manager }) => manager.state !== 'stopped');
    assert.equal(keysOf(alive).size, 255);
    assert.equal(store.leaseIds.length, 255);
    close(all);
  });
});

/** Decodes an entry once for all hosts. */
function sharedDecode(): (entry: RegistryEntry) => DecodedEntry {
  const known = new WeakMap<RegistryEntry, DecodedEntry>();
  return (entry) => {
    const decoded = known.get(entry) ?? decodeEntry(entry);
    known.set(entry, decoded);
    return decoded;
  };
}
