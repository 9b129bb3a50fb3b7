// Every metric with a number of its own, so that a wrong unit, direction or label shows.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { DeviceCountersV1, StatusV1 } from '../../api/index.ts';
import { VXLAN, network } from '../../backends/fixture.ts';
import type { PathStatus } from '../../native/packet-path.ts';
import type { ProbeSummary } from '../probe/probe-history.ts';
import type { NodeView } from '../view/node-view.ts';
import { NO_COUNTERS } from '../view/device-counters.ts';
import { HISTOGRAMS } from './histogram-metrics.ts';
import type { Metric, ScrapeContext } from './metric.ts';
import { METRICS } from './metrics.ts';
import { PROCESS_METRICS } from './process-metrics.ts';

const STATUS = {
  health: 'degraded',
  daemon: { version: 'v9' },
  lease: { state: 'expiring', expiresAt: '2026-01-02T03:04:05.500Z' },
  config: { revision: 101, rejected: { revision: 1, reason: '' }, counts: { applied: 102, rejected: 103 } },
  network: {
    devices: ['flannel.1', 'flannel0'],
    mtu: 1404,
    checksumOffload: [
      { device: 'flannel.1', family: 4, setting: 'auto', found: 'suspect' },
      { device: 'flannel-v6.1', family: 6, setting: 'on' },
    ],
  },
  interface: { name: 'eth0' },
  registry: { isConnected: true, revision: 105, resyncs: { start: 106, periodic: 107 }, badKeyCount: 108 },
  kernel: {
    host: 'pending',
    contested: ['a', 'b', 'c'],
    readError: 'x',
    runs: 109,
    lastRunMs: 110,
    steps: { route: { set: 111, remove: 112 }, fdb: { set: 113, remove: 114 } },
    drift: { route: 115, link: 116 },
    resyncs: { timer: 117, overrun: 118 },
    failures: 119,
  },
  peers: {
    total: 363,
    inSync: 120,
    pending: 121,
    errors: 122,
    liveness: { reachable: 370, silent: 371, 'overlay-broken': 372, unknown: 373 },
  },
} as unknown as StatusV1;

const MODES = [
  'tunnel',
  'tunnel',
  'direct',
  'userspace',
  'userspace',
  'userspace',
  'error',
  'none',
  'none',
  'none',
  'none',
];

/** The first number of the counters of a device; the others follow. */
function pathOf(name: string, from: bigint, bpfDisabledReason?: string): PathStatus {
  const names = [
    'rxPackets',
    'txPackets',
    'rxBytes',
    'txBytes',
    'kernelRxPackets',
    'kernelTxPackets',
    'icmpSent',
  ];
  const all = [
    ...names,
    'icmpLimited',
    'fragmented',
    'offloadsDropped',
    'dropTxNoRoute',
    'dropRxNotIp',
    'dropTxTtl',
    'kernelDecapPackets',
  ];
  const counters = Object.fromEntries(all.map((counter, index) => [counter, from + BigInt(index)]));
  return {
    device: { name },
    counters,
    ...(bpfDisabledReason && { bpfDisabledReason }),
  } as unknown as PathStatus;
}

const PATHS = [pathOf('flannel0', 201n), pathOf('flannel.7', 301n, 'not supported')];
const DESCRIPTORS: Readonly<Record<string, readonly { kind: string; fd: number }[]>> = {
  flannel0: [
    { kind: 'udp', fd: 3 },
    { kind: 'tun', fd: 10 },
    { kind: 'udp', fd: 4 },
  ],
  'flannel.7': [{ kind: 'udp', fd: 6 }],
};
const SUMMARY: ProbeSummary = { peers: 132, sent: 400, lost: 100, noReply: 133, avgMs: 134, maxMs: 135 };

const DAEMON = {
  events: {
    counts: new Map([
      ['attempt-failed', 123],
      ['lease-created', 124],
    ]),
  },
  registryCache: {
    leases: new Map(Array.from({ length: 125 }, (_none, index) => [index, {}])),
    lastContactMs: 4000,
  },
  config: network('4', VXLAN),
  reconciler: {
    status: () => ({
      counters: { busyMs: 127_500, overruns: 128 },
      peerStatus: new Map(MODES.map((mode, index) => [index, { mode }])),
    }),
  },
  leaseManager: { peers: new Map([['held', {}]]) },
  probes: {
    summary: (has: (key: string) => boolean) => (has('held') && !has('gone') ? SUMMARY : { peers: -1 }),
  },
  packetPath: {
    devices: () => PATHS.map(({ device }) => device),
    status: (name: string) => PATHS.find(({ device }) => device.name === name),
    descriptors: (name: string) => DESCRIPTORS[name],
  },
  wireguard: {
    peers: new Map([
      ['flannel-wg a', { isSilent: true, rxBytes: 1000, txBytes: 2000 }],
      ['flannel-wg b', { isSilent: false, rxBytes: 380, txBytes: 381, handshakeAgeMs: 7000 }],
      ['flannel-wg-v6 b', { isSilent: false, rxBytes: 5, txBytes: 6, handshakeAgeMs: 8500 }],
    ]),
  },
  hook: { isRunning: true, counts: { ok: 129, failed: 130, timeout: 131 } },
} as unknown as NodeView;

const COUNTERS = [
  'rxPackets',
  'txPackets',
  'rxBytes',
  'txBytes',
  'rxErrors',
  'txErrors',
  'rxDropped',
  'txDropped',
];
function countersFrom(from: number): DeviceCountersV1 {
  return { ...NO_COUNTERS, ...Object.fromEntries(COUNTERS.map((name, index) => [name, from + index])) };
}

const CONTEXT: ScrapeContext = {
  daemon: DAEMON,
  status: STATUS,
  devices: new Map([
    ['flannel.1', countersFrom(401)],
    ['eth0', countersFrom(501)],
    ['lo', countersFrom(601)],
  ]),
  socketDrops: (fd) => fd * 1000,
  nowMs: 130_500,
};

const EMPTY: ScrapeContext = {
  ...CONTEXT,
  daemon: {
    events: { counts: new Map() },
    probes: { summary: () => ({ peers: 0, sent: 0, lost: 0, noReply: 0 }) },
  } as unknown as NodeView,
  status: {
    health: 'not-ready',
    daemon: { version: 'v9' },
    registry: { isConnected: false, revision: 0, resyncs: {}, badKeyCount: 0 },
    peers: { total: 0, inSync: 0, pending: 0, errors: 0 },
  } as unknown as StatusV1,
  devices: new Map(),
};

function linesOf(metrics: readonly Metric[], context: ScrapeContext): readonly string[] {
  return metrics.flatMap(({ name, read }) =>
    read(context).map(({ labels = {}, value }) => {
      const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
      return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`;
    }),
  );
}

const EXPECTED = `
weft_build_info{version="v9",node="${process.version}",arch="${process.arch}"} 1
weft_health{health="ok"} 0
weft_health{health="degraded"} 1
weft_health{health="not-ready"} 0
weft_lease_state{state="waiting"} 0
weft_lease_state{state="acquiring"} 0
weft_lease_state{state="held"} 0
weft_lease_state{state="expiring"} 1
weft_lease_state{state="lost"} 0
weft_lease_state{state="exhausted"} 0
weft_lease_state{state="stopped"} 0
weft_lease_expiry_timestamp_seconds 1767323045.5
weft_lease_errors_total 123
weft_pool_subnets 255
weft_pool_used_subnets 125
weft_config_revision 101
weft_config_rejected 1
weft_config_documents_total{outcome="applied"} 102
weft_config_documents_total{outcome="rejected"} 103
weft_overlay_mtu_bytes 1404
weft_peers{state="in-sync"} 120
weft_peers{state="pending"} 121
weft_peers{state="error"} 122
weft_peers_by_liveness{liveness="reachable"} 370
weft_peers_by_liveness{liveness="silent"} 371
weft_peers_by_liveness{liveness="overlay-broken"} 372
weft_peers_by_liveness{liveness="unknown"} 373
weft_peers_by_mode{mode="tunnel"} 2
weft_peers_by_mode{mode="direct"} 1
weft_peers_by_mode{mode="userspace"} 3
weft_peers_by_mode{mode="command"} 0
weft_peers_by_mode{mode="none"} 4
weft_peers_by_mode{mode="error"} 1
weft_events_total{code="attempt-failed"} 123
weft_events_total{code="lease-created"} 124
weft_registry_connected 1
weft_registry_contact_age_seconds 126.5
weft_registry_revision 105
weft_registry_resyncs_total{reason="start"} 106
weft_registry_resyncs_total{reason="periodic"} 107
weft_registry_bad_keys 108
weft_kernel_host_state{state="in-sync"} 0
weft_kernel_host_state{state="pending"} 1
weft_kernel_host_state{state="error"} 0
weft_reconcile_runs_total 109
weft_reconcile_seconds_total 127.5
weft_reconcile_last_duration_seconds 0.11
weft_kernel_steps_total{kind="route",action="set"} 111
weft_kernel_steps_total{kind="route",action="remove"} 112
weft_kernel_steps_total{kind="fdb",action="set"} 113
weft_kernel_steps_total{kind="fdb",action="remove"} 114
weft_kernel_step_failures_total 119
weft_kernel_drift_total{kind="route"} 115
weft_kernel_drift_total{kind="link"} 116
weft_kernel_resyncs_total{reason="timer"} 117
weft_kernel_resyncs_total{reason="overrun"} 118
weft_kernel_overruns_total 128
weft_kernel_contested_objects 3
weft_kernel_read_failing 1
weft_device_packets_total{device="flannel.1",role="overlay",direction="receive"} 401
weft_device_packets_total{device="flannel.1",role="overlay",direction="transmit"} 402
weft_device_packets_total{device="eth0",role="underlay",direction="receive"} 501
weft_device_packets_total{device="eth0",role="underlay",direction="transmit"} 502
weft_device_bytes_total{device="flannel.1",role="overlay",direction="receive"} 403
weft_device_bytes_total{device="flannel.1",role="overlay",direction="transmit"} 404
weft_device_bytes_total{device="eth0",role="underlay",direction="receive"} 503
weft_device_bytes_total{device="eth0",role="underlay",direction="transmit"} 504
weft_device_errors_total{device="flannel.1",role="overlay",direction="receive"} 405
weft_device_errors_total{device="flannel.1",role="overlay",direction="transmit"} 406
weft_device_errors_total{device="eth0",role="underlay",direction="receive"} 505
weft_device_errors_total{device="eth0",role="underlay",direction="transmit"} 506
weft_device_drops_total{device="flannel.1",role="overlay",direction="receive"} 407
weft_device_drops_total{device="flannel.1",role="overlay",direction="transmit"} 408
weft_device_drops_total{device="eth0",role="underlay",direction="receive"} 507
weft_device_drops_total{device="eth0",role="underlay",direction="transmit"} 508
weft_path_packets_total{device="flannel0",direction="receive"} 201
weft_path_packets_total{device="flannel0",direction="transmit"} 202
weft_path_packets_total{device="flannel.7",direction="receive"} 301
weft_path_packets_total{device="flannel.7",direction="transmit"} 302
weft_path_bytes_total{device="flannel0",direction="receive"} 203
weft_path_bytes_total{device="flannel0",direction="transmit"} 204
weft_path_bytes_total{device="flannel.7",direction="receive"} 303
weft_path_bytes_total{device="flannel.7",direction="transmit"} 304
weft_path_kernel_packets_total{device="flannel0",direction="receive"} 205
weft_path_kernel_packets_total{device="flannel0",direction="transmit"} 206
weft_path_kernel_packets_total{device="flannel.7",direction="receive"} 305
weft_path_kernel_packets_total{device="flannel.7",direction="transmit"} 306
weft_path_decapsulated_packets_total{device="flannel0"} 214
weft_path_decapsulated_packets_total{device="flannel.7"} 314
weft_path_drops_total{device="flannel0",direction="transmit",reason="no-route"} 211
weft_path_drops_total{device="flannel0",direction="receive",reason="not-ip"} 212
weft_path_drops_total{device="flannel0",direction="transmit",reason="ttl"} 213
weft_path_drops_total{device="flannel.7",direction="transmit",reason="no-route"} 311
weft_path_drops_total{device="flannel.7",direction="receive",reason="not-ip"} 312
weft_path_drops_total{device="flannel.7",direction="transmit",reason="ttl"} 313
weft_path_icmp_errors_total{device="flannel0"} 207
weft_path_icmp_errors_total{device="flannel.7"} 307
weft_path_icmp_errors_limited_total{device="flannel0"} 208
weft_path_icmp_errors_limited_total{device="flannel.7"} 308
weft_path_fragmented_packets_total{device="flannel0"} 209
weft_path_fragmented_packets_total{device="flannel.7"} 309
weft_path_offloads_dropped_total{device="flannel0"} 210
weft_path_offloads_dropped_total{device="flannel.7"} 310
weft_path_socket_drops_total{device="flannel0"} 7000
weft_path_socket_drops_total{device="flannel.7"} 6000
weft_path_in_kernel{device="flannel0"} 1
weft_path_in_kernel{device="flannel.7"} 0
weft_wireguard_peers{device="flannel-wg"} 2
weft_wireguard_peers{device="flannel-wg-v6"} 1
weft_wireguard_silent_peers{device="flannel-wg"} 1
weft_wireguard_silent_peers{device="flannel-wg-v6"} 0
weft_wireguard_oldest_handshake_seconds{device="flannel-wg"} 7
weft_wireguard_oldest_handshake_seconds{device="flannel-wg-v6"} 8.5
weft_wireguard_bytes_total{device="flannel-wg",direction="receive"} 1380
weft_wireguard_bytes_total{device="flannel-wg",direction="transmit"} 2381
weft_wireguard_bytes_total{device="flannel-wg-v6",direction="receive"} 5
weft_wireguard_bytes_total{device="flannel-wg-v6",direction="transmit"} 6
weft_probe_peers 132
weft_probe_silent_peers 133
weft_probe_loss_ratio 0.25
weft_probe_mean_rtt_seconds 0.134
weft_probe_worst_rtt_seconds 0.135
weft_checksum_offload_found{device="flannel.1",found="unknown"} 0
weft_checksum_offload_found{device="flannel.1",found="good"} 0
weft_checksum_offload_found{device="flannel.1",found="suspect"} 1
weft_checksum_offload_found{device="flannel.1",found="bad"} 0
weft_checksum_offload_found{device="flannel.1",found="off"} 0
weft_on_change_runs_total{outcome="ok"} 129
weft_on_change_runs_total{outcome="failed"} 130
weft_on_change_runs_total{outcome="timeout"} 131
weft_on_change_running 1
`
  .trim()
  .split('\n');

const EXPECTED_EMPTY = `
weft_build_info{version="v9",node="${process.version}",arch="${process.arch}"} 1
weft_health{health="ok"} 0
weft_health{health="degraded"} 0
weft_health{health="not-ready"} 1
weft_lease_errors_total 0
weft_peers{state="in-sync"} 0
weft_peers{state="pending"} 0
weft_peers{state="error"} 0
weft_registry_connected 0
weft_registry_revision 0
weft_registry_bad_keys 0
weft_probe_peers 0
weft_probe_silent_peers 0
`
  .trim()
  .split('\n');

const OF_NODE = METRICS.filter((metric) => !PROCESS_METRICS.includes(metric));

describe('the values of metrics', () => {
  it('are those of the node, in base units and under their own labels', () => {
    assert.deepEqual(linesOf(OF_NODE, CONTEXT), EXPECTED);
  });

  it('are in the table, all of them', () => {
    const shown = new Set(EXPECTED.map((line) => /^\w+/.exec(line)![0]));
    assert.deepEqual(
      OF_NODE.map(({ name }) => name),
      [...shown],
    );
  });

  it('are absent while they are unknown', () => {
    assert.deepEqual(linesOf(OF_NODE, EMPTY), EXPECTED_EMPTY);
  });

  it('have names and labels as Prometheus has them', () => {
    for (const metric of METRICS) {
      assert.equal(metric.name.endsWith('_total'), metric.type === 'counter', metric.name);
      assert.match(metric.help, /^.{9,}[^.]$/, metric.name);
      for (const { labels = {} } of metric.read(CONTEXT))
        assert.deepEqual(Object.keys(labels).toSorted(), [...(metric.labels ?? [])].toSorted(), metric.name);
    }
  });

  const valueOf = (name: string, context: ScrapeContext): number | undefined =>
    METRICS.find((metric) => metric.name === name)!.read(context)[0]?.value;
  const withDaemon = (more: object): ScrapeContext => ({
    ...CONTEXT,
    daemon: { ...DAEMON, ...more },
  });
  const withStatus = (more: object): ScrapeContext => ({
    ...CONTEXT,
    status: { ...STATUS, ...more },
  });
  const single: readonly (readonly [string, ScrapeContext, number | undefined])[] = [
    ['weft_registry_contact_age_seconds', { ...CONTEXT, nowMs: 3000 }, 0],
    ['weft_registry_contact_age_seconds', { ...CONTEXT, nowMs: 4000 }, 0],
    ['weft_registry_contact_age_seconds', { ...CONTEXT, nowMs: 4001 }, 0.001],
    ['weft_config_rejected', withStatus({ config: { revision: 1, counts: {} } }), 0],
    ['weft_kernel_read_failing', withStatus({ kernel: { ...STATUS.kernel, readError: undefined } }), 0],
    ['weft_lease_expiry_timestamp_seconds', withStatus({ lease: { state: 'held' } }), undefined],
    ['weft_on_change_running', withDaemon({ hook: { isRunning: false, counts: {} } }), 0],
    ['weft_path_socket_drops_total', { ...CONTEXT, socketDrops: undefined }, undefined],
    ['weft_path_socket_drops_total', withDaemon({ packetPath: undefined }), undefined],
    [
      'weft_probe_peers',
      withDaemon({
        leaseManager: undefined,
        probes: { summary: (has: (key: string) => boolean) => ({ peers: Number(has('held')) }) },
      }),
      0,
    ],
  ];
  for (const [name, context, expected] of single)
    it(`${name} is ${expected}`, () => assert.equal(valueOf(name, context), expected));
});

describe('the metrics of the process', () => {
  const originals = { ...Object.getOwnPropertyDescriptors(process) };
  afterEach(() => {
    for (const name of ['cpuUsage', 'memoryUsage', 'uptime'] as const)
      Object.defineProperty(process, name, originals[name]);
  });

  it('have base units', () => {
    const memory = Object.assign(() => ({ heapUsed: 7000 }), { rss: () => 5000 });
    const [cpu, up] = [() => ({ user: 1_500_000, system: 2_000_000 }), () => 1000];
    Object.assign(process, { cpuUsage: cpu, memoryUsage: memory, uptime: up });
    const values = new Map(PROCESS_METRICS.map(({ name, read }) => [name, read(CONTEXT)[0]!.value]));
    assert.equal(values.get('process_cpu_seconds_total'), 3.5);
    assert.equal(values.get('process_resident_memory_bytes'), 5000);
    assert.equal(values.get('nodejs_heap_size_used_bytes'), 7000);
    const startedAgo = Date.now() / 1000 - values.get('process_start_time_seconds')!;
    assert.ok(startedAgo >= 1000 && startedAgo < 1002, `${startedAgo} s`);
    // readdir(3) opens the folder that it lists.
    assert.equal(values.get('process_open_fds'), readdirSync('/proc/self/fd').length - 1);
    assert.equal(values.size, 5);
  });
});

describe('histograms', () => {
  const durations = { bounds: [1, 2500], cumulative: [1, 2, 3], sum: 4500 };
  const rtts = { bounds: [0.5], cumulative: [5, 6], sum: 7 };
  const context = (more: object): ScrapeContext => ({
    ...CONTEXT,
    daemon: {
      ...DAEMON,
      reconciler: { status: () => ({ counters: { durations } }) },
      liveness: { rtts: () => rtts },
      ...more,
    } as unknown as NodeView,
  });
  const valuesOf = (from: ScrapeContext) =>
    Object.fromEntries(HISTOGRAMS.map(({ name, read }) => [name, read(from)]));

  it('are those of the node, in base units', () =>
    assert.deepEqual(valuesOf(context({})), {
      weft_reconcile_duration_seconds: { bounds: [0.001, 2.5], cumulative: [1, 2, 3], sum: 4.5 },
      weft_liveness_rtt_seconds: { bounds: [0.0005], cumulative: [5, 6], sum: 0.007 },
    }));

  it('are absent while there is nothing to count', () => {
    const none = { weft_reconcile_duration_seconds: undefined, weft_liveness_rtt_seconds: undefined };
    assert.deepEqual(valuesOf(context({ reconciler: undefined, liveness: undefined })), none);
  });

  it('have names and labels as Prometheus has them', () => {
    for (const { name, help } of HISTOGRAMS) {
      assert.match(name, /^weft_\w+_seconds$/);
      assert.match(help, /^.{9,}[^.]$/, name);
    }
  });
});
