// Plans a change of the network config: its effect, and the hosts and containers that it affects.
// Pure.
import type {
  Ipv4Range,
  Ipv6Range,
  NetworkConfig,
  TxChecksumOffload,
} from '../../allocator/config/config.ts';
import type { IpAddress } from '../../lib/address.ts';
import type { Lease } from '../../allocator/lease.ts';
import { SubnetPool } from '../../allocator/subnet/subnet-pool.ts';
import { overlapWarning } from '../../backends/underlay-addresses.ts';
import { transportId, transportOf } from '../../backends/transport.ts';

/** `live`: hosts follow without disruption. */
export type ConfigEffect = 'none' | 'live' | 'migration' | 'renumbering';

export interface ConfigChangePlan {
  /** The most severe of all. */
  readonly effect: ConfigEffect;
  /** One a change: what, from what, to what. */
  readonly changes: readonly string[];
  /** What follows from them for containers or hosts, one line each. */
  readonly consequences: readonly string[];
  /** Keys of the leases whose hosts would get another subnet. */
  readonly renumbered: readonly string[];
}

/**
 * Compares two configs; `before` is unset if there is none. `etcdAddresses`: as far as they are known.
 */
export function planConfigChange(
  before: NetworkConfig | undefined,
  after: NetworkConfig,
  leases: readonly Lease[],
  etcdAddresses: readonly IpAddress[] = [],
): ConfigChangePlan {
  const from = before === undefined ? {} : fieldsOf(before);
  const to = fieldsOf(after);
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter(
    (name) => from[name] !== to[name],
  );
  const changes = names.map((name) => `${name}: ${from[name] ?? 'unset'} -> ${to[name] ?? 'unset'}`);
  const pool = new SubnetPool(after);
  const renumbered = leases.filter(({ subnets }) => pool.renumbers(subnets)).map(({ key }) => key);
  const migration = before && findMigration(before, after);
  return {
    effect: effectOf(names.length > 0, migration !== undefined, renumbered.length > 0),
    changes,
    consequences: [
      ...(migration === undefined ? [] : [migration]),
      ...consequencesOf(names, { after, renumbered, leases }),
      ...overlapsOf(after, leases, etcdAddresses),
    ],
    renumbered,
  };
}

/** Addresses of hosts and etcd in the new networks. */
export function overlapsOf(
  after: NetworkConfig,
  leases: readonly Lease[],
  etcdAddresses: readonly IpAddress[],
): readonly string[] {
  const etcd = etcdAddresses.map((address) => ({ address, role: 'an address of etcd' }));
  const hosts = leases.flatMap(({ attributes: { publicIp, publicIpv6 }, key }) =>
    [publicIp, publicIpv6].flatMap((address) =>
      address === undefined ? [] : [{ address, role: `the public address of ${key}` }],
    ),
  );
  const warning = overlapWarning(after, [...etcd, ...hosts]);
  return warning === undefined ? [] : [warning];
}

function effectOf(isChanged: boolean, isMigration: boolean, isRenumbering: boolean): ConfigEffect {
  if (isRenumbering) return 'renumbering';
  if (isMigration) return 'migration';
  return isChanged ? 'live' : 'none';
}

function findMigration(before: NetworkConfig, after: NetworkConfig): string | undefined {
  const [from, to] = [transportId(transportOf(before.backend)), transportId(transportOf(after.backend))];
  if (from === to) return undefined;
  return `all hosts go from ${from} to ${to}, one by one and without loss between backends of the kernel`;
}

interface Consequential {
  readonly after: NetworkConfig;
  readonly renumbered: readonly string[];
  readonly leases: readonly Lease[];
}

function consequencesOf(names: readonly string[], { after, renumbered, leases }: Consequential): string[] {
  const lines: string[] = [];
  if (renumbered.length > 0)
    lines.push(
      `${renumbered.length} of ${leases.length} hosts get another subnet, and their containers must be started again: ` +
        `${renumbered.slice(0, 5).join(', ')}${renumbered.length > 5 ? ', …' : ''}`,
    );
  if (names.some((name) => name === 'Backend.MTU' || name === 'Backend.Type'))
    lines.push('the MTU in subnet.env changes; containers that run keep theirs');
  if (names.some((name) => name === 'Backend.GBP' || name === 'Backend.Userspace'))
    lines.push('the device of every host is re-created: packets of some milliseconds are lost');
  if (names.includes('Backend.TxChecksumOffload') && after.backend.type === 'vxlan')
    lines.push(OFFLOAD_CONSEQUENCES[after.backend.txChecksumOffload]);
  return lines;
}

const OFFLOAD_CONSEQUENCES: Readonly<Record<TxChecksumOffload, string>> = {
  auto: 'every host leaves checksums to its devices, unless its probes find them wrong; no packet is lost',
  on: 'every host leaves checksums to its devices, right or wrong; no packet is lost',
  off: 'every host computes checksums itself, and sends large TCP packets in pieces: slower, right everywhere; no packet is lost',
};

/** Every setting by the name that the document has for it, defaults included. */
function fieldsOf({
  ipv4,
  ipv6,
  enableNftables,
  backend,
}: NetworkConfig): Record<string, string | undefined> {
  const settings = Object.entries(backend as object).map(([name, value]): [string, string] => [
    `Backend.${BACKEND_NAMES[name] ?? name}`,
    String(value),
  ]);
  return {
    ...rangeFields('', ipv4),
    ...rangeFields('IPv6', ipv6),
    EnableNFTables: String(enableNftables),
    ...Object.fromEntries(settings),
  };
}

function rangeFields(prefix: string, range: Ipv4Range | Ipv6Range | undefined): Record<string, string> {
  if (range === undefined) return {};
  return {
    [`${prefix}Network`]: range.network,
    [`${prefix}SubnetLen`]: String(range.subnetLength),
    [`${prefix}SubnetMin`]: range.min,
    [`${prefix}SubnetMax`]: range.max,
  };
}

const BACKEND_NAMES: Readonly<Record<string, string>> = {
  type: 'Type',
  vni: 'VNI',
  port: 'Port',
  mtu: 'MTU',
  learning: 'Learning',
  gbp: 'GBP',
  directRouting: 'DirectRouting',
  userspace: 'Userspace',
  txChecksumOffload: 'TxChecksumOffload',
};
