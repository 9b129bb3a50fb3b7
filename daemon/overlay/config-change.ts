// Plans a change of the network config: its effect, and the hosts and containers that it affects.
// Pure.
import type {
  BackendConfig,
  Ipv4Range,
  Ipv6Range,
  NetworkConfig,
  TxChecksumOffload,
} from '../../allocator/config/config.ts';
import type { IpAddress } from '../../lib/address.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import type { Lease } from '../../allocator/lease.ts';
import { SubnetPool } from '../../allocator/subnet/subnet-pool.ts';
import { backendFor } from '../../backends/index.ts';
import type { UnderlayMtu } from '../../backends/kernel-state.ts';
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

/** What is known of hosts and etcd. */
export interface ClusterFacts {
  /** Of etcd, as far as its endpoints are any. */
  readonly etcdAddresses?: readonly IpAddress[];
  /** Of the interfaces of hosts, as far as they report them. */
  readonly underlayMtus?: readonly number[];
}

/** The changes alone, one line each; `before` is unset if there is none. */
export function configChanges(before: NetworkConfig | undefined, after: NetworkConfig): readonly string[] {
  return planConfigChange(before, after, []).changes;
}

/** Compares two configs; `before` is unset if there is none. */
export function planConfigChange(
  before: NetworkConfig | undefined,
  after: NetworkConfig,
  leases: readonly Lease[],
  { etcdAddresses = [], underlayMtus = [] }: ClusterFacts = {},
): ConfigChangePlan {
  const from = before === undefined ? {} : fieldsOf(before);
  const to = fieldsOf(after);
  const isDefault = withDefaults(before, after);
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter(
    (name) => from[name] !== to[name] && !isDefault(name, from[name], to[name]),
  );
  const changes = names.map((name) => `${name}: ${from[name] ?? 'unset'} -> ${to[name] ?? 'unset'}`);
  const pool = new SubnetPool(after);
  const renumbered = leases.filter(({ subnets }) => pool.renumbers(subnets)).map(({ key }) => key);
  const migration = before && findMigration(before, after);
  const consequences = [
    ...(migration === undefined ? [] : [migration]),
    ...consequencesOf(names, { before, after, renumbered, leases, underlayMtus }, migration !== undefined),
  ];
  return {
    effect: effectOf(names.length > 0, migration !== undefined, renumbered.length > 0),
    changes,
    consequences: [...consequenceLines(consequences), ...overlapsOf(after, leases, etcdAddresses)],
    renumbered,
  };
}

interface Consequence {
  readonly text: string;
  /** Says that this change alone loses no packet; dropped where another one loses some. */
  readonly claim?: string;
  readonly isLossy?: boolean;
}

/** One answer: no line says that nothing is lost where another one names a loss. */
function consequenceLines(consequences: readonly Consequence[]): readonly string[] {
  const isLossy = consequences.some((one) => one.isLossy === true);
  return consequences.map(({ text, claim = '' }) => (isLossy ? text : `${text}${claim}`));
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

function findMigration(before: NetworkConfig, after: NetworkConfig): Consequence | undefined {
  const [from, to] = [transportId(transportOf(before.backend)), transportId(transportOf(after.backend))];
  if (from === to) return undefined;
  return lossOf(before.backend, after.backend, `all hosts go from ${from} to ${to}, one by one`);
}

/** A transport beside the other costs nothing; one whose device has the name of the other's does. */
function lossOf(before: BackendConfig, after: BackendConfig, text: string): Consequence {
  const reopened = {
    text: `${text} and each opens its device in userspace again: packets of 0.1 to 0.2 s are lost`,
    isLossy: true,
  };
  if (before.type === 'udp' && after.type === 'udp') return reopened;
  if (before.type !== 'vxlan' || after.type !== 'vxlan' || before.vni !== after.vni)
    return { text, claim: ' without packet loss' };
  if (before.userspace === true && after.userspace === true) return reopened;
  return {
    text,
    claim:
      ' without packet loss since Linux 6.2; an older kernel renames a device that is down, in a few milliseconds',
  };
}

interface Consequential {
  readonly before: NetworkConfig | undefined;
  readonly after: NetworkConfig;
  readonly renumbered: readonly string[];
  readonly leases: readonly Lease[];
  readonly underlayMtus: readonly number[];
}

/** A migration makes a device beside the present one, which is then removed: no device is re-created. */
function consequencesOf(
  names: readonly string[],
  { before, after, renumbered, leases, underlayMtus }: Consequential,
  isMigration: boolean,
): Consequence[] {
  const found: Consequence[] = [];
  const lossy = (text: string): void => void found.push({ text, isLossy: true });
  if (renumbered.length > 0)
    lossy(
      `${renumbered.length} of ${leases.length} hosts get another subnet, and their containers must be started again: ` +
        `${renumbered.slice(0, 5).join(', ')}${renumbered.length > 5 ? ', …' : ''}`,
    );
  if (before !== undefined && names.some((name) => name === 'Backend.MTU' || name === 'Backend.Type'))
    found.push(...mtuConsequences(before, after, underlayMtus));
  if (!isMigration && names.some((name) => name === 'Backend.GBP' || name === 'Backend.Userspace'))
    lossy('the device of every host is re-created: packets of some milliseconds are lost');
  if (!isMigration && names.some((name) => /^Backend\.(?:Mode|ListenPort(?:V6)?)$/.test(name)))
    lossy('packets between hosts are lost until both have followed, for some seconds');
  if (!isMigration && names.includes('Backend.PSK'))
    found.push({
      text: 'sessions go on with the former key, for two minutes',
      claim: '; no packet is lost if all hosts follow before',
    });
  if (names.includes('Backend.TxChecksumOffload') && after.backend.type === 'vxlan')
    found.push({
      text: OFFLOAD_CONSEQUENCES[after.backend.txChecksumOffload],
      claim: '; no packet is lost',
    });
  return found;
}

/** The backend itself may change the MTU, and an MTU that is unset is that of each host's interface. */
function mtuConsequences(
  before: NetworkConfig,
  after: NetworkConfig,
  underlayMtus: readonly number[],
): Consequence[] {
  const changes = new Map<string, readonly [from: number, to: number]>();
  for (const mtu of underlayMtus) {
    const [from, to] = [overlayMtuOn(mtu, before), overlayMtuOn(mtu, after)];
    if (from !== undefined && to !== undefined) changes.set(`${from} ${to}`, [from, to]);
  }
  if (changes.size === 0) return [unknownMtuConsequence(before.backend, after.backend)];
  return [...changes.values()]
    .filter(([from, to]) => from !== to)
    .map(([from, to]) =>
      to > from
        ? {
            text: `the MTU of containers grows from ${from} to ${to}; those that run keep ${from} until they are started again`,
          }
        : {
            text:
              `the MTU of containers shrinks from ${from} to ${to}: those that run keep ${from}, and their packets above ` +
              `${to} bytes are dropped with an ICMP error until they are started again, or ip link set eth0 mtu ${to} in each`,
            isLossy: true,
          },
    );
}

/** What a config leaves on an interface of this MTU; `undefined` if too little. */
function overlayMtuOn(underlayMtu: number, config: NetworkConfig): number | undefined {
  const host = { interface: { name: 'eth0', mtu: underlayMtu as UnderlayMtu }, underlayRoutes: [] };
  try {
    return backendFor(config.backend.type).mtu(config, host);
  } catch {
    return undefined;
  }
}

function unknownMtuConsequence(before: BackendConfig, after: BackendConfig): Consequence {
  const [from, to] = [mtuOf(before), mtuOf(after)];
  if (before.type === after.type && from !== undefined && to !== undefined && to > from)
    return {
      text: `the MTU in subnet.env grows by ${to - from}; containers that run keep theirs until they are started again`,
    };
  return {
    text:
      'the MTU in subnet.env changes; containers that run keep theirs: start them again where it shrinks, ' +
      'as their larger packets are dropped with an ICMP error',
  };
}

function mtuOf(backend: BackendConfig): number | undefined {
  return 'mtu' in backend ? backend.mtu : undefined;
}

const OFFLOAD_CONSEQUENCES: Readonly<Record<TxChecksumOffload, string>> = {
  auto: 'every host leaves checksums to its devices, unless its probes find them wrong',
  on: 'every host leaves checksums to its devices, right or wrong',
  off: 'every host computes checksums itself, and sends large TCP packets in pieces: slower, right everywhere',
};

/**
 * Whether neither document chose a value: both have their default, or nothing. Settings of one backend
 * mean nothing in another, and bounds of a network follow from it.
 */
function withDefaults(before: NetworkConfig | undefined, after: NetworkConfig) {
  const [ofBefore, ofAfter] = [before && defaultsOf(before), defaultsOf(after)];
  const isChosen = (name: string, value: string | undefined, defaults: Fields | undefined): boolean =>
    value !== undefined && value !== defaults?.[name];
  return (name: string, from: string | undefined, to: string | undefined): boolean =>
    name !== 'Backend.Type' && !isChosen(name, from, ofBefore) && !isChosen(name, to, ofAfter);
}

/** Fields of a document with the same networks and type alone; bounds follow from the length of subnets, too. */
function defaultsOf({ ipv4, ipv6, backend }: NetworkConfig): Fields {
  const document = {
    ...(ipv4 ? { Network: ipv4.network } : { EnableIPv4: false }),
    ...(ipv6 && { EnableIPv6: true, IPv6Network: ipv6.network }),
    Backend: { Type: backend.type },
  };
  const lengths = { SubnetLen: ipv4?.subnetLength, IPv6SubnetLen: ipv6?.subnetLength };
  const [bare, sized] = [document, { ...document, ...lengths }].map((each) => {
    const parsed = parseNetworkConfig(JSON.stringify(each));
    return parsed.ok ? fieldsOf(parsed.config) : {};
  });
  const { SubnetLen, IPv6SubnetLen } = bare!;
  // A network has no default.
  const { Network: _network, IPv6Network: _network6, ...fields } = sized!;
  return { ...fields, SubnetLen, IPv6SubnetLen };
}

type Fields = Readonly<Record<string, string | undefined>>;

/** Settings by the name that the document has for them. */
function fieldsOf({ ipv4, ipv6, enableNftables, backend }: NetworkConfig): Fields {
  const settings = Object.entries(backend)
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
