// Answers of a daemon, for tests of what the commands print.
import type { StatusV1 } from '../daemon/control/types.ts';

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
    foundBy: 'the default route',
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
