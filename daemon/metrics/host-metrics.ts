// Metrics of this host as a member of the cluster: health, lease, config, and sums over its peers.
import { HEALTH_STATES, LEASE_STATES } from '../../api/index.ts';
import { SubnetPool } from '../../allocator/subnet/subnet-pool.ts';
import { byLabel, stateSet, single, type Metric, type ScrapeContext } from './metric.ts';

const MODES = ['tunnel', 'direct', 'userspace', 'command', 'none', 'error'];

export const HOST_METRICS: readonly Metric[] = [
  {
    name: 'weft_build_info',
    type: 'gauge',
    help: 'Always 1; the labels name the versions of weft and Node',
    labels: ['version', 'node', 'arch'],
    read: ({ status }) => [
      {
        labels: { version: status.daemon.version, node: process.version, arch: process.arch },
        value: 1,
      },
    ],
  },
  {
    name: 'weft_health',
    type: 'gauge',
    help: 'Health of this host as in weft status: 1 for the current state',
    labels: ['health'],
    read: ({ status }) => stateSet('health', HEALTH_STATES, status.health),
  },
  {
    name: 'weft_lease_state',
    type: 'gauge',
    help: "State of this host's lease: 1 for the current state",
    labels: ['state'],
    read: ({ status }) => stateSet('state', LEASE_STATES, status.lease?.state),
  },
  {
    name: 'weft_lease_expiry_timestamp_seconds',
    type: 'gauge',
    help: "When this host's lease expires unless renewed; absent for a reservation, which never expires",
    read: ({ status: { lease } }) =>
      single(lease?.expiresAt === undefined ? undefined : Date.parse(lease.expiresAt) / 1000),
  },
  {
    name: 'weft_lease_errors_total',
    type: 'counter',
    help: 'Failed attempts to acquire, publish or renew the lease',
    read: ({ daemon }) => single(daemon.events.counts.get('attempt-failed') ?? 0),
  },
  {
    name: 'weft_pool_subnets',
    type: 'gauge',
    help: 'Subnets of the network that hosts can lease',
    read: (context) => single(poolSize(context)),
  },
  {
    name: 'weft_pool_used_subnets',
    type: 'gauge',
    help: 'Subnets that are leased or reserved',
    read: ({ daemon }) => single(daemon.registryCache?.leases.size),
  },
  {
    name: 'weft_config_revision',
    type: 'gauge',
    help: 'Registry revision of the network config in force',
    read: ({ status }) => single(status.config?.revision),
  },
  {
    name: 'weft_config_rejected',
    type: 'gauge',
    help: '1 while the newest network config is rejected and an older one is in force',
    read: ({ status }) => single(status.config && status.config.rejected !== undefined),
  },
  {
    name: 'weft_config_documents_total',
    type: 'counter',
    help: 'Network configs by outcome: applied or rejected',
    labels: ['outcome'],
    read: ({ status }) => byLabel('outcome', status.config?.counts),
  },
  {
    name: 'weft_overlay_mtu_bytes',
    type: 'gauge',
    help: 'MTU of containers',
    read: ({ status }) => single(status.network?.mtu),
  },
  {
    name: 'weft_peers',
    type: 'gauge',
    help: 'Peers by state of their kernel objects',
    labels: ['state'],
    read: ({ status }) => {
      const { inSync, pending, errors } = status.peers;
      return byLabel('state', { 'in-sync': inSync, pending, error: errors });
    },
  },
  {
    name: 'weft_peers_by_liveness',
    type: 'gauge',
    help: 'Peers by what continuous probes found; absent without probes',
    labels: ['liveness'],
    read: ({ status }) => byLabel('liveness', status.peers.liveness),
  },
  {
    name: 'weft_peers_by_mode',
    type: 'gauge',
    help: 'Peers by datapath',
    labels: ['mode'],
    read: peersByMode,
  },
  {
    name: 'weft_events_total',
    type: 'counter',
    help: 'Events by code, as in weft watch',
    labels: ['code'],
    read: ({ daemon }) => byLabel('code', Object.fromEntries(daemon.events.counts)),
  },
];

function poolSize({ daemon }: ScrapeContext): number | undefined {
  return daemon.config && new SubnetPool(daemon.config).size;
}

function peersByMode({ daemon }: ScrapeContext): ReturnType<Metric['read']> {
  if (daemon.reconciler === undefined) return [];
  const counts = Object.fromEntries(MODES.map((mode) => [mode, 0]));
  for (const { mode } of daemon.reconciler.status().peerStatus.values())
    counts[mode] = (counts[mode] ?? 0) + 1;
  return byLabel('mode', counts);
}
