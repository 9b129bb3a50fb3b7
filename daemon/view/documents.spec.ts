// The documents of status and peers over parts with a value of their own in each field.
import assert from 'node:assert/strict';
import type { StatusV1 } from '../../api/index.ts';
import type { Lease } from '../../allocator/lease.ts';
import { VXLAN, network, subnets, vxlanPeer } from '../../backends/fixture.ts';
import { objectKey, type KernelObject } from '../../backends/kernel-state.ts';
import { weftVersion } from '../node/version.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { NodeView } from './node-view.ts';
import { peersOf } from './peers.ts';
import { statusOf } from './status.ts';
import { wallTime } from '../../lib/wall-time.ts';

/** A point on the monotonic clock that becomes this wall-clock time. */
const BASE_MS = performance.now();
const at = (ms: number): number => BASE_MS + ms;

/** Milliseconds from {@link BASE_MS} to a time of a document, as far as two clocks agree. */
function offsetOf(text: string | undefined): number {
  const ms = Date.parse(text!) - Date.parse(wallTime(BASE_MS));
  // Not -0, which is another number to deepEqual.
  return Math.round(ms / 100) * 100 || 0;
}

const LINK = {
  kind: 'link',
  type: 'vxlan',
  name: 'flannel.1',
  local: '192.0.2.1',
  mac: '02:00:00:00:00:01',
} as unknown as KernelObject;
const TUN = { kind: 'link', type: 'tun', name: 'flannel0', local: '192.0.2.1' } as unknown as KernelObject;

const SUMMARY = {
  peers: 100,
  inSync: 60,
  pending: 30,
  errors: 10,
  host: { state: 'in-sync' },
  contested: [],
  isComplete: true,
};
const COUNTERS = {
  runs: 11,
  steps: { route: { set: 12, remove: 13 } },
  drift: { route: 14 },
  resyncs: { timer: 15 },
  failures: 16,
  overruns: 17,
  busyMs: 18,
  lastRunMs: at(-19_000),
  lastDurationMs: 20,
};
const OWN = {
  key: '10.5.9.0-24',
  subnets: subnets('10.5.9.0/24 fd00:0:0:9::/64'),
  isReservation: false,
  expiresAtMs: at(21_000),
};

function reconcilerWith(objects: readonly KernelObject[], more: object = {}) {
  return {
    summary: () => SUMMARY,
    status: () => ({
      ...SUMMARY,
      host: { state: 'error', reason: 'busy' },
      contested: ['route x'],
      readError: 'unread',
      counters: COUNTERS,
      ...more,
    }),
    ownership: { devices: ['flannel.1', 'flannel-v6.1'] },
    objectsOf: (owner: string) =>
      owner === HOST ? new Map(objects.map((object) => [objectKey(object), object])) : new Map(),
  };
}

const NODE = {
  options: { etcd: { endpoints: ['http://e:2379'], prefix: '/x' } },
  clock: { nowMs: () => at(0) },
  startedMs: at(-22_000),
  readiness: {
    phase: 'waiting',
    error: undefined,
    leaseManager: { isHeld: true, state: 'held' },
    reconciler: { summary: () => ({ ...SUMMARY, pending: 0, errors: 0 }) },
    subnetFile: { problem: undefined },
    registryCache: { isConnected: true },
    config: { revision: 23, counts: { applied: 24, rejected: 25 } },
  },
  registryCache: {
    isConnected: true,
    revision: 26,
    lastContactMs: at(-27_000),
    lastError: new Error('was away'),
    resyncs: { start: 28 },
    invalidEntries: new Map([['bad', { key: 'bad', reason: 'is bad' }]]),
  },
  config: network('46', VXLAN),
  network: { config: network('46', VXLAN), mtu: 1450 },
  migration: { state: 'leaving', announced: 'a', wanted: 'b', pendingPeers: ['c'] },
  snapshot: {
    chosen: {
      name: 'eth0',
      mtu: 1500,
      ipv4: '192.0.2.1',
      ipv6: '2001:db8::1',
      publicIp: '203.0.113.1',
      publicIpv6: '2001:db8::2',
      selectedBy: '--iface',
    },
  },
  leaseManager: { own: OWN, state: 'expiring', lastError: new Error('no answer'), peers: new Map() },
  reconciler: reconcilerWith([LINK]),
  offload: { statuses: new Map([[4, { state: 'bad', sinceMs: at(-29_000), peers: ['10.5.2.0'] }]]) },
} as unknown as NodeView;
const nodeWith = (more: object): NodeView => ({ ...NODE, ...more });
const EMPTY = nodeWith({
  readiness: { phase: 'waiting for etcd' },
  registryCache: undefined,
  config: undefined,
  network: undefined,
  migration: undefined,
  snapshot: undefined,
  leaseManager: undefined,
  reconciler: undefined,
  offload: undefined,
});

describe('the status document', () => {
  it('has each value in its own field', () => {
    const { at: _at, daemon, ...rest } = statusOf(NODE);
    const { startedAt, memoryBytes, ...process_ } = daemon;
    const { lastRunAt, ...kernel } = rest.kernel!;
    const { lastContactAt, ...registry } = rest.registry;
    const { expiresAt, ...lease } = rest.lease!;
    const [{ since, ...offload } = assert.fail()] = rest.network!.checksumOffload!;
    assert.deepEqual(
      {
        ...rest,
        process_,
        kernel,
        registry,
        lease,
        network: { ...rest.network, checksumOffload: [offload] },
      },
      {
        version: 1,
        health: 'ok',
        reasons: [],
        process_: { version: weftVersion(), pid: process.pid, phase: 'working' },
        network: {
          ipv4: '10.5.0.0/16',
          ipv6: 'fd00::/48',
          backend: 'vxlan',
          encapsulation: 'kernel',
          devices: ['flannel.1', 'flannel-v6.1'],
          mtu: 1450,
          migration: { state: 'leaving', announced: 'a', wanted: 'b', pendingPeers: ['c'] },
          checksumOffload: [
            { device: 'flannel.1', family: 4, setting: 'auto', found: 'bad', peers: ['10.5.2.0'] },
          ],
        },
        config: { revision: 23, counts: { applied: 24, rejected: 25 } },
        interface: {
          name: 'eth0',
          mtu: 1500,
          address: '192.0.2.1',
          addressV6: '2001:db8::1',
          publicIp: '203.0.113.1',
          publicIpv6: '2001:db8::2',
          selectedBy: '--iface',
        },
        lease: {
          state: 'expiring',
          key: '10.5.9.0-24',
          ipv4: '10.5.9.0/24',
          ipv6: 'fd00:0:0:9::/64',
          isReservation: false,
          lastError: 'no answer',
        },
        registry: {
          endpoints: ['http://e:2379'],
          prefix: '/x',
          isConnected: true,
          revision: 26,
          lastError: 'was away',
          resyncs: { start: 28 },
          badKeys: [{ key: 'bad', reason: 'is bad' }],
          badKeyCount: 1,
        },
        kernel: {
          host: 'error',
          hostReason: 'busy',
          contested: ['route x'],
          readError: 'unread',
          runs: 11,
          lastRunMs: 20,
          steps: { route: { set: 12, remove: 13 } },
          drift: { route: 14 },
          resyncs: { timer: 15 },
          failures: 16,
        },
        peers: { total: 100, inSync: 60, pending: 30, errors: 10 },
      },
    );
    assert.deepEqual(
      [_at, startedAt, lastRunAt, lastContactAt, expiresAt, since].map(offsetOf),
      [0, -22_000, -19_000, -27_000, 21_000, -29_000],
    );
    assert.ok(memoryBytes > 2 ** 20 && memoryBytes < 2 ** 35, `${memoryBytes} bytes`);
  });

  it('omits what is unknown', () => {
    const { at: _at, daemon, ...rest } = statusOf(EMPTY);
    assert.equal(daemon.phase, 'waiting for etcd');
    assert.deepEqual(rest, {
      version: 1,
      health: 'not-ready',
      reasons: ['waiting for etcd'],
      registry: {
        endpoints: ['http://e:2379'],
        prefix: '/x',
        isConnected: false,
        revision: 0,
        resyncs: {},
        badKeys: [],
        badKeyCount: 0,
      },
      peers: { total: 0, inSync: 0, pending: 0, errors: 0 },
    });
    const bare = statusOf(
      nodeWith({
        network: { config: network('6', VXLAN) },
        migration: undefined,
        snapshot: { chosen: { name: 'eth0', mtu: 1500, selectedBy: 'x' } },
        leaseManager: { state: 'waiting' },
        reconciler: reconcilerWith([], {
          host: { state: 'pending' },
          readError: undefined,
          counters: { ...COUNTERS, lastRunMs: undefined, lastDurationMs: undefined },
        }),
        registryCache: { ...NODE.registryCache, lastContactMs: undefined, lastError: undefined },
      }),
    );
    assert.deepEqual(Object.keys(bare.network!).toSorted(), ['backend', 'devices', 'encapsulation', 'ipv6']);
    assert.deepEqual(bare.lease, { state: 'waiting' });
    assert.deepEqual(bare.interface, { name: 'eth0', mtu: 1500, selectedBy: 'x' });
    assert.deepEqual(Object.keys(bare.kernel!).toSorted(), [
      'contested',
      'drift',
      'failures',
      'host',
      'resyncs',
      'runs',
      'steps',
    ]);
    assert.ok(!('lastContactAt' in bare.registry) && !('lastError' in bare.registry));
  });

  const healths: readonly (readonly [what: string, readiness: object, health: StatusV1['health']])[] = [
    ['nothing wrong', {}, 'ok'],
    ['a note', { missingIpv6: 'none' }, 'degraded'],
    ['a blocker', { subnetFile: { problem: 'full' } }, 'not-ready'],
    ['both', { missingIpv6: 'none', subnetFile: { problem: 'full' } }, 'not-ready'],
  ];
  for (const [what, more, health] of healths)
    it(`has health ${health} with ${what}`, () => {
      assert.equal(statusOf(nodeWith({ readiness: { ...NODE.readiness, ...more } })).health, health);
    });

  for (const [objects, encapsulation] of [
    [[LINK], 'kernel'],
    [[TUN], 'userspace'],
    [[], 'none'],
  ] as const)
    it(`has encapsulation ${encapsulation}`, () => {
      const status = statusOf(nodeWith({ reconciler: reconcilerWith(objects) }));
      assert.equal(status.network!.encapsulation, encapsulation);
    });

  it('has each device of the packet path, with the part of its packets that the kernel moved', () => {
    const counters = {
      rxPackets: 6n,
      kernelRxPackets: 5n,
      kernelDecapPackets: 4n,
      txPackets: 3n,
      kernelTxPackets: 2n,
      dropRxVni: 9n,
    };
    const states = {
      flannel0: { counters, decapDevice: 'weft-rx7a', joinDevice: 'weft-rj7a' },
      'flannel-v6.0': { counters: {}, bpfDisabledReason: 'the underlay is IPv6' },
    };
    const packetPath = {
      devices: () => Object.keys(states).map((name) => ({ name })),
      status: (name: keyof typeof states) => states[name],
    };
    assert.deepEqual(statusOf(nodeWith({ packetPath })).network!.paths, [
      {
        device: 'flannel0',
        decapDevice: 'weft-rx7a',
        joinDevice: 'weft-rj7a',
        rxPackets: 6,
        kernelRxPackets: 5,
        kernelDecapPackets: 4,
        txPackets: 3,
        kernelTxPackets: 2,
      },
      {
        device: 'flannel-v6.0',
        bpfDisabledReason: 'the underlay is IPv6',
        rxPackets: 0,
        kernelRxPackets: 0,
        kernelDecapPackets: 0,
        txPackets: 0,
        kernelTxPackets: 0,
      },
    ]);
  });

  it('has no expiry for a reservation', () => {
    const own = { ...OWN, isReservation: true, expiresAtMs: Infinity };
    const { lease } = statusOf(nodeWith({ leaseManager: { own, state: 'held', peers: new Map() } }));
    assert.deepEqual(
      [lease?.isReservation, lease?.expiresAt, lease?.lastError],
      [true, undefined, undefined],
    );
  });

  const FEATURE = {
    kind: 'feature',
    dev: 'flannel.1',
    feature: 'tx',
    isOn: false,
  } as unknown as KernelObject;
  for (const [setting, objects, statuses, expected] of [
    ['auto', [LINK], new Map(), { found: 'unknown' }],
    ['auto', [LINK, FEATURE], new Map([[6, { state: 'bad' }]]), { found: 'unknown', isOn: false }],
    ['off', [LINK, FEATURE], new Map([[4, { state: 'bad' }]]), { isOn: false }],
    ['on', [TUN], new Map(), undefined],
  ] as const)
    it(`has checksum offload ${JSON.stringify(expected)} for ${setting}`, () => {
      const config = network('4', { ...VXLAN, txChecksumOffload: setting });
      const status = statusOf(
        nodeWith({ config, reconciler: reconcilerWith(objects), offload: { statuses } }),
      );
      const [found] = status.network!.checksumOffload ?? [];
      assert.deepEqual(found, expected && { device: 'flannel.1', family: 4, setting, ...expected });
    });
});

describe('the peers document', () => {
  const [TWO, THREE] = [vxlanPeer(2, '46'), { ...vxlanPeer(3), isReservation: true }];
  const ROUTE = {
    kind: 'route',
    destination: '10.5.2.0/24',
    gateway: '10.5.2.0',
    dev: 'flannel.1',
    isOnLink: true,
  } as unknown as KernelObject;
  const FDB = {
    kind: 'fdb',
    dev: 'flannel.1',
    mac: '02:00:00:00:00:02',
    destination: '192.0.2.2',
  } as unknown as KernelObject;
  const mapOf = (...objects: readonly KernelObject[]) =>
    new Map(objects.map((object) => [objectKey(object), object]));
  const node = (more: object = {}): NodeView =>
    nodeWith({
      leaseManager: { peers: new Map([THREE, TWO].map((lease: Lease) => [lease.key, lease])) },
      reconciler: {
        peerStatus: (key: string) =>
          key === TWO.key
            ? { state: 'pending', mode: 'tunnel', sinceMs: at(-31_000) }
            : { state: 'error', reason: 'busy', mode: 'direct', sinceMs: at(-32_000) },
        objectsOf: (key: string) => (key === TWO.key ? mapOf(ROUTE, FDB) : new Map()),
        known: { objects: mapOf(FDB) },
      },
      packetPath: {
        devices: () => [{ name: 'flannel0' }],
        routeCounters: () => [
          { destination: '10.5.2.0/24', txPackets: 33n, txBytes: 34n, rxPackets: 35n, rxBytes: 36n },
        ],
      },
      probes: {
        get: (key: string) =>
          key === TWO.key
            ? {
                atMs: 86_400_000,
                report: { sent: 40, received: 37, rtt: { minMs: 1, avgMs: 2, p50Ms: 3, maxMs: 4 } },
              }
            : undefined,
      },
      ...more,
    });

  it('has each value in its own field, in the order of keys', () => {
    const [two, three, ...more] = peersOf(node()).peers;
    const { since, ...rest } = two!;
    assert.deepEqual(rest, {
      key: TWO.key,
      ...TWO.subnets,
      publicIp: TWO.attributes.publicIp,
      publicIpv6: TWO.attributes.publicIpv6,
      mac: '02:00:00:00:00:02',
      mode: 'kernel',
      state: 'pending',
      missing: ['10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink'],
      isReservation: false,
      traffic: { txPackets: 33, txBytes: 34, rxPackets: 35, rxBytes: 36 },
      probe: { at: '1970-01-02T00:00:00.000Z', sent: 40, lost: 3, rttMs: 2 },
    });
    const { since: sinceThree, ...other } = three!;
    assert.deepEqual(other, {
      key: THREE.key,
      ...THREE.subnets,
      publicIp: THREE.attributes.publicIp,
      mode: 'direct',
      state: 'error',
      reason: 'busy',
      missing: [],
      isReservation: true,
    });
    assert.deepEqual([[since, sinceThree].map(offsetOf), more], [[-31_000, -32_000], []]);
  });

  it('has no round trip of a silent peer, and no traffic without the packet path', () => {
    const silent = { atMs: 0, report: { sent: 5, received: 0 } };
    const [two] = peersOf(node({ packetPath: undefined, probes: { get: () => silent } })).peers;
    assert.deepEqual(
      [two!.traffic, two!.probe],
      [undefined, { at: '1970-01-01T00:00:00.000Z', sent: 5, lost: 5 }],
    );
  });

  it('is empty before the kernel is known, and omits peers without a state', () => {
    assert.deepEqual(peersOf(node({ reconciler: undefined })).peers, []);
    assert.deepEqual(peersOf(node({ reconciler: { peerStatus: () => undefined } })).peers, []);
    assert.deepEqual(peersOf(EMPTY).peers, []);
  });
});
