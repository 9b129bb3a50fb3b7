// One cold start without etcd and kernel, to measure the daemon itself: N leases are decoded, indexed, derived and
// reconciled against a fake kernel that applies every step. `control-plane-host.js N` prints one JSON line; run it under the
// flags of the daemon. The reconciler, the backend and the registry's copy are the real ones.
import { systemClock } from '../../lib/clock.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import { decodeEntry } from '../../allocator/registry/lease-entry.ts';
import { PeerIndex } from '../../allocator/lease/peer-index.ts';
import type { Lease } from '../../allocator/lease.ts';
import { RegistrySnapshotStore } from '../../allocator/registry/registry-snapshot-store.ts';
import { toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import type { RegistryEntry } from '../../allocator/registry/registry.ts';
import type { Ipv4, Ipv4Cidr } from '../../lib/address.ts';
import type { BackendContext, HostFacts } from '../../backends/backend.ts';
import { backendFor } from '../../backends/index.ts';
import {
  objectKey,
  type KernelObject,
  type ObjectKey,
  type UnderlayMtu,
} from '../../backends/kernel-state.ts';
import type { ActualObject } from '../../daemon/kernel/actual-state.ts';
import { ROUTE_PROTOCOL, type Kernel } from '../../daemon/kernel/kernel.ts';
import { GcMode } from '../../daemon/node/gc-mode.ts';
import { Reconciler } from '../../daemon/reconciler/reconciler.ts';
import { BENCH_CONFIG, leaseOf } from './seed.ts';

/** What one cold start took; processor time is in ms of user and system together. */
export interface ControlPlaneTimes {
  readonly decodeMs: number;
  readonly deriveMs: number;
  readonly reconcileMs: number;
  /** Of one more peer behind all others, on average of {@link JOINS}. */
  readonly joinMs: number;
  readonly rssMb: number;
}

const JOINS = 100;
const IDENTITY = '198.18.1.1' as Ipv4;
const FACTS: HostFacts = {
  interface: { name: 'eth0', mtu: 1500 as UnderlayMtu, ipv4: IDENTITY },
  publicIp: IDENTITY,
  underlayRoutes: [{ destination: '198.18.0.0/16' as Ipv4Cidr, dev: 'eth0', metric: 0 }],
};

function entryOf(index: number): RegistryEntry {
  return { ...leaseOf(index), leaseId: toLeaseId('1'), modRevision: toRevision(index + 2) };
}

function asRead(object: KernelObject): ActualObject {
  return object.kind === 'route' ? { ...object, protocol: ROUTE_PROTOCOL, metric: 0 } : object;
}

/** Applies each step at once, in memory. */
function fakeKernel(): Pick<Kernel, 'readState' | 'readSysctl' | 'readFeature' | 'apply'> {
  const objects = new Map<ObjectKey, ActualObject>();
  return {
    readState: () => Promise.resolve({ objects: new Map(objects), foreignLinks: new Map() }),
    readSysctl: (path) => {
      const found = objects.get(`sysctl ${path}`);
      return found?.kind === 'sysctl' ? Promise.resolve(found.value) : Promise.reject(new Error('unset'));
    },
    readFeature: () => Promise.resolve(undefined),
    apply: (steps) => {
      for (const { action, object } of steps)
        if (action === 'set') objects.set(objectKey(object), asRead(object));
        else objects.delete(objectKey(object));
      return Promise.resolve(steps.map((step) => ({ step, status: 'done' as const })));
    },
  };
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

class Host {
  readonly #backend = backendFor('vxlan');
  readonly #context: BackendContext;
  #onSettled: () => void = () => undefined;
  readonly #reconciler = new Reconciler({
    kernel: fakeKernel(),
    clock: systemClock,
    onSettled: () => this.#onSettled(),
  });

  constructor() {
    const result = parseNetworkConfig(BENCH_CONFIG);
    if (!result.ok) throw new Error('The config of benchmarks is not valid');
    const { config } = result;
    const attributes = this.#backend.attributes(config, FACTS);
    const own = { subnets: { ipv4: '10.1.2.0/24' as Ipv4Cidr }, attributes };
    this.#context = { config, host: FACTS, own };
  }

  setPeers(peers: Iterable<Lease>): void {
    const states = [...peers].map(
      (lease) => [lease.key, this.#backend.derivePeer(this.#context, lease)] as const,
    );
    this.#reconciler.setHost(
      this.#backend.ownership(this.#context.config, FACTS),
      this.#backend.deriveHost(this.#context),
    );
    for (const [key, state] of states) this.#reconciler.setPeer(key, state);
  }

  start(): Promise<void> {
    const settled = this.#settled();
    this.#reconciler.markComplete();
    this.#reconciler.start();
    return settled;
  }

  join(lease: Lease): Promise<void> {
    const settled = this.#settled();
    this.#reconciler.setPeer(lease.key, this.#backend.derivePeer(this.#context, lease));
    return settled;
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => (this.#onSettled = resolve));
  }
}

async function main(count: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, index) => entryOf(index));
  const startMs = processorMs();
  const copy = new RegistrySnapshotStore(decodeEntry);
  copy.applySnapshot({ revision: toRevision(count + 2), entries }, copy.compareNow(entries));
  const view = new PeerIndex(copy.leases, { nodeId: IDENTITY });
  const decodedMs = processorMs();
  const heap = new GcMode();
  heap.begin(count);
  const host = new Host();
  host.setPeers(view.peers.values());
  const derivedMs = processorMs();
  await host.start();
  const reconciledMs = processorMs();
  heap.end();
  const rssMb = process.memoryUsage.rss() / 1e6;
  for (let index = count; index < count + JOINS; index++) {
    copy.applyEvents([{ type: 'put', entry: entryOf(index) }], toRevision(index + 2));
    view.update([entryOf(index).key]);
    await host.join(copy.leases.get(entryOf(index).key)!);
  }
  const times: ControlPlaneTimes = {
    decodeMs: decodedMs - startMs,
    deriveMs: derivedMs - decodedMs,
    reconcileMs: reconciledMs - derivedMs,
    joinMs: (processorMs() - reconciledMs) / JOINS,
    rssMb,
  };
  console.log(JSON.stringify(times));
  process.exit(0);
}

await main(Number(process.argv[2]));
