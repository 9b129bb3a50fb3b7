// Makes the status document of the node view.
import { HOST } from '../reconciler/desired-state.ts';
import { readinessOf } from '../node/readiness.ts';
import { weftVersion } from '../node/version.ts';
import { badKeysOf } from './bad-keys.ts';
import { checksumOffloadOf } from './checksum-offload.ts';
import type { NodeView, ReconcilerView } from './node-view.ts';
import { pathsOf } from './path-view.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type {
  HealthV1,
  InterfaceV1,
  KernelV1,
  NetworkV1,
  OwnLeaseV1,
  RegistryV1,
  StatusV1,
} from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';

export function statusOf(daemon: NodeView): StatusV1 {
  const { isReady, reasons } = readinessOf(daemon.readiness);
  const health: HealthV1 = isReady ? (reasons.length === 0 ? 'ok' : 'degraded') : 'not-ready';
  const { peers = 0, inSync = 0, pending = 0, errors = 0 } = daemon.reconciler?.summary() ?? {};
  const [network, chosen] = [networkOf(daemon), interfaceOf(daemon)];
  const [lease, kernel] = [leaseOf(daemon), kernelOf(daemon)];
  const liveness = daemon.options.livenessIntervalSec > 0 ? daemon.liveness?.counts() : undefined;
  return {
    version: CONTROL_VERSION,
    at: wallTime(daemon.clock.nowMs()),
    health,
    reasons,
    ...(daemon.hostName !== undefined && { name: daemon.hostName }),
    daemon: {
      version: weftVersion(),
      pid: process.pid,
      startedAt: wallTime(daemon.startedMs),
      phase: daemon.leaseManager === undefined ? daemon.readiness.phase : 'working',
      memoryBytes: process.memoryUsage.rss(),
    },
    ...(network && { network }),
    ...(daemon.readiness.config && { config: daemon.readiness.config }),
    ...(chosen && { interface: chosen }),
    ...(lease && { lease }),
    registry: registryOf(daemon),
    ...(kernel && { kernel }),
    ...(daemon.conflist && { conflist: daemon.conflist.status }),
    peers: { total: peers, inSync, pending, errors, ...(liveness && { liveness }) },
  };
}

function networkOf(daemon: NodeView): NetworkV1 | undefined {
  const { network, migration, reconciler } = daemon;
  if (network === undefined) return undefined;
  const { config, mtu } = network;
  const [paths, checksumOffload] = [pathsOf(daemon), checksumOffloadOf(daemon)];
  return {
    ...(config.ipv4 && { ipv4: config.ipv4.network }),
    ...(config.ipv6 && { ipv6: config.ipv6.network }),
    backend: config.backend.type,
    encapsulation: encapsulationOf(reconciler),
    devices: reconciler?.ownership?.devices ?? [],
    ...(mtu !== undefined && { mtu }),
    ...(migration && { migration }),
    ...(paths.length > 0 && { paths }),
    ...(checksumOffload.length > 0 && { checksumOffload }),
  };
}

function encapsulationOf(reconciler: ReconcilerView | undefined): NetworkV1['encapsulation'] {
  for (const [key, object] of reconciler?.objectsOf(HOST) ?? []) {
    if (object.kind !== 'link') continue;
    const actual = reconciler?.known?.objects.get(key);
    const isServed = actual !== undefined && 'isInUserspace' in actual;
    return object.type === 'tun' || isServed ? 'userspace' : 'kernel';
  }
  return 'none';
}

function interfaceOf({ snapshot }: NodeView): InterfaceV1 | undefined {
  if (snapshot === undefined) return undefined;
  const { name, mtu, ipv4, ipv6, publicIp, publicIpv6, selectedBy } = snapshot.chosen;
  return {
    name,
    mtu,
    ...(ipv4 && { address: ipv4 }),
    ...(ipv6 && { addressV6: ipv6 }),
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    selectedBy,
  };
}

const MAX_OVERLAPPING = 20;

function leaseOf({ leaseManager, readiness }: NodeView): OwnLeaseV1 | undefined {
  if (leaseManager === undefined) return undefined;
  const { own, state, lastError, overlapping = new Set() } = leaseManager;
  return {
    state,
    ...(own && { key: own.key, ...own.subnets, isReservation: own.isReservation }),
    ...(own && Number.isFinite(own.expiresAtMs) && { expiresAt: wallTime(own.expiresAtMs) }),
    ...(readiness.hasPublicIpConflict === true && { isPublicIpContested: true }),
    ...(overlapping.size > 0 && { overlapping: [...overlapping].sort().slice(0, MAX_OVERLAPPING) }),
    ...(lastError && { lastError: lastError.message }),
  };
}

function registryOf({ options, registryCache }: NodeView): RegistryV1 {
  const { kubernetes } = options;
  const { endpoints, prefix } =
    kubernetes === undefined
      ? options.etcd
      : {
          endpoints: [kubernetes.apiUrl || kubernetes.kubeconfigFile || 'in-cluster'],
          prefix: kubernetes.names.isManaged,
        };
  return {
    ...(kubernetes !== undefined && { kind: 'kubernetes' }),
    endpoints,
    prefix,
    isConnected: registryCache?.isConnected ?? false,
    revision: registryCache?.revision ?? 0,
    ...(registryCache?.lastContactMs !== undefined && {
      lastContactAt: wallTime(registryCache.lastContactMs),
    }),
    ...(registryCache?.lastKnownAt !== undefined && { lastKnownAt: registryCache.lastKnownAt }),
    ...(registryCache?.lastError && { lastError: registryCache.lastError.message }),
    resyncs: registryCache?.resyncs ?? {},
    ...badKeysOf(registryCache?.invalidEntries ?? new Map()),
  };
}

function kernelOf({ reconciler }: NodeView): KernelV1 | undefined {
  if (reconciler === undefined) return undefined;
  const { host, contested, readError, counters } = reconciler.status();
  const { runs, steps, drift, resyncs, failures, lastRunMs, lastDurationMs } = counters;
  return {
    host: host.state,
    ...(host.reason !== undefined && { hostReason: host.reason }),
    contested,
    ...(readError !== undefined && { readError }),
    runs,
    ...(lastRunMs !== undefined && { lastRunAt: wallTime(lastRunMs) }),
    ...(lastDurationMs !== undefined && { lastRunMs: lastDurationMs }),
    steps,
    drift,
    resyncs,
    failures,
  };
}
