import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ip4, lease, network, subnets, VXLAN } from '../../../backends/fixture.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import type { Lease, LeaseAttributes } from '../../lease.ts';
import type { RegistryCacheListener, RegistryCacheChange } from '../../registry/cache-listeners.ts';
import type { RegistryCache } from '../../registry/registry-cache.ts';
import { NO_LEASE, toRevision, type RegistryEntry } from '../../registry/registry.ts';
import { AssignedLeaseManager } from './assigned-lease-manager.ts';
import type { LeaseEvent } from '../lease-events.ts';

const ADDRESS = ip4('198.18.1.1');

/** A manager beside a cache with its entry, whose attributes are published. */
class Node {
  readonly clock = new FakeClock();
  readonly leases = new Map<string, Lease>();
  readonly own: string[] = [];
  readonly events: LeaseEvent[] = [];
  attributes: LeaseAttributes = { publicIp: ADDRESS, backendType: 'vxlan' };
  readonly manager: AssignedLeaseManager;
  #listener: RegistryCacheListener | undefined;

  constructor() {
    const entry: RegistryEntry = { key: 'a', value: '{}', leaseId: NO_LEASE, modRevision: toRevision(1) };
    const cache = {
      entries: new Map([['a', entry]]),
      leases: this.leases,
      invalidEntries: new Map(),
      revision: toRevision(1),
      subscribe: (listener: RegistryCacheListener) => {
        this.#listener = listener;
        return () => undefined;
      },
      resync: () => Promise.resolve(),
    };
    this.manager = new AssignedLeaseManager({
      registry: {
        ownKey: 'a',
        assignmentOf: () => ({ uid: 'u', subnets: subnets('10.5.1.0/24'), isPublished: () => true }),
        publish: () => Promise.resolve(),
      },
      cache: cache as unknown as RegistryCache,
      clock: this.clock,
      random: () => 0,
      config: network('4', VXLAN),
      nodeId: ADDRESS,
      attributes: () => ({ ...this.attributes }),
      listener: {
        onOwnLease: (_own, change) => void this.own.push(change),
        onPeers: () => undefined,
        onState: () => undefined,
        onEvent: (event) => void this.events.push(event),
      },
    });
    this.manager.start();
  }

  put(peer: Lease): void {
    this.leases.set(peer.key, peer);
    const change: RegistryCacheChange = {
      put: new Set([peer.key]),
      removed: new Set(),
      isConfigChanged: false,
      isRestored: false,
    };
    this.#listener?.onChange?.(change);
  }
}

describe('AssignedLeaseManager', () => {
  it('reports its lease again only if its attributes changed', async () => {
    const node = new Node();
    await node.clock.advance(0);
    for (let round = 0; round < 3; round++) {
      node.manager.publish();
      await node.clock.advance(0);
    }
    assert.deepEqual(node.own, ['acquired']);
    node.attributes = { ...node.attributes, backendData: { VNI: 2 } };
    node.manager.publish();
    await node.clock.advance(0);
    assert.deepEqual(node.own, ['acquired', 'updated']);
    node.manager.stop();
  });

  it('reports a node that takes the public IP of this one later', async () => {
    const node = new Node();
    await node.clock.advance(0);
    node.put(lease('10.5.2.0/24', { publicIp: ADDRESS, backendType: 'vxlan' }));
    await node.clock.advance(0);
    assert.deepEqual(
      node.events.map(({ code }) => code).filter((code) => code === 'duplicate-public-ip'),
      ['duplicate-public-ip'],
    );
    node.manager.stop();
  });
});
