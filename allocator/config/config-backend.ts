// The `Backend` object of the network config: which backend, and its settings. Knows no kernel, only what
// would never work on any host.
import { readFields, warnUnknown } from './config-document.ts';
import type { ConfigField, UnknownField } from './config-document.ts';
import { ConfigFields } from './config-fields.ts';
import type { ConfigIssues } from './config-issue.ts';
import { backendFields, networkFields, udpBackendFields } from './config-schema.ts';
import type { BackendFieldName } from './config-schema.ts';
import type { BackendConfig, BackendType, UdpConfig, VxlanConfig } from './config.ts';
import { didYouMean } from '../../lib/did-you-mean.ts';

const TYPES: readonly BackendType[] = ['vxlan', 'host-gw', 'udp', 'alloc'];
const TYPES_TEXT = 'vxlan, host-gw, udp or alloc';
/** Backends of flannel that weft lacks. */
const FLANNEL_TYPES: readonly string[] = ['wireguard', 'ipip', 'ipsec', 'extension', 'tencent-vpc'];
/** `flannel-v6.` leaves four of the 15 characters of an interface name. */
const MAX_IPV6_VNI = 9999;
/** Bytes that go to the headers over IPv6. */
const IPV6_OVERHEAD_BYTES = { VXLAN: 70, UDP: 48 } as const;
/** RFC 8200 §5. */
const MIN_IPV6_MTU_BYTES = 1280;

/** What a document without `Backend` means. */
export const DEFAULT_BACKEND: VxlanConfig = {
  type: 'vxlan',
  vni: Number(backendFields.VNI.default),
  learning: false,
  gbp: false,
  directRouting: false,
  userspace: 'auto',
  txChecksumOffload: 'auto',
};

type Fields = ConfigFields<BackendFieldName>;

/** Reads the object; `undefined` if it is wrong and reported. */
export function readBackend(
  text: string,
  object: ConfigField,
  isIpv6Enabled: boolean,
  issues: ConfigIssues,
): BackendConfig | undefined {
  if (object.node.type !== 'object') {
    issues.error(object, 'must be an object such as {"Type": "vxlan"}');
    return undefined;
  }
  const { known, unknown } = readFields(text, object, Object.keys(backendFields), issues);
  const fields: Fields = new ConfigFields(object, known, backendFields, issues);
  const type = readType(fields);
  // Fields of a backend that is not provided, or not known, are not wrong in themselves.
  if (type === undefined) return undefined;
  for (const field of unknown) warnUnknownHere(field, issues);
  if (type === 'vxlan') return readVxlan(fields, isIpv6Enabled);
  warnOfOtherFields(known, type, issues);
  if (type === 'udp')
    return readUdp(new ConfigFields(object, known, udpBackendFields, issues), isIpv6Enabled);
  return { type };
}

/** Fields of backends that take any, but vxlan, whose are all. */
const OWN_FIELDS: Readonly<Partial<Record<BackendType, readonly BackendFieldName[]>>> = {
  udp: ['Port', 'MTU'],
};

function warnOfOtherFields(
  known: ReadonlyMap<string, ConfigField>,
  type: BackendType,
  issues: ConfigIssues,
): void {
  const own: readonly string[] = ['Type', ...(OWN_FIELDS[type] ?? [])];
  for (const [name, field] of known)
    if (!own.includes(name))
      issues.warn(field, `is ignored: it has no meaning for the backend ${type}, remove it`);
}

function readType(fields: Fields): BackendType | undefined {
  const written = fields.string('Type');
  if (fields.isBad('Type')) return undefined;
  const lower = written?.toLowerCase() ?? '';
  const type = TYPES.find((candidate) => candidate === lower);
  if (type === undefined) fields.error('Type', typeRule(lower));
  return type;
}

function typeRule(lower: string): string {
  if (lower === '') return `is missing or empty, which flannel calls an unknown backend: write ${TYPES_TEXT}`;
  if (FLANNEL_TYPES.includes(lower))
    return `is a backend of flannel that weft does not provide: use ${TYPES_TEXT} on all hosts, or keep flannel`;
  const similar = didYouMean(lower, TYPES);
  return `must be ${TYPES_TEXT}${similar === undefined ? '' : `: did you mean ${similar}?`}`;
}

function warnUnknownHere(field: UnknownField, issues: ConfigIssues): void {
  const isOutside = Object.keys(networkFields).some(
    (name) => name.toLowerCase() === field.name.toLowerCase(),
  );
  if (isOutside) issues.warnUnknownField(field, 'is ignored: it belongs outside Backend, move it there');
  else warnUnknown(field, Object.keys(backendFields), issues);
}

function readVxlan(fields: Fields, isIpv6Enabled: boolean): VxlanConfig {
  const vni = fields.integer('VNI') ?? DEFAULT_BACKEND.vni;
  if (isIpv6Enabled && vni > MAX_IPV6_VNI)
    fields.error(
      'VNI',
      `must be 1..${MAX_IPV6_VNI} if IPv6 is on (the device flannel-v6.<VNI> must keep to the 15 characters of an interface name)`,
    );
  const port = fields.integer('Port') ?? 0;
  const mtu = readMtu(fields, isIpv6Enabled, 'VXLAN');
  const learning = fields.boolean('Learning');
  const gbp = fields.boolean('GBP');
  const userspace = fields.booleanOr('Userspace', 'auto');
  if (userspace === true)
    for (const [name, isOn] of [
      ['Learning', learning],
      ['GBP', gbp],
      ['TxChecksumOffload', fields.get('TxChecksumOffload') !== undefined],
    ] as const)
      if (isOn) fields.warn(name, 'is ignored: it has no meaning with Userspace true, remove it');
  warnOfWindowsFields(fields);
  return {
    type: 'vxlan',
    vni,
    ...(port !== 0 && { port }),
    ...(mtu !== undefined && { mtu }),
    learning,
    gbp,
    directRouting: fields.boolean('DirectRouting'),
    userspace,
    txChecksumOffload: fields.choice('TxChecksumOffload', ['auto', 'on', 'off']) ?? 'auto',
  };
}

function readUdp(fields: Fields, isIpv6Enabled: boolean): UdpConfig {
  const port = fields.integer('Port') ?? Number(udpBackendFields.Port.default);
  const mtu = readMtu(fields, isIpv6Enabled, 'UDP');
  return { type: 'udp', port, ...(mtu !== undefined && { mtu }) };
}

function readMtu(fields: Fields, isIpv6Enabled: boolean, carrier: 'VXLAN' | 'UDP'): number | undefined {
  const mtu = fields.integer('MTU');
  const overhead = IPV6_OVERHEAD_BYTES[carrier];
  const minimum = MIN_IPV6_MTU_BYTES + overhead;
  if (isIpv6Enabled && mtu !== undefined && mtu < minimum)
    fields.error(
      'MTU',
      `must be at least ${minimum} if IPv6 is on (${carrier} takes ${overhead} bytes and IPv6 needs ${MIN_IPV6_MTU_BYTES}, RFC 8200)`,
    );
  return mtu;
}

function warnOfWindowsFields(fields: Fields): void {
  for (const name of ['MacPrefix', 'Name'] as const)
    if (fields.get(name) !== undefined) fields.warn(name, 'is ignored: it has a meaning on Windows only');
}
