// The reconciler over a model of the kernel: any state from any other, drift, cost, life cycle.
import assert from 'node:assert/strict';
import type { MacAddress } from '../../lib/address.ts';
import type { KernelObject } from '../../backends/kernel-state.ts';
import * as fc from 'fast-check';
import { cidr, ip4, lease } from '../../backends/fixture.ts';
import { CountingKernel, DEV, TestHost, newKernel, vxlanPeer } from '../../test/support/reconciler-host.ts';
import { TurnMeter } from '../../lib/turn-meter.ts';
import type { Step, StepResult } from '../kernel/kernel.ts';
import { SLICE_SIZES } from './reconciler-parts.ts';
import type { TestHostOptions } from '../../test/support/reconciler-host.ts';

const PEERS = [vxlanPeer(2), vxlanPeer(3)];
const OTHER_MAC = '02:00:00:00:00:99' as MacAddress;

describe('reconciler', () => {
  interface World {
    readonly options: TestHostOptions;
    readonly peers: ReturnType<typeof vxlanPeer>[];
  }
  const worlds: Readonly<Record<string, World>> = {
    'a host alone': { options: {}, peers: [] },
    'two peers': { options: {}, peers: [vxlanPeer(2), vxlanPeer(3)] },
    'one of them with another MAC and address': {
      options: {},
      peers: [
        vxlanPeer(2, '4', {
          publicIp: ip4('10.9.0.22'),
          backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:22' },
        }),
        vxlanPeer(3),
      ],
    },
    'direct routing': { options: { vxlan: { directRouting: true } }, peers: [vxlanPeer(2), vxlanPeer(3)] },
    'dual-stack': { options: { families: '46' }, peers: [vxlanPeer(2, '46'), vxlanPeer(4)] },
    'IPv6 only': { options: { families: '6' }, peers: [vxlanPeer(2, '6')] },
    'another VNI': {
      options: { vxlan: { vni: 2 } },
      peers: [vxlanPeer(2, '4', { backendData: { VNI: 2, VtepMAC: 'c6:00:00:00:04:02' } })],
    },
    'another port and MTU': {
      options: { vxlan: { port: 4789, mtu: 1400 } },
      peers: [vxlanPeer(2), vxlanPeer(5)],
    },
    'learning and GBP': { options: { vxlan: { learning: true, gbp: true } }, peers: [vxlanPeer(3)] },
  };

  async function move(host: TestHost, { options, peers }: World, before: readonly string[]): Promise<void> {
    const keys = new Set(peers.map(({ key }) => key));
    host.setHost(options);
    for (const key of before) if (!keys.has(key)) host.reconciler.removePeer(key);
    for (const peer of peers) host.setPeer(peer);
    await host.clock.settle();
    assert.ok(host.reconciler.isSettled);
    assert.deepEqual(await host.actual(), host.expected(peers));
    assert.equal(host.reconciler.summary().inSync, peers.length);
    const drift = Object.values(host.reconciler.status().counters.drift);
    assert.ok(
      drift.every((count) => count === 0),
      'own steps are no drift',
    );
  }

  for (const [name, world] of Object.entries(worlds))
    it(`programs ${name}`, async () => {
      const host = new TestHost(world.options);
      await host.start(world.peers);
      assert.deepEqual(await host.actual(), host.expected(world.peers));
      assert.equal(host.reconciler.summary().host.state, 'in-sync');
    });

  it('programs any of these states from any other', async function () {
    const numRuns = Number(process.env['WALK_RUNS'] ?? 60);
    this.timeout(Math.max(20_000, numRuns * 1_000));
    const order = fc.array(fc.constantFrom(...Object.values(worlds)), { minLength: 5, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(order, async (walk) => {
        const host = await new TestHost().start();
        let before: string[] = [];
        for (const world of walk) {
          await move(host, world, before);
          before = world.peers.map(({ key }) => key);
        }
        await host.reconciler.stop();
      }),
      { numRuns },
    );
  });

  it('adopts the objects of an earlier run and removes orphans', async () => {
    const kernel = newKernel();
    const earlier = await new TestHost({ kernel }).start([vxlanPeer(2), vxlanPeer(7)]);
    await earlier.reconciler.stop();
    const host = await new TestHost({ kernel }).start(PEERS);
    assert.deepEqual(await host.actual(), host.expected(PEERS));
    assert.ok(host.eventKinds().includes('orphans-removed'));
  });

  it('removes no orphans before the desired state is complete', async () => {
    const kernel = newKernel();
    const earlier = await new TestHost({ kernel }).start([vxlanPeer(2), vxlanPeer(7)]);
    await earlier.reconciler.stop();
    const host = new TestHost({ kernel });
    host.setHost();
    host.reconciler.start();
    host.setPeer(vxlanPeer(3));
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([vxlanPeer(2), vxlanPeer(3), vxlanPeer(7)]));
    host.reconciler.markComplete();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([vxlanPeer(3)]));
  });

  it('leaves correct objects untouched', async () => {
    const kernel = newKernel();
    const earlier = await new TestHost({ kernel }).start(PEERS);
    await earlier.reconciler.stop();
    kernel.forgetCalls();
    await new TestHost({ kernel }).start(PEERS);
    assert.deepEqual(kernel.steps, []);
  });

  it('removes every managed object if none is wanted', async () => {
    const host = await new TestHost().start(PEERS);
    const ownership = host.reconciler.ownership;
    assert.ok(ownership);
    for (const { key } of PEERS) host.reconciler.removePeer(key);
    host.reconciler.setHost(ownership, []);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), []);
  });
});

describe('reconciler drift repair', () => {
  const peer = vxlanPeer(2);
  const drifts: readonly [string, (host: TestHost) => void][] = [
    ['a deleted route', ({ kernel }) => void kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') })],
    [
      'a route with another next hop',
      ({ kernel }) =>
        void kernel.tables.setRoute({
          destination: cidr('10.5.2.0/24'),
          dev: 'eth0',
          gateway: ip4('10.9.0.77'),
        }),
    ],
    [
      'a deleted neighbour',
      ({ kernel }) => void kernel.tables.removeNeighbour({ dev: DEV, address: ip4('10.5.2.0') }),
    ],
    ['a deleted device', ({ kernel }) => void kernel.tables.removeLink(DEV)],
    ['a device that is down', ({ kernel }) => void kernel.tables.changeLink(DEV, { isUp: false })],
    ['a device with another MTU', ({ kernel }) => void kernel.tables.changeLink(DEV, { mtu: 1000 })],
    [
      'a deleted address, and with it every route,',
      ({ kernel }) => void kernel.tables.removeAddress(DEV, cidr('10.5.1.0/32')),
    ],
    ['a second address', ({ kernel }) => void kernel.tables.setAddress(DEV, cidr('10.5.200.0/32'))],
    [
      'a stray route through the device',
      ({ kernel }) =>
        void kernel.tables.setRoute({
          destination: cidr('192.0.2.0/24'),
          dev: DEV,
          gateway: ip4('10.5.2.0'),
          isOnLink: true,
        }),
    ],
  ];
  for (const [name, drift] of drifts)
    it(`repairs ${name} at once`, async () => {
      const host = await new TestHost().start([peer]);
      host.kernel.forgetCalls();
      drift(host);
      await host.clock.settle();
      assert.notEqual(host.kernel.steps.length, 0, 'something was repaired');
      assert.deepEqual(await host.actual(), host.expected([peer]));
      assert.equal(host.clock.nowMs(), 0, 'no timer was needed');
      assert.equal(host.reconciler.peerStatus(peer.key)?.state, 'in-sync');
    });

  it('repairs unnotified drift at the next full read', async () => {
    const host = await new TestHost().start([peer]);
    host.kernel.dropNotifications();
    host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') });
    await host.clock.advance(50_000);
    assert.notDeepEqual(await host.actual(), host.expected([peer]));
    await host.clock.advance(20_000);
    assert.deepEqual(await host.actual(), host.expected([peer]));
    assert.equal(host.reconciler.status().counters.resyncs.timer, 1);
    assert.equal(host.reconciler.status().counters.drift.route, 1);
  });

  it('repairs an entry that is again as the last full read found it, and was repaired in between', async () => {
    const host = await new TestHost().start([peer]);
    const { kernel, reconciler } = host;
    kernel.dropNotifications();
    for (let times = 1; times <= 3; times++) {
      kernel.tables.setNeighbour({ kind: 'neighbour', dev: DEV, address: ip4('10.5.2.0'), mac: OTHER_MAC });
      reconciler.resync();
      await host.settled();
      assert.deepEqual(await host.actual(), host.expected([peer]));
      assert.equal(reconciler.status().counters.drift.neighbour, times);
      assert.equal(reconciler.peerStatus(peer.key)?.state, 'in-sync');
    }
  });

  it('reads everything less often while that finds no drift, and every minute after drift', async () => {
    const host = await new TestHost().start([peer]);
    const { resyncs } = host.reconciler.status().counters;
    const readsWithin = async (ms: number): Promise<number> => {
      const before = host.reconciler.status().counters.resyncs.timer;
      await host.clock.advance(ms);
      return host.reconciler.status().counters.resyncs.timer - before;
    };
    assert.equal(resyncs.timer, 0);
    // After 1, 3, 7, 15 minutes, and every ten from then on.
    assert.equal(await readsWithin(16.5 * 60_000), 4);
    assert.equal(await readsWithin(20 * 60_000), 2);
    host.kernel.dropNotifications();
    host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') });
    await host.clock.advance(9 * 60_000);
    assert.deepEqual(await host.actual(), host.expected([peer]));
    assert.equal(await readsWithin(3.5 * 60_000), 2);
  });

  it('turns a re-enabled offload off again and restores it once it is unwanted', async () => {
    const host = await new TestHost({ vxlan: { txChecksumOffload: 'off' } }).start();
    const feature = `${DEV} tx-checksum-ip-generic`;
    assert.ok(host.kernel.featuresOff.has(feature));
    host.kernel.featuresOff.clear();
    host.reconciler.handleNotification({ kind: 'interfaces', names: [DEV] });
    await host.clock.settle();
    assert.ok(host.kernel.featuresOff.has(feature));
    assert.equal(host.reconciler.status().counters.drift.feature, 1);
    // The setting may become unwanted during a full read for another reason.
    host.kernel.reportOverrun();
    host.setHost({ vxlan: { txChecksumOffload: 'auto' } });
    await host.clock.settle();
    assert.equal(host.kernel.featuresOff.size, 0);
    host.kernel.featuresOff.add(feature);
    host.reconciler.handleNotification({ kind: 'interfaces', names: [DEV] });
    await host.clock.settle();
    assert.ok(host.kernel.featuresOff.has(feature), 'what an administrator turned off stays so');
  });

  it('repairs a sysctl within a minute, however rarely everything is read', async () => {
    const host = await new TestHost().start([peer]);
    await host.clock.advance(16 * 60_000);
    const [path, value] = [...host.kernel.sysctls][0]!;
    host.kernel.sysctls.set(path, value === '0' ? '1' : '0');
    await host.clock.advance(61_000);
    assert.equal(host.kernel.sysctls.get(path), value);
    assert.equal(host.reconciler.status().counters.drift.sysctl, 1);
  });

  it('repairs drift after an overrun', async () => {
    const host = await new TestHost().start([peer]);
    host.kernel.dropNotifications();
    host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') });
    host.kernel.reportOverrun();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([peer]));
  });

  it('repairs a change made before the acknowledgement of its own step', async () => {
    const host = await new TestHost().start();
    let open = (): void => {};
    host.kernel.gate = new Promise((resolve) => (open = resolve));
    host.setPeer(peer);
    await host.clock.settle();
    // Another program deletes the route before its acknowledgement arrives.
    host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') });
    host.kernel.gate = undefined;
    open();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([peer]));
  });

  it('ignores notifications that are older than its own steps', async () => {
    const host = await new TestHost().start();
    const keys = host.expected([peer]).length;
    const { onEvent } = host.kernel.tables;
    // Notifications of the steps are late, and those of the state before come first.
    const late: Parameters<typeof onEvent>[0][] = [];
    host.kernel.tables.onEvent = (event) => void late.push(event);
    host.setPeer(peer);
    await host.clock.settle();
    host.kernel.forgetCalls();
    host.reconciler.handleNotification({ kind: 'object', key: 'route 10.5.2.0/24' });
    for (const event of late) onEvent(event);
    host.kernel.tables.onEvent = onEvent;
    await host.clock.advance(10_000);
    assert.deepEqual(host.kernel.steps, []);
    assert.equal((await host.actual()).length, keys);
    // A notification after the self-notification is newer.
    host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') });
    await host.clock.settle();
    assert.equal(host.kernel.steps.length, 1);
  });

  it('repairs a change made during a full read', async () => {
    const host = await new TestHost().start([peer]);
    const read = host.kernel.readState.bind(host.kernel);
    host.kernel.readState = async (ownership) => {
      const state = await read(ownership);
      host.kernel.readState = read;
      host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') });
      return state;
    };
    host.reconciler.resync();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([peer]));
  });

  it('reports the changed objects', async () => {
    const host = await new TestHost().start([peer]);
    host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') });
    await host.clock.settle();
    const [event] = host.events.filter(({ kind }) => kind === 'drift-detected');
    assert.deepEqual(event, { kind: 'drift-detected', count: 1, objects: ['route 10.5.2.0/24'] });
  });
});

class MeteredKernel extends CountingKernel {
  readonly meter = new TurnMeter();

  override apply(steps: readonly Step[]): Promise<readonly StepResult[]> {
    this.meter.count(steps.length);
    return super.apply(steps);
  }
}

describe('reconciler cost', () => {
  /** Ten thousand peers, each with a /32 of its own so that they fit the network. */
  const many = Array.from({ length: 10_000 }, (_, index) => {
    const [high, low] = [2 + Math.floor(index / 250), 1 + (index % 250)];
    const hex = index.toString(16).padStart(4, '0');
    return lease(`10.5.${high}.${low}/32`, {
      backendType: 'vxlan',
      publicIp: ip4(`10.8.${high}.${low}`),
      backendData: { VNI: 1, VtepMAC: `c6:00:00:01:${hex.slice(0, 2)}:${hex.slice(2)}` },
    });
  });

  it('takes the steps of one peer for one peer among ten thousand, without a full read', async function () {
    this.timeout(20_000);
    const host = await new TestHost().start(many);
    const first = many[0]!;
    assert.equal(host.reconciler.summary().inSync, many.length);
    host.kernel.forgetCalls();
    host.setPeer({ ...first, attributes: { ...first.attributes, publicIp: ip4('10.8.200.200') } });
    await host.clock.settle();
    host.reconciler.removePeer(many[1]!.key);
    await host.clock.settle();
    host.setPeer(many[1]!);
    await host.clock.settle();
    host.kernel.tables.removeNeighbour({ dev: DEV, address: ip4('10.5.2.3') });
    await host.clock.settle();
    assert.equal(host.kernel.reads, 0);
    assert.deepEqual(
      host.kernel.batches.map((steps) => steps.length),
      [1, 3, 3, 1],
    );
    assert.equal(host.reconciler.summary().inSync, many.length);
  });

  it('takes no more than two batches of steps a turn, and those of a peer that leaves before the rest', async function () {
    this.timeout(20_000);
    const kernel = new MeteredKernel();
    kernel.tables.addLink({ name: 'eth0' });
    const host = new TestHost({ kernel });
    await host.start();
    kernel.forgetCalls();
    for (const peer of many.slice(0, 2000)) host.setPeer(peer);
    while (kernel.batches.length < 5) await host.clock.settle();
    const [gone] = many;
    host.reconciler.removePeer(gone!.key);
    await host.settled();
    // A batch of what is planned, and one of what changed.
    assert.ok(kernel.meter.most <= 2 * SLICE_SIZES.steps, `${kernel.meter.most} steps in a turn`);
    const last = kernel.batches.findLastIndex((steps) => steps.some(({ action }) => action === 'remove'));
    assert.ok(last > 0 && last < 10, `in batch ${last} of ${kernel.batches.length}`);
    assert.ok(!(await host.actual()).some((line) => line.includes(` ${gone!.subnets.ipv4} `)));
    assert.equal(host.reconciler.summary().inSync, 1999);
  });

  it('removes a peer that leaves while everything is read, and believes no older read', async () => {
    const host = await new TestHost().start(PEERS);
    const end = await host.holdResync();
    host.kernel.forgetCalls();
    const [first, second] = PEERS;
    host.reconciler.removePeer(first!.key);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([second!]));
    assert.equal(host.kernel.steps.length, 3);
    end();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([second!]));
    assert.equal(host.kernel.steps.length, 3);
    assert.ok(host.reconciler.isSettled);
    assert.ok(!host.eventKinds().includes('orphans-removed'));
    assert.ok(!host.reconciler.known?.objects.has('route 10.5.2.0/24'));
  });

  it('leaves the entries of a peer that is back while everything is read', async () => {
    const host = await new TestHost().start(PEERS);
    const end = await host.holdResync();
    host.reconciler.removePeer(PEERS[0]!.key);
    await host.clock.settle();
    host.setPeer(PEERS[0]!);
    host.reconciler.removePeer(PEERS[1]!.key);
    host.setPeer(PEERS[1]!);
    await host.clock.settle();
    end();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected(PEERS));
    assert.equal(host.reconciler.summary().inSync, 2);
  });

  it('keeps one object of each entry that a full read finds as desired', async () => {
    const host = await new TestHost().start(PEERS);
    host.reconciler.resync();
    await host.clock.settle();
    const key = 'route 10.5.2.0/24';
    const known = host.reconciler.known?.objects.get(key);
    assert.ok(known !== undefined && known === host.reconciler.desired.get(key));
  });

  it('reads nothing for notifications of foreign interfaces', async () => {
    const host = await new TestHost().start(PEERS);
    host.kernel.forgetCalls();
    for (let index = 0; index < 100; index++) host.kernel.tables.addLink({ name: `veth${index}` });
    await host.clock.settle();
    assert.equal(host.kernel.reads, 0);
  });

  it('takes one run for many changes at once', async () => {
    const host = await new TestHost().start();
    host.kernel.forgetCalls();
    for (let number = 2; number < 100; number++) host.setPeer(vxlanPeer(number));
    await host.clock.settle();
    assert.equal(host.kernel.batches.length, 1);
  });

  it('limits the full reads for a burst of notifications of the device', async () => {
    const host = await new TestHost().start(PEERS);
    host.kernel.forgetCalls();
    for (let index = 0; index < 200; index++) {
      host.reconciler.handleNotification({ kind: 'interfaces', names: [DEV] });
      await host.clock.advance(10);
    }
    assert.ok(host.kernel.reads < 30, `${host.kernel.reads} reads in 2 s`);
  });
});

describe('reconciler life cycle', () => {
  it('settles and reports it', async () => {
    const host = new TestHost();
    host.setHost();
    host.setPeer(vxlanPeer(2));
    assert.equal(host.reconciler.isSettled, false);
    assert.equal(host.reconciler.peerStatus(vxlanPeer(2).key)?.state, 'pending');
    host.reconciler.markComplete();
    host.reconciler.start();
    await host.clock.settle();
    assert.ok(host.reconciler.isSettled);
    assert.equal(host.summaries.at(-1)?.inSync, 1);
    assert.equal(host.summaries.at(-1)?.isComplete, true);
  });

  it('stops without removing objects or leaving a timer', async () => {
    const host = await new TestHost().start(PEERS);
    const before = await host.actual();
    await host.reconciler.stop();
    host.reconciler.removePeer(PEERS[0]!.key);
    host.kernel.tables.removeRoute({ destination: cidr('10.5.3.0/24') });
    await host.clock.advance(600_000);
    assert.equal(host.clock.pendingTimers, 0);
    assert.equal((await host.actual()).length, before.length - 1);
  });

  it('sleeps until the host is set', async () => {
    const host = new TestHost();
    const delaysMs: number[] = [];
    const setTimer = host.clock.setTimer.bind(host.clock);
    host.clock.setTimer = (delayMs, callback) => {
      delaysMs.push(delayMs);
      return setTimer(delayMs, callback);
    };
    host.reconciler.markComplete();
    host.reconciler.start();
    await host.clock.settle();
    assert.ok(Math.min(...delaysMs) > 1_000, `wakes after ${delaysMs.join()} ms`);
    host.setHost();
    await host.clock.settle();
    assert.equal(host.reconciler.summary().host.state, 'in-sync');
  });

  it('stops within a bound if the kernel does not answer', async () => {
    const host = await new TestHost().start();
    host.kernel.gate = new Promise(() => {});
    host.setPeer(vxlanPeer(2));
    await host.clock.settle();
    let isStopped = false;
    const stopped = host.reconciler.stop().then(() => (isStopped = true));
    await host.clock.until(() => isStopped, 5_000);
    await stopped;
  });

  it('stops only after the steps on a device', async () => {
    const host = new TestHost();
    let open!: () => void;
    host.kernel.gate = new Promise((resolve) => (open = resolve));
    await host.start();
    let isStopped = false;
    const stopped = host.reconciler.stop().then(() => (isStopped = true));
    await host.clock.settle();
    assert.equal(isStopped, false);
    open();
    await stopped;
  });

  it('cleans up what an earlier ownership covered', async () => {
    const host = await new TestHost().start(PEERS);
    host.setHost({ vxlan: { vni: 5 } });
    for (const { key } of PEERS) host.reconciler.removePeer(key);
    await host.clock.settle();
    assert.equal(host.kernel.tables.link(DEV), undefined);
    await host.clock.advance(70_000);
    assert.deepEqual(host.reconciler.ownership?.devices, ['flannel.5']);
  });

  it('cleans up what an earlier ownership covered after removals that failed, whatever is read in between', async () => {
    const host = await new TestHost().start(PEERS);
    for (const { key } of PEERS) host.reconciler.removePeer(key);
    host.kernel.injectFault(`link ${DEV}`, 'EBUSY');
    host.setHost({ vxlan: { vni: 5 } });
    await host.clock.settle();
    // Back-off is a minute in the end: most reads find nothing to do now.
    for (let read = 0; read < 40; read++) {
      host.reconciler.resync();
      await host.clock.advance(5_000);
    }
    host.kernel.clearFault(`link ${DEV}`);
    await host.clock.advance(80_000);
    assert.equal(host.kernel.tables.link(DEV), undefined);
    await host.clock.advance(600_000);
    assert.deepEqual(host.reconciler.ownership?.devices, ['flannel.5']);
  });

  it('keeps the routes of peers with subnets in the former network', async () => {
    const host = await new TestHost().start();
    const route: KernelObject = {
      kind: 'route',
      destination: cidr('10.5.2.0/24'),
      gateway: ip4('10.9.0.2'),
      dev: 'eth0',
      isOnLink: false,
    };
    host.reconciler.setPeer('10.5.2.0-24', { mode: 'direct', objects: [route] });
    await host.clock.settle();
    const ownership = host.reconciler.ownership!;
    const networks = [{ network: cidr('10.77.0.0/16'), subnetLength: 24 }];
    host.reconciler.setHost({ ...ownership, networks }, []);
    await host.clock.advance(70_000);
    host.kernel.forgetCalls();
    await host.clock.advance(300_000);
    assert.ok(host.kernel.reads > 0);
    assert.deepEqual(host.kernel.steps, []);
    host.reconciler.removePeer('10.5.2.0-24');
    await host.clock.advance(300_000);
    assert.deepEqual(host.reconciler.ownership?.networks, networks);
  });
});
