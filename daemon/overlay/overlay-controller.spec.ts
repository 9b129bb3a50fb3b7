import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OwnLease } from '../../allocator/lease/lease-events.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { HostFacts } from '../../backends/backend.ts';
import { VXLAN, cidr, host, ip4, network, subnets, vxlanPeer } from '../../backends/fixture.ts';
import type { UnderlayMtu } from '../../backends/kernel-state.ts';
import { renderObjects } from '../../backends/render.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { newKernel } from '../../test/support/reconciler-host.ts';
import { TurnMeter } from '../../lib/turn-meter.ts';
import { waitFor } from '../../lab/wait.ts';
import { createLogger } from '../log/log.ts';
import { FORWARDING_DISABLED } from '../host/forwarding-setup.ts';
import { OverlayController, type OverlayControllerDeps } from './overlay-controller.ts';
import { macsOf } from './peer-macs.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import { SETTLE_MS } from './migration-state.ts';

const two = vxlanPeer(2);

describe('overlay controller', () => {
  let folder: string;
  let path: string;
  let clock: FakeClock;
  let kernel: ReturnType<typeof newKernel>;
  let lines: string[];
  let peers: Map<string, Lease>;
  let subnetFile: SubnetFileWriter;
  let reconciler: Reconciler;
  let net: OverlayController;
  let publications: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-network-'));
    path = join(folder, 'subnet.env');
    clock = new FakeClock();
    kernel = newKernel();
    lines = [];
    publications = 0;
    peers = new Map([[two.key, two]]);
    reconciler = new Reconciler({ kernel, clock, random: () => 0.5 });
    const log = createLogger({ write: (line) => lines.push(line) });
    subnetFile = new SubnetFileWriter({ path, clock, log, onChange: () => undefined });
    net = create();
  });

  function create(more: Partial<OverlayControllerDeps> = {}): OverlayController {
    return new OverlayController({
      host: { clusterConfig: network('4', VXLAN), config: network('4', VXLAN) },
      facts: host(),
      reconciler,
      subnetFile,
      policyFor: () => FORWARDING_DISABLED,
      isBlackholing: false,
      migrationTimeoutMs: 0,
      publish: () => publications++,
      onMigration: () => undefined,
      clock,
      log: createLogger({ write: (line) => lines.push(line) }),
      ...more,
    });
  }

  afterEach(async () => {
    net.stop();
    await subnetFile.stop();
    await reconciler.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function own(subnet: string): OwnLease {
    return {
      key: subnet.replace('/', '-'),
      subnets: subnets(subnet),
      attributes: net.attributes(),
      leaseId: toLeaseId('1'),
      modRevision: toRevision(1),
      isReservation: false,
      expiresAtMs: Infinity,
    };
  }

  async function joinCluster(): Promise<void> {
    net.setPeers(new Set(peers.keys()), peers);
    net.setOwnLease(own('10.5.1.0/24'), 'acquired');
    await clock.settle();
  }

  function set(key: string, lease?: Lease): void {
    if (lease === undefined) peers.delete(key);
    else peers.set(key, lease);
    net.setPeers(new Set([key]), peers);
  }

  async function inKernel(): Promise<string> {
    const { objects } = await kernel.inspect(net.ownership());
    return renderObjects(objects.values()).join('\n');
  }

  const hasPeer = async (lease: Lease) => (await inKernel()).includes(`${lease.subnets.ipv4} via`);

  it('derives at most 64 peers a turn, and one that leaves before the rest', async () => {
    const meter = new TurnMeter();
    const derived: string[] = [];
    const setPeer = reconciler.setPeer.bind(reconciler);
    reconciler.setPeer = (key, state) => {
      meter.count(1);
      derived.push(key);
      setPeer(key, state);
    };
    peers = new Map(
      Array.from({ length: 1000 }, (_, index) => {
        const subnet = `10.5.${2 + (index >> 3)}.${(index & 7) * 32}/27`;
        const publicIp = ip4(`10.8.${index >> 8}.${index & 255}`);
        const peer = { ...two, key: subnet.replace('/', '-'), subnets: subnets(subnet) };
        return [peer.key, { ...peer, attributes: { ...peer.attributes, publicIp } }];
      }),
    );
    const [last] = [...peers.keys()].slice(-1);
    net.setPeers(new Set(peers.keys()), peers);
    net.setOwnLease(own('10.5.1.0/24'), 'acquired');
    assert.equal(reconciler.isSettled, false);
    derived.length = 0;
    peers.delete(last!);
    net.setPeers(new Set([last!]), peers);
    while (derived.length < 999) await clock.settle();
    assert.equal(meter.most, 64);
    assert.ok(!derived.includes(last!));
    assert.equal(reconciler.summary().peers, 999);
  });

  it('removes the entries of no unknown peer before the registry has answered', async () => {
    const three = vxlanPeer(3);
    peers.set(three.key, three);
    await joinCluster();
    assert.ok(await hasPeer(three));
    net.stop();
    await reconciler.stop();
    // The next daemon knows one of the two from a file.
    let isComplete = false;
    reconciler = new Reconciler({ kernel, clock, random: () => 0.5 });
    net = create({ isComplete: () => isComplete });
    peers.delete(three.key);
    await joinCluster();
    net.markComplete();
    await clock.advance(60_000);
    assert.ok((await hasPeer(two)) && (await hasPeer(three)));
    isComplete = true;
    net.markComplete();
    await clock.advance(1000);
    assert.ok((await hasPeer(two)) && !(await hasPeer(three)));
  });

  it('programs nothing before this host has a lease, then everything known by then', async () => {
    set(two.key, two);
    await clock.settle();
    assert.equal(await inKernel(), '');
    await joinCluster();
    assert.match(await inKernel(), /flannel\.1 mtu 1450/);
    assert.ok(await hasPeer(two));
  });

  it('keeps the entries of a peer for a moment after its lease, and no longer', async () => {
    await joinCluster();
    set(two.key);
    await clock.advance(50);
    assert.ok(await hasPeer(two));
    await clock.advance(50);
    assert.ok(!(await hasPeer(two)));
  });

  it('does not touch the entries of a peer that comes back within that moment', async () => {
    await joinCluster();
    kernel.forgetCalls();
    set(two.key);
    await clock.advance(50);
    set(two.key, two);
    await clock.advance(1_000);
    assert.ok(await hasPeer(two));
    assert.deepEqual(kernel.steps, []);
  });

  it('takes another MAC, and publishes it, where a peer publishes its own', async () => {
    await joinCluster();
    const mac = macsOf(net.attributes(own('10.5.1.0/24').attributes))[0]!;
    const [published, before] = [own('10.5.1.0/24').attributes, publications];
    const thief = vxlanPeer(3, '4', { backendData: { VNI: 1, VtepMAC: mac } });
    set(thief.key, thief);
    await clock.settle();
    const other = macsOf(net.attributes(published))[0]!;
    assert.notEqual(other, mac);
    assert.equal(publications, before + 1);
    assert.ok(await hasPeer(thief));
    assert.match(await inKernel(), new RegExp(`flannel\\.1 mtu 1450 address ${other}`));
    assert.match(lines.join(''), /Replacing a VTEP MAC that a peer publishes, too peer=10\.5\.3\.0-24/);
    // Published: no further change, even once the other host has gone or takes another.
    net.setOwnLease({ ...own('10.5.1.0/24'), attributes: net.attributes(published) }, 'updated');
    set(thief.key);
    await clock.settle();
    assert.equal(macsOf(net.attributes(net.attributes(published)))[0], other);
    assert.equal(publications, before + 1);
  });

  it('begins with a MAC that no peer publishes', () => {
    const mac = macsOf(net.attributes())[0]!;
    const thief = vxlanPeer(3, '4', { backendData: { VNI: 1, VtepMAC: mac } });
    set(thief.key, thief);
    assert.notEqual(macsOf(net.attributes())[0], mac);
    assert.equal(publications, 0);
  });

  it('removes the routes that an earlier run left in another network, and none of others there', async () => {
    net.stop();
    net = create({ formerNetworks: [cidr('10.77.0.0/16')] });
    const left = { dev: 'eth0', gateway: ip4('10.9.0.3'), protocol: 87 };
    kernel.tables.setRoute({ ...left, destination: cidr('10.77.3.0/24') });
    kernel.tables.setRoute({ ...left, destination: cidr('10.77.4.0/24'), protocol: 3 });
    kernel.tables.setRoute({ ...left, destination: cidr('10.78.3.0/24') });
    await joinCluster();
    const destinations = (await kernel.readRoutes()).map(({ destination }) => destination);
    const isThere = (text: string) => destinations.includes(cidr(text));
    assert.deepEqual(['10.77.3.0/24', '10.77.4.0/24', '10.78.3.0/24'].map(isThere), [false, true, true]);
  });

  it('writes subnet.env, and writes it again for another subnet', async () => {
    const has = (text: string) => async () => (await readFile(path, 'utf8').catch(() => '')).includes(text);
    await joinCluster();
    await waitFor('subnet.env is there', has('FLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_MTU=1450\n'));
    net.setOwnLease(own('10.5.9.0/24'), 'subnet-changed');
    await waitFor('subnet.env follows', has('FLANNEL_SUBNET=10.5.9.1/24\n'));
    await clock.settle();
    const state = await inKernel();
    assert.match(state, /inet 10\.5\.9\.0\/32/);
    assert.doesNotMatch(state, /inet 10\.5\.1\.0\/32/);
  });

  it('derives again only if facts about the host changed', async () => {
    await joinCluster();
    assert.equal(net.setFacts(host()), false);
    const moved: HostFacts = host({ interface: { ...host().interface, ipv4: ip4('10.9.0.7') } });
    assert.equal(net.setFacts(moved), true);
    await clock.settle();
    assert.match(await inKernel(), /local 10\.9\.0\.7/);
  });

  it('keeps the kernel state while the interface has no address, and logs it', async () => {
    await joinCluster();
    const before = await inKernel();
    const { name, mtu } = host().interface;
    net.setFacts({ interface: { name, mtu }, underlayRoutes: [] });
    await clock.settle();
    assert.equal(await inKernel(), before);
    assert.match(lines.at(-1)!, /ERROR.*eth0 has no IPv4 address/);
    net.setFacts(host());
    await clock.settle();
    assert.equal(await inKernel(), before);
  });

  it('uses another backend at once where the former one became unusable', async () => {
    await joinCluster();
    // Too small for a header of VXLAN.
    const narrow = host({ interface: { ...host().interface, mtu: 100 as UnderlayMtu } });
    net.setFacts(narrow);
    assert.ok(net.error !== undefined);
    const config = network('4', { type: 'host-gw' });
    net.setConfig({ clusterConfig: config, config }, narrow);
    assert.equal(net.error, undefined);
    assert.equal(net.migration, undefined);
    assert.equal(net.attributes().backendType, 'host-gw');
    const isSubnetFileWritten = async () =>
      /^FLANNEL_MTU=100$/m.test(await readFile(path, 'utf8').catch(() => ''));
    await waitFor('subnet.env has the new MTU', isSubnetFileWritten);
    await clock.settle();
    assert.doesNotMatch(await inKernel(), /flannel\.1/);
  });

  it('keeps an unusable backend while the wanted one is unusable, too', async () => {
    await joinCluster();
    const narrow = host({ interface: { ...host().interface, mtu: 80 as UnderlayMtu } });
    net.setFacts(narrow);
    const config = network('4', { ...VXLAN, vni: 2 });
    net.setConfig({ clusterConfig: config, config }, narrow);
    assert.ok(net.error !== undefined);
    assert.equal(net.migration?.state, 'preparing');
    assert.match(await inKernel(), /flannel\.1 /);
  });

  /** A peer that has followed to VNI 1 and may still send in VNI 2. */
  const leavingPeer = vxlanPeer(2, '4', {
    weft: {
      leaving: [{ backendType: 'vxlan', backendData: { VNI: 2, VtepMAC: 'c6:00:00:00:04:02' } }],
      isDrained: false,
    },
  });

  it('leaves a transport that only peers use, although its device cannot be created here', async () => {
    kernel.injectFault('link flannel.2', 'EADDRINUSE');
    set(two.key, leavingPeer);
    await joinCluster();
    assert.notEqual(reconciler.summary().host.state, 'in-sync');
    net.wake();
    await clock.settle();
    assert.equal(net.migration?.state, 'draining');
    set(two.key, two);
    net.setOwnLease({ ...own('10.5.1.0/24'), attributes: net.attributes() }, 'updated');
    await clock.advance(SETTLE_MS);
    net.wake();
    await clock.settle();
    assert.equal(net.migration, undefined);
    await clock.advance(1_000);
    assert.equal(reconciler.summary().host.state, 'in-sync');
  });

  it('names a transport in the lease for as long as its device cannot be removed', async () => {
    set(two.key, leavingPeer);
    await joinCluster();
    net.wake();
    await clock.settle();
    set(two.key, two);
    net.setOwnLease({ ...own('10.5.1.0/24'), attributes: net.attributes() }, 'updated');
    kernel.injectFault('link flannel.2', 'EBUSY');
    await clock.advance(SETTLE_MS);
    net.wake();
    await clock.advance(10_000);
    net.wake();
    await clock.settle();
    assert.equal(net.migration?.state, 'removing');
    assert.equal(net.attributes().weft?.leaving?.length, 1);
    kernel.clearFault('link flannel.2');
    await clock.advance(80_000);
    net.wake();
    await clock.settle();
    assert.equal(net.migration, undefined);
    assert.equal(net.attributes().weft, undefined);
  });

  for (const isJoined of [true, false])
    it(`does not take up a transport that it cannot make, which a peer leaves ${isJoined ? 'after' : 'before'} the start`, async () => {
      const leaving = (backendType: string) => vxlanPeer(2, '4', { weft: { leaving: [{ backendType }] } });
      // Plain routes cannot lead to an address behind a NAT.
      for (const [facts, state] of [
        [host({ publicIp: ip4('203.0.113.5') }), undefined],
        [host(), 'leaving'],
      ] as const) {
        net.stop();
        net = create({ facts });
        peers.clear();
        if (!isJoined) set(two.key, leaving('host-gw'));
        net.setOwnLease(own('10.5.1.0/24'), 'acquired');
        if (isJoined) set(two.key, leaving('host-gw'));
        assert.equal(net.migration?.state, state);
      }
    });

  it('does not announce a transport whose device cannot be created', async () => {
    await joinCluster();
    kernel.injectFault('link flannel.2', 'EADDRINUSE');
    const config = network('4', { ...VXLAN, vni: 2 });
    net.setConfig({ clusterConfig: config, config }, host());
    await clock.advance(10_000);
    net.wake();
    await clock.settle();
    assert.equal(net.migration?.state, 'preparing');
    kernel.clearFault('link flannel.2');
    await clock.advance(60_000);
    net.wake();
    await clock.settle();
    assert.equal(net.migration?.state, 'leaving');
  });

  it('publishes all data of a transport learned from a peer, even before it has a lease', () => {
    set(two.key, leavingPeer);
    const [transport] = net.attributes().weft?.leaving ?? [];
    assert.equal(transport?.backendType, 'vxlan');
    assert.match(JSON.stringify(transport.backendData), /"VNI":2,"VtepMAC":"([0-9a-f]{2}:){5}[0-9a-f]{2}"/);
  });

  it('completes what another daemon published before it drops a transport', async () => {
    set(two.key, leavingPeer);
    const lease = own('10.5.1.0/24');
    const weft = { leaving: [{ backendType: 'vxlan' }], isDrained: true };
    const incomplete = { ...lease, attributes: { ...lease.attributes, weft } };
    net.setOwnLease(incomplete, 'acquired');
    await clock.settle();
    net.wake();
    await clock.settle();
    set(two.key, two);
    assert.equal(net.migration?.state, 'draining');
    const before = publications;
    net.wake();
    await clock.settle();
    assert.ok(publications > before);
    net.setOwnLease({ ...lease, attributes: net.attributes(lease.attributes) }, 'updated');
    await clock.advance(SETTLE_MS);
    net.wake();
    await clock.settle();
    assert.equal(net.migration, undefined);
  });
});
