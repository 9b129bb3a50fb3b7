// Metrics on this host as a member of the cluster: its health, its lease, its config, its peers in sums.
import { SubnetPool } from '../../allocator/subnet/subnet-pool.ts';
import { each, oneOf, only, type Family, type Look } from './metric.ts';

const HEALTH = ['ok', 'degraded', 'not-ready'];
const LEASE_STATES = ['waiting', 'acquiring', 'held', 'expiring', 'lost', 'exhausted', 'stopped'];
const MODES = ['tunnel', 'direct', 'userspace', 'none', 'error'];

export const HOST_FAMILIES: readonly Family[] = [
  {
    name: 'weft_build_info',
    type: 'gauge',
    help: 'Always 1; the labels tell which weft runs on which Node',
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
    help: 'Health of this host: 1 for the one that holds, as weft status says it',
    labels: ['health'],
    read: ({ status }) => oneOf('health', HEALTH, status.health),
  },
  {
    name: 'weft_lease_state',
    type: 'gauge',
    help: 'State of the lease of this host: 1 for the one that holds',
    labels: ['state'],
    read: ({ status }) => oneOf('state', LEASE_STATES, status.lease?.state),
  },
  {
    name: 'weft_lease_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When the lease of this host ends unless it is renewed; absent for a reservation, which never ends',
    read: ({ status: { lease } }) =>
      only(lease?.expiresAt === undefined ? undefined : Date.parse(lease.expiresAt) / 1000),
  },
  {
    name: 'weft_lease_errors_total',
    type: 'counter',
    help: 'Attempts to acquire, publish or renew the lease that failed',
    read: ({ daemon }) => only(daemon.events.counts.get('attempt-failed') ?? 0),
  },
  {
    name: 'weft_pool_subnets',
    type: 'gauge',
    help: 'Subnets that hosts can lease in the whole network',
    read: (look) => only(poolSize(look)),
  },
  {
    name: 'weft_pool_used_subnets',
    type: 'gauge',
    help: 'Subnets that hosts have leased or reserved',
    read: ({ daemon }) => only(daemon.mirror?.leases.size),
  },
  {
    name: 'weft_config_revision',
    type: 'gauge',
    help: 'Registry revision of the network config in force',
    read: ({ status }) => only(status.config?.revision),
  },
  {
    name: 'weft_config_rejected',
    type: 'gauge',
    help: '1 while the newest network config is refused and an older one is in force',
    read: ({ status }) => only(status.config && status.config.rejected !== undefined),
  },
  {
    name: 'weft_config_documents_total',
    type: 'counter',
    help: 'Network configs that came into force or were refused',
    labels: ['outcome'],
    read: ({ status }) => each('outcome', status.config?.counts),
  },
  {
    name: 'weft_overlay_mtu_bytes',
    type: 'gauge',
    help: 'MTU for containers',
    read: ({ status }) => only(status.network?.mtu),
  },
  {
    name: 'weft_peers',
    type: 'gauge',
    help: 'Other hosts by whether the kernel holds what leads to them',
    labels: ['state'],
    read: ({ status }) => {
      const { inSync, pending, errors } = status.peers;
      return each('state', { 'in-sync': inSync, pending, error: errors });
    },
  },
  {
    name: 'weft_peers_by_mode',
    type: 'gauge',
    help: 'Other hosts by how packets to them are carried',
    labels: ['mode'],
    read: peersByMode,
  },
  {
    name: 'weft_events_total',
    type: 'counter',
    help: 'What happened, by the codes of weft watch',
    labels: ['code'],
    read: ({ daemon }) => each('code', Object.fromEntries(daemon.events.counts)),
  },
];

function poolSize({ daemon }: Look): number | undefined {
  return daemon.config && new SubnetPool(daemon.config).size;
}

function peersByMode({ daemon }: Look): ReturnType<Family['read']> {
  if (daemon.reconciler === undefined) return [];
  const counts = Object.fromEntries(MODES.map((mode) => [mode, 0]));
  for (const { mode } of daemon.reconciler.status().peerStatus.values())
    counts[mode] = (counts[mode] ?? 0) + 1;
  return each('mode', counts);
}
