// Answers of a daemon, for tests of what the commands print.
import type {
  CountersV1,
  DeviceCountersV1,
  DevicesV1,
  DiffV1,
  EventV1,
  PeersV1,
  PeerV1,
  RouteV1,
  StatusV1,
} from '../api/index.ts';

export const AT = '2026-11-25T12:00:00.000Z';

const NO_STEPS = { set: 0, remove: 0 };

export const STATUS: StatusV1 = {
  version: 1,
  at: AT,
  health: 'ok',
  reasons: [],
  daemon: {
    version: '0.2.0',
    pid: 4711,
    startedAt: '2026-11-23T09:00:00.000Z',
    phase: 'working',
    memoryBytes: 72_000_000,
  },
  network: {
    ipv4: '10.5.0.0/16',
    backend: 'vxlan',
    encapsulation: 'kernel',
    devices: ['flannel.1'],
    mtu: 1450,
  },
  config: { revision: 2, counts: { applied: 1, rejected: 0 } },
  interface: {
    name: 'eth0',
    mtu: 1500,
    address: '198.18.1.1',
    publicIp: '198.18.1.1',
    selectedBy: 'the default route',
  },
  lease: {
    state: 'held',
    key: '10.5.176.0-24',
    ipv4: '10.5.176.0/24',
    isReservation: false,
    expiresAt: '2026-11-26T11:12:00.000Z',
  },
  registry: {
    endpoints: ['http://198.18.0.2:2379'],
    prefix: '/coreos.com/network',
    isConnected: true,
    revision: 1234,
    lastContactAt: '2026-11-25T11:59:58.000Z',
    resyncs: { start: 1, periodic: 4, requested: 0, 'watch-lost': 0, compacted: 0, restored: 0 },
    badKeys: [],
  },
  kernel: {
    host: 'in-sync',
    contested: [],
    runs: 12,
    lastRunAt: '2026-11-25T11:55:00.000Z',
    lastRunMs: 4.5,
    steps: { link: { set: 1, remove: 0 }, route: { set: 4, remove: 1 }, tunnel: NO_STEPS },
    drift: { link: 0, route: 2, neighbour: 1 },
    resyncs: { start: 1, timer: 3 },
    failures: 0,
  },
  peers: { total: 3, inSync: 3, pending: 0, errors: 0 },
};

export const BROKEN_STATUS: StatusV1 = {
  ...STATUS,
  health: 'not-ready',
  reasons: [
    'the lease is lost: no endpoint answered',
    '2 of 3 peers are not in the kernel yet',
    'the registry is not reachable; the peers known last are in force',
  ],
  network: {
    ...STATUS.network!,
    ipv6: 'fd00:5::/48',
    encapsulation: 'userspace',
    devices: ['flannel.1', 'flannel-v6.1'],
  },
  interface: { ...STATUS.interface!, addressV6: 'fd18::1', publicIp: '203.0.113.7' },
  lease: {
    state: 'lost',
    key: '10.5.176.0-24&fd00:5:0:b0::-64',
    ipv4: '10.5.176.0/24',
    ipv6: 'fd00:5:0:b0::/64',
    isReservation: true,
    lastError: 'no endpoint answered',
  },
  registry: {
    ...STATUS.registry,
    isConnected: false,
    lastError: 'http://198.18.0.2:2379 refused the connection',
    badKeys: [{ key: 'rubbish', reason: '"rubbish" is no subnet key' }],
  },
  kernel: { ...STATUS.kernel!, host: 'error', hostReason: 'link flannel.1: busy', drift: { route: 1 } },
  peers: { total: 3, inSync: 0, pending: 2, errors: 1 },
};

const { lastContactAt: _lastContactAt, ...UNHEARD } = STATUS.registry;

export const STARTING_STATUS: StatusV1 = {
  version: 1,
  at: AT,
  health: 'not-ready',
  reasons: ['waiting for the registry'],
  daemon: {
    ...STATUS.daemon,
    startedAt: '2026-11-25T11:59:48.000Z',
    phase: 'waiting for the registry',
  },
  registry: { ...UNHEARD, isConnected: false, revision: 0, lastError: 'nobody answers', resyncs: {} },
  peers: { total: 0, inSync: 0, pending: 0, errors: 0 },
};

const PEER: PeerV1 = {
  key: '10.5.100.0-24',
  ipv4: '10.5.100.0/24',
  publicIp: '198.18.1.2',
  mac: '42:a9:6e:0f:bd:7a',
  mode: 'kernel',
  state: 'in-sync',
  missing: [],
  since: '2026-11-25T11:00:00.000Z',
  isReservation: false,
};

export const PEERS: PeersV1 = { version: 1, at: AT, peers: [PEER] };

export const BROKEN_PEERS: PeersV1 = {
  version: 1,
  at: AT,
  peers: [
    {
      ...PEER,
      mode: 'userspace',
      traffic: { txPackets: 3, txBytes: 252, rxPackets: 40, rxBytes: 1_500_000 },
      probe: { at: AT, sent: 10, lost: 1, rttMs: 0.25 },
    },
    {
      ...PEER,
      key: '10.5.104.0-24&fd00:5:0:68::-64',
      ipv4: '10.5.104.0/24',
      ipv6: 'fd00:5:0:68::/64',
      publicIp: '198.18.1.3',
      mac: '32:4b:5d:49:09:43',
      mode: 'userspace',
      state: 'pending',
      missing: ['10.5.104.0/24 dev flannel.1'],
      since: '2026-11-25T11:59:59.500Z',
      isReservation: true,
    },
    {
      key: '10.5.108.0-24',
      ipv4: '10.5.108.0/24',
      mode: 'error',
      state: 'error',
      reason: 'its backend is "host-gw" and this host\'s is "vxlan"',
      missing: [],
      since: '2026-11-24T12:00:00.000Z',
      isReservation: false,
    },
  ],
};

export const DIFF: DiffV1 = {
  version: 1,
  at: AT,
  desired: 9,
  differences: [
    {
      kind: 'foreign',
      object: 'link flannel.1',
      owner: 'host',
      desired:
        'flannel.1 mtu 1450 address 02:00:00:00:00:01 vxlan id 1 local 198.18.1.1 dev eth0 dstport 8472 nolearning',
      what: 'a device of type dummy has its name',
      reason: 'link flannel.1: busy',
    },
    {
      kind: 'missing',
      object: 'route 10.5.100.0/24',
      owner: '10.5.100.0-24',
      desired: '10.5.100.0/24 via 10.5.100.0 dev flannel.1 onlink',
    },
    {
      kind: 'different',
      object: 'route 10.5.104.0/24',
      owner: '10.5.104.0-24',
      desired: '10.5.104.0/24 via 10.5.104.0 dev flannel.1 onlink',
      actual: '10.5.104.0/24 via 198.18.0.1 dev eth0',
      what: 'gateway 198.18.0.1 instead of 10.5.104.0',
    },
    { kind: 'extra', object: 'route 10.5.250.0/24', actual: '10.5.250.0/24 via 198.18.1.9 dev eth0' },
  ],
};

export const ROUTE: RouteV1 = {
  version: 1,
  at: AT,
  to: '10.5.100.2',
  kind: 'peer',
  owner: { key: '10.5.100.0-24', subnet: '10.5.100.0/24', publicIp: '198.18.1.2' },
  lookups: [
    { table: 'lease', key: '10.5.100.2', entry: '10.5.100.0/24 of 198.18.1.2 (key 10.5.100.0-24)' },
    {
      table: 'route',
      key: '10.5.100.2',
      entry: '10.5.100.2 via 10.5.100.0 dev flannel.1 src 10.5.176.0',
    },
    {
      table: 'neighbour',
      key: '10.5.100.0 dev flannel.1',
      entry: '10.5.100.0 lladdr 42:a9:6e:0f:bd:7a dev flannel.1',
    },
    {
      table: 'fdb',
      key: '42:a9:6e:0f:bd:7a dev flannel.1',
      entry: '42:a9:6e:0f:bd:7a dst 198.18.1.2 dev flannel.1',
    },
    { table: 'underlay', key: '198.18.1.2', entry: '198.18.1.2 dev eth0 src 198.18.1.1' },
  ],
  datapath: 'kernel',
  mtu: 1450,
  overheadBytes: 50,
  isWhole: true,
};

export const BROKEN_ROUTE: RouteV1 = {
  version: 1,
  at: AT,
  to: '10.5.100.2',
  kind: 'peer',
  owner: ROUTE.owner!,
  lookups: [
    ROUTE.lookups[0]!,
    {
      table: 'route',
      key: '10.5.100.2',
      entry: '10.5.100.2 via 198.18.0.1 dev eth0 src 198.18.1.1',
      problem: 'another way than wanted; it should go by 10.5.100.0/24 via 10.5.100.0 dev flannel.1 onlink',
    },
    {
      table: 'neighbour',
      key: '10.5.100.0 dev flannel.1',
      problem: 'no entry: such packets are dropped',
    },
  ],
  datapath: 'none',
  isWhole: false,
};

export const OUTSIDE_ROUTE: RouteV1 = {
  version: 1,
  at: AT,
  to: '192.0.2.1',
  kind: 'outside',
  lookups: [
    { table: 'lease', key: '192.0.2.1', problem: 'the address lies outside of the overlay network' },
  ],
  datapath: 'none',
  isWhole: false,
};

const COUNTERS: DeviceCountersV1 = {
  rxPackets: 57,
  rxBytes: 7054,
  rxErrors: 0,
  rxDropped: 1,
  rxOverruns: 0,
  rxFrame: 0,
  txPackets: 2_000_000,
  txBytes: 3_000_000_000,
  txErrors: 0,
  txDropped: 2,
  txOverruns: 0,
  txCarrier: 0,
  collisions: 0,
};

export const DEVICES: DevicesV1 = {
  version: 1,
  at: AT,
  devices: [
    {
      name: 'flannel.1',
      role: 'overlay',
      isUp: true,
      mtu: 1450,
      mac: '42:a9:6e:0f:bd:7a',
      addresses: [{ address: '10.5.100.0', prefixLength: 32, scope: 'global' }],
      tunnel: {
        type: 'vxlan',
        encapsulation: 'vxlan',
        vni: 1,
        port: 8472,
        local: '198.18.1.2',
        parent: 'eth0',
        hasChecksumOffload: false,
      },
      counters: COUNTERS,
    },
    {
      name: 'flannel0',
      role: 'overlay',
      isUp: false,
      mtu: 1472,
      addresses: [],
      tunnel: { type: 'tun', encapsulation: 'udp', vni: 0, port: 8285, local: '198.18.1.2' },
      counters: COUNTERS,
    },
    {
      name: 'eth0',
      role: 'underlay',
      isUp: true,
      mtu: 1500,
      mac: 'ae:1d:14:41:07:40',
      addresses: [
        { address: '198.18.1.2', prefixLength: 16, scope: 'global' },
        { address: 'fe80::1', prefixLength: 64, scope: 'link' },
      ],
      counters: COUNTERS,
    },
  ],
};

export const EVENTS: readonly EventV1[] = [
  {
    sequence: 1,
    at: '2026-11-25T12:00:00.250Z',
    topic: 'lease',
    level: 'info',
    code: 'lease-put',
    message: 'A host has this subnet',
    fields: { key: '10.5.100.0-24', publicIp: '198.18.1.2' },
  },
  {
    sequence: 2,
    at: '2026-11-25T12:00:01.000Z',
    topic: 'kernel',
    level: 'warn',
    code: 'KERNEL_DRIFT',
    message: 'Somebody changed kernel state of the overlay; putting it back',
    fields: { count: 2, objects: ['route 10.5.100.0/24', 'fdb flannel.1 42:a9:6e:0f:bd:7a'] },
  },
  {
    sequence: 3,
    at: '2026-11-25T12:00:02.000Z',
    topic: 'registry',
    level: 'error',
    code: 'registry-unreachable',
    message: 'Registry lost',
    fields: { error: 'connection "refused"', by: { publicIp: '198.18.1.3' } },
  },
  {
    sequence: 4,
    at: '2026-11-25T12:00:03.000Z',
    topic: 'health',
    level: 'info',
    code: 'ok',
    message: 'This host is ok',
    fields: {},
  },
];

export const COUNTERS_BEFORE: CountersV1 = {
  version: 1,
  at: AT,
  uptimeMs: 60_000,
  daemon: { cpuMs: 1000, memoryBytes: 71_000_000 },
  devices: { 'flannel.1': COUNTERS, eth0: COUNTERS },
  paths: { 'flannel.1': { txPackets: 100, rxPackets: 0, dropTxNoRoute: 4 } },
  kernel: { runs: 3, steps: 9, drift: 0, failures: 0 },
  peers: { total: 3, inSync: 3, pending: 0, errors: 0 },
  registry: { isConnected: true, revision: 12 },
};

/** Two seconds later. */
export const COUNTERS_AFTER: CountersV1 = {
  ...COUNTERS_BEFORE,
  uptimeMs: 62_000,
  daemon: { cpuMs: 1250, memoryBytes: 72_000_000 },
  devices: {
    'flannel.1': {
      ...COUNTERS,
      rxBytes: COUNTERS.rxBytes + 2_500_000,
      rxPackets: COUNTERS.rxPackets + 3,
      txDropped: COUNTERS.txDropped + 40,
    },
    // Made anew, so that it counts from zero again.
    eth0: { ...COUNTERS, txBytes: 0 },
  },
  paths: { 'flannel.1': { txPackets: 2100, rxPackets: 0, dropTxNoRoute: 4 } },
  kernel: { runs: 5, steps: 11, drift: 1, failures: 0 },
  peers: { total: 3, inSync: 1, pending: 1, errors: 1 },
  registry: { isConnected: false, revision: 14 },
};
