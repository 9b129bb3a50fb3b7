// Random sequences of events in a small cluster whose hosts migrate between transports: lease
// manager, overlay controller, reconciler and a model of the kernel on each host, restarts at any
// moment. When calm returns, every host uses the transport of the config, holds all peers in its
// kernel and writes nothing more.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Cidr, Ipv4 } from '../../lib/address.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { LeaseManager } from '../../allocator/lease/lease-manager.ts';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import { NO_LEASE, toLeaseId } from '../../allocator/registry/registry.ts';
import type { HostFacts } from '../../backends/backend.ts';
import { host as factsOf, ip4 } from '../../backends/fixture.ts';
import type { UnderlayMtu } from '../../backends/kernel-state.ts';
import { transportId, transportOf } from '../../backends/transport.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { CountingKernel, SMALLEST_SLICES } from '../../test/support/reconciler-host.ts';
import { ConfigWatcher } from '../node/config-watcher.ts';
import { chooseDatapath, INITIAL_DATAPATHS, withDatapaths, withMode } from '../host/datapath-mode.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { createLogger } from '../log/log.ts';
import { readConfig } from '../node/network-config.ts';
import { OverlayController } from './overlay-controller.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import { FORWARDING_DISABLED } from '../host/forwarding-setup.ts';

const RUNS = Number(process.env['WALK_RUNS'] ?? 60);
const HOSTS = 3;
const TTL_SEC = 900;
/** Seldom, as it takes most of the time of a run. */
const RESYNC_MS = 600_000;
const CALM_MS = 3 * TTL_SEC * 1000;
const BACKENDS = [
  { Type: 'vxlan' },
  { Type: 'vxlan', VNI: 2 },
  { Type: 'vxlan', DirectRouting: true },
  { Type: 'vxlan', VNI: 2, Userspace: true },
  { Type: 'host-gw' },
  { Type: 'udp', Userspace: true },
  { Type: 'udp', Userspace: false },
  { Type: 'udp', Userspace: false, Port: 9001 },
];
const LINKS = ['link flannel.1', 'link flannel.2', 'link flannel0'] as const;

/** The parts of one daemon's daemon, joined as the daemon does. */
class TestDaemon {
  readonly registry: MemoryRegistry;
  readonly registryCache: RegistryCache;
  leaseManager!: LeaseManager;
  network!: OverlayController;
  reconciler!: Reconciler;
  #configWatcher!: ConfigWatcher;
  #isStopped = false;
  readonly #clock: FakeClock;
  readonly #kernel: CountingKernel;
  readonly #facts: HostFacts;
  #datapaths = INITIAL_DATAPATHS;
  readonly #random: () => number;
  readonly #isSliced: boolean;

  constructor(
    registry: MemoryRegistry,
    parts: {
      clock: FakeClock;
      kernel: CountingKernel;
      facts: HostFacts;
      random: () => number;
      isSliced: boolean;
    },
  ) {
    const { clock, random } = parts;
    this.registry = registry;
    this.#clock = clock;
    this.#kernel = parts.kernel;
    this.#facts = parts.facts;
    this.#random = random;
    this.#isSliced = parts.isSliced;
    this.registryCache = new RegistryCache({ registry, clock, random });
    this.registryCache.start();
    this.registryCache.ready.then(
      () => this.#join(),
      () => undefined,
    );
  }

  get isJoined(): boolean {
    return this.leaseManager !== undefined;
  }

  stop(): void {
    this.#isStopped = true;
    this.registryCache.stop();
    if (!this.isJoined) return;
    this.#configWatcher.stop();
    this.leaseManager.stop();
    this.network.stop();
    void this.reconciler.stop();
  }

  #join(): void {
    if (this.#isStopped) return;
    const log = createLogger({ write: () => undefined });
    const limit = createLogRateLimit({ nowMs: () => this.#clock.nowMs() });
    const source = { registryCache: this.registryCache, key: 'config', log, limit };
    const snapshot = readConfig(source);
    assert.ok(snapshot.ok);
    const { config, revision } = snapshot;
    const [clock, random, kernel] = [this.#clock, this.#random, this.#kernel];
    const onSettled = (): void => this.network.wake();
    const slices = this.#isSliced ? { slices: SMALLEST_SLICES } : {};
    this.reconciler = new Reconciler({
      kernel,
      clock,
      random,
      resyncIntervalMs: RESYNC_MS,
      onSettled,
      ...slices,
    });
    this.network = new OverlayController({
      host: { clusterConfig: config, config },
      facts: this.#factsFor(config),
      reconciler: this.reconciler,
      subnetFile: { write: () => undefined },
      policyFor: () => FORWARDING_DISABLED,
      isBlackholing: false,
      migrationTimeoutMs: 0,
      ...(this.#isSliced && { peersPerSlice: 1 }),
      publish: () => this.leaseManager.publish(),
      onMigration: () => undefined,
      clock,
      log,
    });
    this.leaseManager = new LeaseManager({
      registry: this.registry,
      cache: this.registryCache,
      clock,
      random,
      config,
      nodeId: this.#facts.publicIp!,
      ttlSec: TTL_SEC,
      renewMarginSec: 60,
      attributes: (published) => this.network.attributes(published),
      listener: {
        onOwnLease: (own, change) => this.network.setOwnLease(own, change),
        onPeers: (changedKeys) => this.network.setPeers(changedKeys, this.leaseManager.peers),
        onState: () => undefined,
        onEvent: () => undefined,
      },
    });
    const apply = (next: NetworkConfig): Promise<undefined> => Promise.resolve(this.#setConfig(next));
    this.#configWatcher = new ConfigWatcher({ source, clock, revision, apply, onChange: () => undefined });
    this.#configWatcher.start();
    kernel.subscribe(
      () => this.reconciler.ownership ?? this.network.ownership(),
      (notice) => this.reconciler.handleNotification(notice),
    );
    this.leaseManager.start();
  }

  #setConfig(config: NetworkConfig): undefined {
    this.network.setConfig({ clusterConfig: config, config }, this.#factsFor(config));
    this.leaseManager.setConfig(config);
    this.leaseManager.publish();
  }

  #factsFor({ backend }: NetworkConfig): HostFacts {
    this.#datapaths = withMode(this.#datapaths, backend.type, chooseDatapath(backend, false));
    return withDatapaths(this.#facts, this.#datapaths);
  }
}

class Host {
  readonly kernel = new CountingKernel();
  daemon: TestDaemon;
  readonly #world: World;
  readonly #ipv4: Ipv4;
  #draw: number;

  constructor(world: World, index: number) {
    this.#world = world;
    this.#draw = index + 1;
    this.#ipv4 = ip4(`10.9.0.${index + 1}`);
    this.kernel.tables.addLink({ name: 'eth0' });
    this.kernel.tables.setAddress('eth0', `${this.#ipv4}/24` as Cidr);
    this.daemon = this.#begin();
  }

  restart(): void {
    this.daemon.stop();
    this.daemon = this.#begin();
  }

  get key(): string | undefined {
    return this.daemon.isJoined ? this.daemon.leaseManager.own?.key : undefined;
  }

  #begin(): TestDaemon {
    const { clock, isSliced, store } = this.#world;
    const random = (): number => (this.#draw = (this.#draw * 16_807) % 2_147_483_647) / 2_147_483_647;
    const facts = factsOf({
      interface: { name: 'eth0', mtu: 1500 as UnderlayMtu, ipv4: this.#ipv4 },
      publicIp: this.#ipv4,
    });
    return new TestDaemon(new MemoryRegistry(store), {
      clock,
      kernel: this.kernel,
      facts,
      random,
      isSliced,
    });
  }
}

class World {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore({ clock: this.clock });
  readonly hosts: readonly Host[];
  readonly isSliced: boolean;

  constructor(isSliced: boolean) {
    this.isSliced = isSliced;
    this.want(0);
    this.hosts = Array.from({ length: HOSTS }, (_, index) => new Host(this, index));
  }

  want(index: number): void {
    this.store.putConfig(
      JSON.stringify({ Network: '10.5.0.0/16', Backend: BACKENDS[index % BACKENDS.length] }),
    );
  }
}

interface Happening {
  readonly what: string;
  readonly host: number;
  readonly amount: number;
}

type Deed = (world: World, host: Host, amount: number) => void | Promise<void>;

/** What happens to a host's key happens only while it has one. */
const onKey =
  (deed: (store: MemoryStore, key: string) => void): Deed =>
  ({ store }, { key }) => {
    if (key !== undefined && store.get(key) !== undefined) deed(store, key);
  };

const DEEDS: Readonly<Record<string, Deed>> = {
  want: (world, _host, amount) => world.want(amount),
  restart: (_world, host) => host.restart(),
  'delete key': onKey((store, key) => store.delete(key)),
  'revoke lease': onKey((store, key) => store.revoke(toLeaseId(store.get(key)?.leaseId ?? ''))),
  'make it a reservation': onKey((store, key) => void store.put(key, store.get(key)!.value, NO_LEASE)),
  'break watch': (_world, { daemon }) => daemon.registry.breakWatches(),
  'cut off': (_world, { daemon }) => daemon.registry.setUnavailable(true),
  reconnect: (_world, { daemon }) => daemon.registry.setUnavailable(false),
  'lose an answer': (_world, { daemon }) => daemon.registry.injectFault({ kind: 'lose-answer' }),
  'lose answers of the kernel': (_world, { kernel }, amount) => kernel.loseAnswers(amount % 5),
  'refuse a device': (_world, { kernel }, amount) =>
    kernel.injectFault(LINKS[amount % LINKS.length]!, 'EADDRINUSE'),
  'allow devices': (_world, { kernel }) => LINKS.forEach((link) => kernel.clearFault(link)),
  'jump in time': ({ clock }, _host, amount) => clock.jump(amount),
  'pass a moment': ({ clock }, _host, amount) => clock.advance(amount % 100),
  'pass some time': ({ clock }, _host, amount) => clock.advance(amount % 2000),
  'pass much time': ({ clock }, _host, amount) => clock.advance(amount * 10),
};

/** What a change of the transport is made of. */
const OFTEN = ['want', 'restart', 'pass a moment', 'pass some time'];

describe('a cluster that migrates between transports, whatever happens', function () {
  this.timeout(Math.max(120_000, RUNS * 1000));

  it('ends with every host on the transport of the config, with all peers, and at rest', async () => {
    const happening = fc.record({
      what: fc.oneof(fc.constantFrom(...Object.keys(DEEDS)), fc.constantFrom(...OFTEN)),
      host: fc.nat({ max: HOSTS - 1 }),
      amount: fc.nat({ max: 10_000 }),
    });
    const runs = fc.asyncProperty(fc.array(happening, { maxLength: 25, size: 'max' }), fc.boolean(), walk);
    await fc.assert(runs, { numRuns: RUNS });
  });
});

async function walk(happenings: readonly Happening[], isSliced: boolean): Promise<void> {
  const world = new World(isSliced);
  const { clock, hosts, store } = world;
  await clock.advance(10);
  for (const { what, host, amount } of happenings) {
    await DEEDS[what]!(world, hosts[host]!, amount);
    if (amount % 3 > 0) await clock.settle();
  }
  for (const { kernel, daemon } of hosts) {
    daemon.registry.setUnavailable(false);
    for (const link of LINKS) kernel.clearFault(link);
  }
  await clock.advance(CALM_MS);
  if (isSliced) await passTurns(clock);
  for (const host of hosts) check(host);
  const { revision } = store;
  await clock.advance(CALM_MS);
  assert.equal(store.revision, revision, 'a host goes on writing');
  for (const { daemon } of hosts) daemon.stop();
  for (const id of store.leaseIds) store.revoke(id);
  await clock.advance(60_000);
  assert.equal(clock.pendingTimers, 0, 'a timer was left behind');
}

/** Slices of one item take more turns than time has timers. */
async function passTurns(clock: FakeClock): Promise<void> {
  for (let round = 0; round < 40; round++) {
    for (let turn = 0; turn < 30; turn++) await clock.settle();
    await clock.advance(CALM_MS / 20);
  }
}

function check({ daemon: { leaseManager, registryCache, network, reconciler } }: Host): void {
  const snapshot = readConfig({
    registryCache,
    key: 'config',
    log: createLogger({ write: () => undefined }),
    limit: createLogRateLimit(),
  });
  assert.ok(snapshot.ok && leaseManager.isHeld, `${leaseManager.state}: ${String(leaseManager.lastError)}`);
  assert.deepEqual(network.migration, undefined);
  assert.equal(network.error, undefined);
  const { backend } = network.status.config;
  assert.equal(transportId(transportOf(backend)), transportId(transportOf(snapshot.config.backend)));
  // flannel's leases have no port: only another than its own is published.
  const port = backend.type === 'udp' && backend.port !== 8285 ? { port: backend.port } : {};
  const mark = backend.type === 'udp' ? { acceptsGso: true, ...port } : undefined;
  assert.deepEqual(leaseManager.own?.attributes.weft, mark);
  const { host, inSync, peers, contested } = reconciler.summary();
  assert.deepEqual([host, inSync, peers, contested], [{ state: 'in-sync' }, HOSTS - 1, HOSTS - 1, []]);
  for (const [key, want] of reconciler.desired)
    if (want.kind === 'link') assert.ok(reconciler.known?.objects.has(key), key);
}
