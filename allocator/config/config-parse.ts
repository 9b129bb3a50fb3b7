// Makes a NetworkConfig of the config document's text: JSON, fields, backend, ranges, then frozen.
// Pure, and reports all errors at once. The daemon checks from the leases whether flannel nodes in
// the same network agree.
import { didYouMean } from '../../lib/did-you-mean.ts';
import { ConfigFields, parseDocument, parseFields, warnUnknown } from './config-document.ts';
import type { ConfigField, UnknownField } from './config-document.ts';
import { EXTENSION_COMMANDS, parseExtension } from './parse-extension.ts';
import { parseWireguard } from './parse-wireguard.ts';
import { parseIpv4Range, parseIpv6Range } from './config-range.ts';
import {
  allBackendFields,
  backendFields,
  networkFields,
  udpBackendFields,
  wireguardBackendFields,
  wireguardOnlyFields,
} from './config-schema.ts';
import type { BackendFieldName, NetworkFieldName } from './config-schema.ts';
import { ConfigIssues } from './config.ts';
import type {
  BackendConfig,
  BackendType,
  ConfigIssue,
  IpipConfig,
  IpsecConfig,
  NetworkConfig,
  TencentVpcConfig,
  UdpConfig,
  VxlanConfig,
} from './config.ts';

const TYPES: readonly BackendType[] = [
  'vxlan',
  'host-gw',
  'udp',
  'wireguard',
  'alloc',
  'extension',
  'ipip',
  'ipsec',
  'tencent-vpc',
];
const TYPES_TEXT = 'vxlan, host-gw, udp, wireguard, alloc, extension, ipip, ipsec or tencent-vpc';
/** `flannel-v6.` leaves four of the 15 characters of an interface name. */
const MAX_IPV6_VNI = 9999;
/** Bytes that go to the headers over IPv6. */
const IPV6_OVERHEAD_BYTES = { VXLAN: 70, UDP: 48, WireGuard: 80 } as const;
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

export type NetworkConfigResult =
  | { readonly ok: true; readonly config: NetworkConfig; readonly warnings: readonly ConfigIssue[] }
  /** At least one error, and the warnings, in the order of the text. */
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/** Reads, completes and checks a config document. The result is deeply frozen. */
export function parseNetworkConfig(text: string): NetworkConfigResult {
  const issues = new ConfigIssues(text);
  const config = parseConfig(text, issues);
  if (config === undefined || issues.hasErrors) return { ok: false, issues: issues.list };
  return { ok: true, config: deepFreeze(config), warnings: issues.list };
}

function parseConfig(text: string, issues: ConfigIssues): NetworkConfig | undefined {
  const root = parseDocument(text, issues);
  if (root === undefined) return undefined;
  if (root.node.type !== 'object') {
    const isQuoted = root.node.type === 'string' && String(root.node.value).trimStart().startsWith('{');
    const hint = isQuoted ? ': remove the quotes around it and the backslashes in it' : '';
    issues.error(root, `must be a JSON object such as {"Network": "10.5.0.0/16"}${hint}`);
    return undefined;
  }
  const { known, unknown } = parseFields(text, root, Object.keys(networkFields), issues);
  for (const field of unknown) warnUnknownHere(field, issues);
  const fields = new ConfigFields(root, known, networkFields, issues);
  return completeConfig(text, root, fields);
}

function completeConfig(
  text: string,
  root: ConfigField,
  fields: ConfigFields<NetworkFieldName>,
): NetworkConfig | undefined {
  const { issues } = fields;
  const isIpv4Enabled = fields.boolean('EnableIPv4');
  const isIpv6Enabled = fields.boolean('EnableIPv6');
  const enableNftables = fields.optionalBoolean('EnableNFTables');
  if (!isIpv4Enabled && !isIpv6Enabled && !fields.hasError('EnableIPv6'))
    fields.error('EnableIPv4', 'leaves no address family, as EnableIPv6 is off too: set one of them to true');
  const ipv4 = parseIpv4Range(fields, isIpv4Enabled);
  const ipv6 = parseIpv6Range(fields, isIpv6Enabled);
  const object = fields.get('Backend');
  if (object === undefined)
    issues.warn(
      { path: '/Backend', offset: root.offset },
      'is missing: weft takes vxlan but flannel takes udp; write "Backend": {"Type": "vxlan"}, or "udp" if flannel hosts are to stay',
    );
  const backend = object === undefined ? DEFAULT_BACKEND : parseBackend(text, object, isIpv6Enabled, issues);
  if (backend === undefined) return undefined;
  return {
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    ...(enableNftables !== undefined && { enableNftables }),
    backend,
    isBackendDefaulted: object === undefined,
  };
}

function warnUnknownHere(field: UnknownField, issues: ConfigIssues): void {
  const lowerName = field.name.toLowerCase();
  const isOfBackend = Object.keys(allBackendFields).some((name) => name.toLowerCase() === lowerName);
  if (isOfBackend) issues.warnUnknownField(field, 'is ignored: it belongs inside Backend, move it there');
  else warnUnknown(field, Object.keys(networkFields), issues);
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const child of Object.values(value))
    if (typeof child === 'object' && child !== null) deepFreeze(child as object);
  return Object.freeze(value);
}

type BackendFields = ConfigFields<BackendFieldName>;

/** Reads the object; `undefined` if it is wrong and reported. */
function parseBackend(
  text: string,
  object: ConfigField,
  isIpv6Enabled: boolean,
  issues: ConfigIssues,
): BackendConfig | undefined {
  if (object.node.type !== 'object') {
    issues.error(object, 'must be an object such as {"Type": "vxlan"}');
    return undefined;
  }
  const { known, unknown } = parseFields(text, object, Object.keys(allBackendFields), issues);
  const fields: BackendFields = new ConfigFields(object, known, allBackendFields, issues);
  // Fields of a backend that is not provided, or not known, are not wrong in themselves; those of a
  // misspelled one are checked as what was probably meant, so that all errors show at once.
  const type = parseType(fields) ?? similarType(fields);
  if (type === undefined) return undefined;
  for (const field of unknown) warnUnknownInBackend(field, issues);
  warnOfOtherFields(known, type, issues);
  if (type === 'vxlan') return parseVxlan(fields, isIpv6Enabled);
  if (type === 'wireguard') {
    const own: BackendFields = new ConfigFields(object, known, wireguardBackendFields, issues);
    return parseWireguard(own, parseMtu(own, isIpv6Enabled, 'WireGuard'), isIpv6Enabled);
  }
  if (type === 'udp')
    return parseUdp(new ConfigFields(object, known, udpBackendFields, issues), isIpv6Enabled);
  if (type === 'ipip') return parseIpip(fields, isIpv6Enabled);
  if (type === 'ipsec') return parseIpsec(fields, isIpv6Enabled);
  if (type === 'tencent-vpc') return parseTencentVpc(fields, isIpv6Enabled);
  if (type === 'extension') return parseExtension(fields);
  return { type };
}

const VXLAN_FIELDS: readonly BackendFieldName[] = [
  'VNI',
  'Port',
  'MTU',
  'Learning',
  'GBP',
  'DirectRouting',
  'Userspace',
  'TxChecksumOffload',
  'MacPrefix',
  'Name',
];

/** Fields of backends that take any. */
const OWN_FIELDS: Readonly<Partial<Record<BackendType, readonly BackendFieldName[]>>> = {
  vxlan: VXLAN_FIELDS,
  udp: ['Port', 'MTU', 'Userspace'],
  wireguard: ['MTU', ...(Object.keys(wireguardOnlyFields) as BackendFieldName[])],
  ipip: ['DirectRouting'],
  ipsec: ['PSK', 'UDPEncap', 'ESPProposal'],
  'tencent-vpc': ['AccessKeyID', 'AccessKeySecret'],
  extension: [...EXTENSION_COMMANDS, 'Shell'],
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

function parseType(fields: BackendFields): BackendType | undefined {
  const written = fields.string('Type');
  if (fields.hasError('Type')) return undefined;
  const lower = written?.toLowerCase() ?? '';
  const type = TYPES.find((candidate) => candidate === lower);
  if (type === undefined) fields.error('Type', typeMessage(lower));
  return type;
}

function similarType(fields: BackendFields): BackendType | undefined {
  const lower = fields.get('Type')?.node.value as unknown;
  if (typeof lower !== 'string' || lower === '') return undefined;
  const similar = didYouMean(lower.toLowerCase(), TYPES);
  return TYPES.find((type) => type === similar);
}

function typeMessage(lower: string): string {
  if (lower === '') return `is missing or empty, which flannel calls an unknown backend: write ${TYPES_TEXT}`;
  const similar = didYouMean(lower, TYPES);
  return `must be ${TYPES_TEXT}${similar === undefined ? '' : `: did you mean ${similar}?`}`;
}

function warnUnknownInBackend(field: UnknownField, issues: ConfigIssues): void {
  const isOutside = Object.keys(networkFields).some(
    (name) => name.toLowerCase() === field.name.toLowerCase(),
  );
  if (isOutside) issues.warnUnknownField(field, 'is ignored: it belongs outside Backend, move it there');
  else warnUnknown(field, Object.keys(allBackendFields), issues);
}

function parseVxlan(fields: BackendFields, isIpv6Enabled: boolean): VxlanConfig {
  const vni = fields.integer('VNI') ?? DEFAULT_BACKEND.vni;
  if (isIpv6Enabled && vni > MAX_IPV6_VNI)
    fields.error(
      'VNI',
      `must be 1..${MAX_IPV6_VNI} if IPv6 is on (the device flannel-v6.<VNI> must keep to the 15 characters of an interface name)`,
    );
  const port = fields.integer('Port') ?? 0;
  const mtu = parseMtu(fields, isIpv6Enabled, 'VXLAN');
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

function parseUdp(fields: BackendFields, isIpv6Enabled: boolean): UdpConfig {
  const port = fields.integer('Port') ?? Number(udpBackendFields.Port.default);
  const mtu = parseMtu(fields, isIpv6Enabled, 'UDP');
  const userspace = fields.booleanOr('Userspace', 'auto');
  return { type: 'udp', port, ...(mtu !== undefined && { mtu }), userspace };
}

function parseIpip(fields: BackendFields, isIpv6Enabled: boolean): IpipConfig {
  if (isIpv6Enabled)
    fields.error('Type', 'carries IPv4 alone: set EnableIPv6 to false, or use vxlan, host-gw or udp');
  return { type: 'ipip', directRouting: fields.boolean('DirectRouting') };
}

/** flannel's bound. */
const MIN_PSK_CHARACTERS = 96;

function parseIpsec(fields: BackendFields, isIpv6Enabled: boolean): IpsecConfig {
  if (isIpv6Enabled) fields.error('Type', 'carries IPv4 alone: set EnableIPv6 to false, or use vxlan');
  const psk = fields.secret('PSK');
  if (!fields.hasError('PSK') && (psk?.reveal().length ?? 0) < MIN_PSK_CHARACTERS)
    fields.error(
      'PSK',
      `must have at least ${MIN_PSK_CHARACTERS} characters: dd if=/dev/urandom count=48 bs=1 status=none | xxd -p -c 48`,
    );
  return {
    type: 'ipsec',
    psk,
    isUdpEncap: fields.boolean('UDPEncap'),
    espProposal: fields.string('ESPProposal') || String(backendFields.ESPProposal.default),
  };
}

function parseTencentVpc(fields: BackendFields, isIpv6Enabled: boolean): TencentVpcConfig {
  if (isIpv6Enabled) fields.error('Type', 'routes IPv4 alone: set EnableIPv6 to false, or use vxlan');
  const accessKeyId = fields.string('AccessKeyID') ?? '';
  const secret = fields.secret('AccessKeySecret');
  return { type: 'tencent-vpc', accessKeyId, accessKeySecret: secret };
}

function parseMtu(
  fields: BackendFields,
  isIpv6Enabled: boolean,
  carrier: keyof typeof IPV6_OVERHEAD_BYTES,
): number | undefined {
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

function warnOfWindowsFields(fields: BackendFields): void {
  for (const name of ['MacPrefix', 'Name'] as const)
    if (fields.get(name) !== undefined) fields.warn(name, 'is ignored: it has a meaning on Windows only');
}
