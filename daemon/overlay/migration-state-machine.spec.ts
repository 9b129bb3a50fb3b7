import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { BackendConfig } from '../../allocator/config/config.ts';
import { decodeLeaseValue, encodeLeaseValue, sameAttributes } from '../../allocator/registry/lease-value.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import { VXLAN, ip4, subnets } from '../../backends/fixture.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import {
  announcedOf,
  deadlinesMs,
  findTransport,
  initialState,
  receivedBy,
  SETTLE_MS,
  wantedOf,
  weftAttributesOf,
  type LocalTransport,
  type MigrationState,
} from './migration-state.ts';
import { PendingPeers } from './pending-peers.ts';
import type { CanUse, MigrationEffect, MigrationEvent } from './migration-events.ts';
import { next } from './migration-state-machine.ts';

const VNI1: BackendConfig = VXLAN;
const VNI2: BackendConfig = { ...VXLAN, vni: 2 };
const PORT: BackendConfig = { ...VXLAN, port: 4789 };
const HOST_GW: BackendConfig = { type: 'host-gw' };
const UDP: BackendConfig = { type: 'udp', port: 8285, userspace: 'auto' };
const BACKENDS = [VNI1, VNI2, PORT, HOST_GW, UDP];

/** A runner of the state machine alone: it keeps the state, the peers and what the host can use. */
class Migration {
  readonly #clock: FakeClock;
  readonly #peers = new Map<string, Lease>();
  readonly #pending = new PendingPeers();
  #canUse: CanUse = () => true;
  #state: MigrationState;

  constructor(backend: BackendConfig, clock: FakeClock, timeoutMs: number) {
    this.#clock = clock;
    this.#state = initialState(backend, timeoutMs);
  }

  get state(): MigrationState['kind'] {
    return this.#state.kind;
  }

  get wanted(): LocalTransport {
    return wantedOf(this.#state);
  }

  get announced(): LocalTransport {
    return announcedOf(this.#state);
  }

  get all(): readonly LocalTransport[] {
    return receivedBy(this.#state);
  }

  get weft(): LeaseAttributes['weft'] {
    return weftAttributesOf(this.#state);
  }

  get pendingPeers(): readonly string[] {
    return this.#pending.keys;
  }

  get dueMs(): number | undefined {
    return deadlinesMs(this.#state)[0];
  }

  find(lease: Lease): LocalTransport | undefined {
    return findTransport(this.#state, lease);
  }

  begin(published: LeaseAttributes | undefined, canUse: CanUse): void {
    this.#canUse = canUse;
    this.#dispatch({ kind: 'started', published, canUse });
  }

  want(backend: BackendConfig): void {
    this.#dispatch({ kind: 'backend-changed', backend, canUse: this.#canUse });
  }

  remember(id: string, attributes: LeaseAttributes): void {
    this.#dispatch({ kind: 'attributes-derived', attributes: new Map([[id, attributes]]) });
  }

  /** Returns whether the transports are others by that. */
  note(key: string, lease: Lease): boolean {
    this.#peers.set(key, lease);
    const effects = this.#dispatch({ kind: 'peers-changed', leases: [lease], canUse: this.#canUse });
    this.#pending.update(this.#state, key, lease);
    return effects.length > 0;
  }

  advance(seen: { readonly isSettled: boolean; readonly isPublished: boolean }): {
    readonly mustDerive: boolean;
    readonly mustPublish: boolean;
  } {
    const { behind, size: pending } = this.#pending;
    const kinds = this.#dispatch({ kind: 'observed', ...seen, pending, behind }).map(({ kind }) => kind);
    return { mustDerive: kinds.includes('derive'), mustPublish: kinds.includes('publish') };
  }

  #dispatch(event: MigrationEvent): readonly MigrationEffect[] {
    const { state, effects } = next(this.#state, event, this.#clock.nowMs());
    this.#state = state;
    this.#pending.reset(state, this.#peers);
    return effects;
  }
}

/** Hosts that see each other's leases through one ordered log, each as far as it has read. */
class Cluster {
  readonly clock = new FakeClock();
  readonly hosts: Host[] = [];
  readonly log: Lease[] = [];

  constructor(size: number, backend: BackendConfig, timeoutMs = 0) {
    for (let index = 0; index < size; index++) this.join(backend, timeoutMs);
    for (const host of this.hosts) host.readAll();
  }

  join(backend: BackendConfig, timeoutMs = 0): Host {
    const host = new Host(this, this.hosts.length, backend, timeoutMs);
    this.hosts.push(host);
    host.readAll();
    host.publish();
    return host;
  }

  want(backend: BackendConfig): void {
    for (const host of this.hosts) host.want(backend);
  }

  /** Every host reads, settles and goes on until nothing changes. */
  async finish(hosts = this.hosts): Promise<void> {
    for (let round = 0; round < 40; round++) {
      for (const host of hosts) {
        host.readAll();
        host.isSettled = true;
        host.advance();
      }
      await this.clock.advance(SETTLE_MS / 2);
    }
  }

  states(): string[] {
    return this.hosts.map(({ migration }) => `${migration.state} ${migration.announced.id}`);
  }

  /**
   * Every packet that a host may send now by a transport that its receiver dropped or never had.
   */
  lost(): string[] {
    return this.hosts.flatMap((from) =>
      [...from.seen.values()].flatMap((lease) => {
        const to = this.hosts[Number(lease.key)]!;
        const transport = from.migration.find(lease);
        const isReceived = transport !== undefined && to.made.has(transport.id);
        return isReceived
          ? []
          : [`${from.key} to ${to.key} by ${transport?.id}; ${this.states().join(', ')}`];
      }),
    );
  }
}

class Host {
  migration: Migration;
  readonly key: string;
  readonly seen = new Map<string, Lease>();
  readonly #cluster: Cluster;
  #read = 0;
  #published: LeaseAttributes | undefined;
  isSettled = true;
  /** Transports that the kernel receives. */
  made = new Set<string>();

  constructor(cluster: Cluster, index: number, backend: BackendConfig, timeoutMs: number) {
    this.#cluster = cluster;
    this.key = String(index);
    this.migration = new Migration(backend, cluster.clock, timeoutMs);
    this.migration.begin(undefined, () => true);
    this.#remember();
    this.#make();
  }

  get attributes(): LeaseAttributes {
    const { announced, weft } = this.migration;
    return { ...this.#attributesFor(announced), ...(weft && { weft }) };
  }

  #attributesFor(transport: LocalTransport): LeaseAttributes {
    return {
      publicIp: ip4(`10.9.0.${Number(this.key) + 1}`),
      backendType: transport.type === 'udp' ? '' : transport.type,
      ...(transport.type === 'vxlan' && {
        backendData: { VNI: transport.vni, VtepMAC: `02:00:00:00:00:0${this.key}` },
      }),
    };
  }

  /**
   * The daemon was killed: the next one reads all leases as they are now, then takes up its own.
   */
  restart(): void {
    const { clock, log } = this.#cluster;
    const { backend } = this.migration.wanted;
    this.migration = new Migration(backend, clock, 0);
    this.#read = log.length;
    for (const lease of log) if (lease.key !== this.key) this.seen.set(lease.key, lease);
    for (const lease of this.seen.values()) this.migration.note(lease.key, lease);
    this.migration.begin(this.#published, () => true);
    this.#derived();
    if (!sameAttributes(this.#published!, this.attributes)) this.publish();
    this.advance();
  }

  want(backend: BackendConfig): void {
    this.migration.want(backend);
    this.#derived();
    this.publish();
  }

  publish(): void {
    // What the wire cannot carry does not count.
    const decoded = decodeLeaseValue(encodeLeaseValue(this.attributes));
    assert.ok(decoded.ok);
    this.#published = this.attributes;
    const lease = { key: this.key, subnets: subnets('10.5.1.0/24'), attributes: decoded.attributes };
    this.#cluster.log.push({ ...lease, isReservation: false });
  }

  readOne(): void {
    const lease = this.#cluster.log[this.#read];
    if (lease === undefined) return;
    this.#read++;
    if (lease.key === this.key) return;
    this.seen.set(lease.key, lease);
    if (this.migration.note(lease.key, lease)) this.#derived();
    this.advance();
  }

  readAll(): void {
    while (this.#read < this.#cluster.log.length) this.readOne();
  }

  settle(): void {
    this.isSettled = true;
    this.#make();
    this.advance();
  }

  advance(): void {
    if (this.isSettled) this.#make();
    const isPublished = this.#published !== undefined && sameAttributes(this.#published, this.attributes);
    const { mustDerive, mustPublish } = this.migration.advance({ isSettled: this.isSettled, isPublished });
    if (mustDerive) this.#derived();
    if (mustPublish) this.publish();
  }

  /** Something is to be made; what is to go goes at once, to be strict. */
  #derived(): void {
    this.isSettled = false;
    this.#remember();
    const wanted = new Set(this.migration.all.map(({ id }) => id));
    this.made = new Set([...this.made].filter((name) => wanted.has(name)));
  }

  #remember(): void {
    for (const transport of this.migration.all)
      this.migration.remember(transport.id, this.#attributesFor(transport));
  }

  #make(): void {
    this.made = new Set(this.migration.all.map(({ id }) => id));
  }
}

describe('transports of a cluster in migration', () => {
  it('change on all hosts, each received before it is announced, and the old one is dropped', async () => {
    const cluster = new Cluster(3, VNI1);
    cluster.want(VNI2);
    assert.deepEqual(cluster.states(), Array(3).fill('preparing vxlan VNI 1 port 8472'));
    cluster.hosts[0]!.settle();
    assert.equal(cluster.states()[0], 'leaving vxlan VNI 2 port 8472');
    assert.deepEqual(cluster.lost(), []);
    await cluster.finish();
    assert.deepEqual(cluster.states(), Array(3).fill('steady vxlan VNI 2 port 8472'));
  });

  it('are announced only once the kernel has them', () => {
    const cluster = new Cluster(2, VNI1);
    cluster.want(VNI2);
    for (const host of cluster.hosts) host.advance();
    assert.deepEqual(cluster.states(), Array(2).fill('preparing vxlan VNI 1 port 8472'));
  });

  it('stay as long as a peer may not have read that another is announced', async () => {
    const cluster = new Cluster(3, VNI1);
    const [one, two, slow] = cluster.hosts as [Host, Host, Host];
    cluster.want(VNI2);
    // It announces the new transport, and has not read that the others do.
    slow.settle();
    await cluster.finish([one, two]);
    assert.deepEqual(cluster.states().slice(0, 2), Array(2).fill('draining vxlan VNI 2 port 8472'));
    assert.deepEqual(cluster.lost(), []);
  });

  it('publish what flannel publishes once all is done, except for a port other than the default', async () => {
    const cluster = new Cluster(2, VNI1);
    cluster.want(PORT);
    await cluster.finish();
    assert.deepEqual(cluster.hosts[0]!.migration.weft, { port: 4789 });
    cluster.want(VNI1);
    await cluster.finish();
    assert.equal(cluster.hosts[0]!.migration.weft, undefined);
  });

  it('keep the old one for a host without registry, until it is back', async () => {
    const cluster = new Cluster(3, VNI1);
    const [one, two, cut] = cluster.hosts as [Host, Host, Host];
    for (const host of [one, two]) host.want(HOST_GW);
    await cluster.finish([one, two]);
    assert.deepEqual(cluster.states().slice(0, 2), Array(2).fill('leaving host-gw'));
    assert.deepEqual(one.migration.pendingPeers, ['1', '2']);
    assert.deepEqual(cluster.lost(), []);
    cut.want(HOST_GW);
    await cluster.finish();
    assert.deepEqual(cluster.states(), Array(3).fill('steady host-gw'));
  });

  it('wait for peers no longer than the time-out', async () => {
    const cluster = new Cluster(3, VNI1, 60_000);
    const [one, two] = cluster.hosts as [Host, Host, Host];
    for (const host of [one, two]) host.want(VNI2);
    await cluster.finish([one, two]);
    assert.equal(one.migration.state, 'leaving');
    await cluster.clock.advance(60_000);
    await cluster.finish([one, two]);
    assert.deepEqual(cluster.states().slice(0, 2), Array(2).fill('steady vxlan VNI 2 port 8472'));
  });

  it('reach hosts that have not followed from a host that starts halfway', () => {
    const cluster = new Cluster(3, VNI1);
    const [one] = cluster.hosts as [Host];
    one.want(UDP);
    one.settle();
    const late = cluster.join(UDP);
    assert.deepEqual(
      cluster.lost().filter((line) => line.startsWith('3 ')),
      [],
    );
    assert.equal(late.migration.state, 'leaving');
  });

  it('are adopted by the next run where the last one stopped', () => {
    const clock = new FakeClock();
    const cluster = new Cluster(2, VNI1);
    cluster.hosts[0]!.want(UDP);
    const preparing = new Migration(UDP, clock, 0);
    preparing.begin(cluster.hosts[0]!.attributes, () => true);
    assert.deepEqual([preparing.state, preparing.announced.id], ['preparing', 'vxlan VNI 1 port 8472']);
    cluster.hosts[0]!.settle();
    const leaving = new Migration(HOST_GW, clock, 0);
    leaving.begin({ ...cluster.hosts[0]!.attributes, backendType: 'host-gw' }, () => true);
    assert.deepEqual([leaving.state, leaving.all.length], ['leaving', 2]);
  });

  it('stay for a host that has not followed, also over a restart', async () => {
    const cluster = new Cluster(2, VNI1);
    const [one, cut] = cluster.hosts as [Host, Host];
    one.want(HOST_GW);
    await cluster.finish([one]);
    one.restart();
    await cluster.finish([one]);
    assert.equal(one.migration.state, 'leaving');
    assert.deepEqual(one.migration.pendingPeers, [cut.key]);
    assert.deepEqual(cluster.lost(), []);
  });

  it('are dropped only after an uninterrupted quiet time, with no deadline in the past', async () => {
    const cluster = new Cluster(1, VNI1);
    const [one] = cluster.hosts as [Host];
    one.want(VNI2);
    for (let round = 0; round < 3; round++) one.settle();
    assert.deepEqual([one.migration.state, one.migration.dueMs], ['draining', SETTLE_MS]);
    one.want(HOST_GW);
    one.advance();
    assert.deepEqual([one.migration.state, one.migration.dueMs], ['preparing', undefined]);
    await cluster.clock.advance(10 * SETTLE_MS);
    for (let round = 0; round < 3; round++) one.settle();
    assert.deepEqual([one.migration.state, one.migration.dueMs], ['draining', 11 * SETTLE_MS]);
  });

  it('that this host cannot use are not learned from peers, even before it starts', () => {
    const cluster = new Cluster(2, VNI1);
    const [one] = cluster.hosts as [Host];
    one.want(HOST_GW);
    one.settle();
    const migration = new Migration(HOST_GW, cluster.clock, 0);
    migration.note('0', cluster.log.at(-1)!);
    migration.begin(undefined, ({ type }) => type !== 'vxlan');
    assert.deepEqual([migration.state, migration.all.length], ['steady', 1]);
  });

  it('include the announced one, however often another is wanted before one is set up', () => {
    const cluster = new Cluster(2, VNI1);
    const [one] = cluster.hosts as [Host];
    for (const vni of [2, 3, 4, 5, 6, 7]) one.want({ ...VXLAN, vni });
    assert.equal(one.migration.announced.id, 'vxlan VNI 1 port 8472');
    assert.ok(one.migration.all.includes(one.migration.announced));
    one.restart();
    assert.equal(one.migration.announced.id, 'vxlan VNI 1 port 8472');
    const restarted = new Migration(HOST_GW, cluster.clock, 0);
    restarted.begin(one.attributes, () => true);
    assert.equal(restarted.announced.id, 'vxlan VNI 1 port 8472');
    assert.deepEqual(cluster.lost(), []);
  });

  it('never lose a packet, whichever host is slow or restarts, whatever is wanted next', async function () {
    this.timeout(60_000);
    const action = fc.record({
      what: fc.constantFrom('read', 'read', 'read', 'settle', 'settle', 'time', 'time', 'want', 'restart'),
      // Some are slow.
      host: fc.constantFrom(0, 0, 0, 0, 0, 1, 1, 2),
    });
    const backends = fc.array(fc.constantFrom(...BACKENDS), { minLength: 1, maxLength: 4 });
    const runs = fc.asyncProperty(backends, fc.array(action, { maxLength: 120 }), async (wanted, actions) => {
      const cluster = new Cluster(3, VNI1);
      // Documents come in one order, to each host in its time.
      const upcoming = [0, 0, 0];
      const want = (index: number): void => {
        const backend = wanted[upcoming[index]!];
        if (backend !== undefined) cluster.hosts[index]!.want(backend);
        upcoming[index]!++;
      };
      for (const { what, host: index } of actions) {
        const host = cluster.hosts[index]!;
        if (what === 'read') host.readOne();
        else if (what === 'settle') host.settle();
        else if (what === 'want') want(index);
        // A lease without port is of a host with the default port or, of flannel, with any: a
        // restart cannot know.
        else if (what === 'restart' && !wanted.includes(PORT)) host.restart();
        else if (what === 'time') await cluster.clock.advance(SETTLE_MS);
        assert.deepEqual(cluster.lost(), []);
      }
      for (const index of [0, 1, 2]) while (upcoming[index]! < wanted.length) want(index);
      await cluster.finish();
      const { id } = cluster.hosts[0]!.migration.wanted;
      assert.deepEqual(cluster.states(), Array(3).fill(`steady ${id}`));
    });
    await fc.assert(runs, { numRuns: Number(process.env['WALK_RUNS'] ?? 300) });
  });
});
