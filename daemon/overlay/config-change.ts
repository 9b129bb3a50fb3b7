// Plans a change of the network config: its effect, and the hosts and containers that it affects.
// Pure.
import type {
  BackendConfig,
  BackendType,
  Ipv4Range,
  Ipv6Range,
  NetworkConfig,
  TxChecksumOffload,
} from '../../allocator/config/config.ts';
import type { IpAddress } from '../../lib/address.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
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
  // Settings of one type mean nothing in another: of another type only those that differ from its defaults are changes.
  const isOtherType = before?.backend.type !== after.backend.type;
  const from = before === undefined ? {} : fieldsOf(before, isOtherType);
  const to = fieldsOf(after, isOtherType);
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
      ...consequencesOf(names, { before, after, renumbered, leases }, migration !== undefined),
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
  return `all hosts go from ${from} to ${to}, one by one ${lossOf(before.backend, after.backend)}`;
}

/** A transport beside the other costs nothing; one whose device has the name of the other's does. */
function lossOf(before: BackendConfig, after: BackendConfig): string {
  const reopened = 'and each opens its device in userspace again: packets of 0.1 to 0.2 s are lost';
  if (before.type === 'udp' && after.type === 'udp') return reopened;
  if (before.type !== 'vxlan' || after.type !== 'vxlan' || before.vni !== after.vni)
    return 'without packet loss';
  if (before.userspace === true && after.userspace === true) return reopened;
  return 'without packet loss since Linux 6.2; an older kernel renames a device that is down, in a few milliseconds';
}

interface Consequential {
  readonly before: NetworkConfig | undefined;
  readonly after: NetworkConfig;
  readonly renumbered: readonly string[];
  readonly leases: readonly Lease[];
}

/** A migration makes a device beside the present one, which is then removed: no device is re-created. */
function consequencesOf(
  names: readonly string[],
  { before, after, renumbered, leases }: Consequential,
  isMigration: boolean,
): string[] {
  const lines: string[] = [];
  if (renumbered.length > 0)
    lines.push(
      `${renumbered.length} of ${leases.length} hosts get another subnet, and their containers must be started again: ` +
        `${renumbered.slice(0, 5).join(', ')}${renumbered.length > 5 ? ', …' : ''}`,
    );
  if (before !== undefined && names.some((name) => name === 'Backend.MTU' || name === 'Backend.Type'))
    lines.push(mtuConsequence(before.backend, after.backend));
  if (!isMigration && names.some((name) => name === 'Backend.GBP' || name === 'Backend.Userspace'))
    lines.push('the device of every host is re-created: packets of some milliseconds are lost');
  if (!isMigration && names.some((name) => /^Backend\.(?:Mode|ListenPort(?:V6)?)$/.test(name)))
    lines.push('packets between hosts are lost until both have followed, for some seconds');
  if (!isMigration && names.includes('Backend.PSK'))
    lines.push(
      'sessions go on with the former key, for two minutes; no packet is lost if all hosts follow before',
    );
  if (names.includes('Backend.TxChecksumOffload') && after.backend.type === 'vxlan')
    lines.push(OFFLOAD_CONSEQUENCES[after.backend.txChecksumOffload]);
  return lines;
}

/** The backend itself may change the MTU, and an MTU that is unset is that of each host's interface. */
function mtuConsequence(before: BackendConfig, after: BackendConfig): string {
  const [from, to] = [mtuOf(before), mtuOf(after)];
  if (before.type === after.type && from !== undefined && to !== undefined && to > from)
    return `the MTU in subnet.env grows by ${to - from}; containers that run keep theirs until they are started again`;
  return (
    'the MTU in subnet.env changes; containers that run keep theirs: start them again where it shrinks, ' +
    'as their larger packets are dropped with an ICMP error'
  );
}

function mtuOf(backend: BackendConfig): number | undefined {
  return 'mtu' in backend ? backend.mtu : undefined;
}

const OFFLOAD_CONSEQUENCES: Readonly<Record<TxChecksumOffload, string>> = {
  auto: 'every host leaves checksums to its devices, unless its probes find them wrong; no packet is lost',
  on: 'every host leaves checksums to its devices, right or wrong; no packet is lost',
  off: 'every host computes checksums itself, and sends large TCP packets in pieces: slower, right everywhere; no packet is lost',
};

/** Settings by the name that the document has for them; those of the backend that are its defaults on request only. */
function fieldsOf(
  { ipv4, ipv6, enableNftables, backend }: NetworkConfig,
  isWithoutDefaults: boolean,
): Record<string, string | undefined> {
  const defaults = isWithoutDefaults ? defaultsOf(backend.type) : {};
  const settings = Object.entries(backend)
    .filter(([name, value]) => name === 'type' || value !== defaults[name])
    .map(([name, value]): [string, string] => [`Backend.${BACKEND_NAMES[name] ?? name}`, String(value)])
    // A secret shows by its fingerprint.
    .filter(([name]) => name !== 'Backend.psk');
  return {
    ...rangeFields('', ipv4),
    ...rangeFields('IPv6', ipv6),
    ...(enableNftables !== undefined && { EnableNFTables: String(enableNftables) }),
    ...Object.fromEntries(settings),
  };
}

function defaultsOf(type: BackendType): Readonly<Record<string, unknown>> {
  const parsed = parseNetworkConfig(JSON.stringify({ Network: '10.0.0.0/8', Backend: { Type: type } }));
  return parsed.ok ? { ...parsed.config.backend } : {};
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
  pskId: 'PSK',
  listenPort: 'ListenPort',
  listenPortV6: 'ListenPortV6',
  mode: 'Mode',
  keepaliveSec: 'PersistentKeepaliveInterval',
  keyEpoch: 'KeyEpoch',
  rotateAfterSec: 'RotateAfter',
};
