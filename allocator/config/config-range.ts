// The subnets that hosts may lease, from the four fields of a family: derives what is left out and
// checks what is given. The two families differ in the numbers and names of a table only.
import {
  addressOf,
  bitsOf,
  familyOf,
  fromBigInt,
  networkOf,
  overlaps,
  parseCidr,
  parseIp,
  prefixLengthOf,
  toBigInt,
} from '../../lib/address.ts';
import type { Cidr, Family, IpAddress } from '../../lib/address.ts';
import type { ConfigFields } from './config-document.ts';
import type { NetworkFieldName } from './config-schema.ts';
import type { Ipv4Range, Ipv6Range } from './config.ts';

/** A network of RFC 6890 whose packets stay on the host or the link, or go to no single host. */
interface SpecialNetwork {
  readonly network: Cidr;
  readonly purpose: string;
}

interface FamilyRules {
  readonly family: Family;
  readonly enable: NetworkFieldName;
  readonly network: NetworkFieldName;
  readonly length: NetworkFieldName;
  readonly min: NetworkFieldName;
  readonly max: NetworkFieldName;
  /** Shortest prefix of a network: a shorter one covers more than any private network. */
  readonly shortestPrefix: number;
  /** Networks with a meaning of their own to every host, which no network may overlap. */
  readonly special: readonly SpecialNetwork[];
  /** Longest prefix of a network, so that four of the smallest subnets fit. */
  readonly longestPrefix: number;
  /**
   * Networks up to this prefix length get subnets of `usualLength`, smaller ones are cut in four.
   */
  readonly widePrefix: number;
  readonly usualLength: number;
  readonly longestLength: number;
  readonly cidrForm: string;
  readonly addressForm: string;
}

const IPV4: FamilyRules = {
  family: 4,
  enable: 'EnableIPv4',
  network: 'Network',
  length: 'SubnetLen',
  min: 'SubnetMin',
  max: 'SubnetMax',
  shortestPrefix: 8,
  special: [
    special('0.0.0.0/8', 'addresses of this network'),
    special('127.0.0.0/8', 'loopback addresses'),
    special('169.254.0.0/16', 'link-local addresses'),
    special('224.0.0.0/4', 'multicast addresses'),
    special('240.0.0.0/4', 'reserved and broadcast addresses'),
  ],
  longestPrefix: 28,
  widePrefix: 22,
  usualLength: 24,
  longestLength: 30,
  cidrForm:
    'must be an IPv4 network such as "10.5.0.0/16": four numbers 0..255 without leading zeros (octal to some programs), a slash and a length 0..32',
  addressForm:
    'must be an IPv4 address such as "10.5.1.0": four numbers 0..255 without leading zeros (octal to some programs)',
};

const IPV6: FamilyRules = {
  family: 6,
  enable: 'EnableIPv6',
  network: 'IPv6Network',
  length: 'IPv6SubnetLen',
  min: 'IPv6SubnetMin',
  max: 'IPv6SubnetMax',
  shortestPrefix: 7,
  special: [
    special('::/8', 'the unspecified, loopback and IPv4-mapped addresses'),
    special('fe80::/10', 'link-local addresses'),
    special('ff00::/8', 'multicast addresses'),
  ],
  longestPrefix: 124,
  widePrefix: 62,
  usualLength: 64,
  longestLength: 126,
  cidrForm:
    'must be an IPv6 network such as "fd00::/48": an address without zone, a slash and a length 0..128',
  addressForm: 'must be an IPv6 address without zone, such as "fd00:0:0:1::"',
};

type Fields = ConfigFields<NetworkFieldName>;

/**
 * The IPv4 range; `undefined` if IPv4 is off, or if it is wrong and reported. Syntax is checked
 * even if it is off.
 */
export function parseIpv4Range(fields: Fields, isEnabled: boolean): Ipv4Range | undefined {
  return parseRange(fields, IPV4, isEnabled) as Ipv4Range | undefined;
}

/** The same for IPv6. */
export function parseIpv6Range(fields: Fields, isEnabled: boolean): Ipv6Range | undefined {
  return parseRange(fields, IPV6, isEnabled) as Ipv6Range | undefined;
}

interface Range {
  readonly network: Cidr;
  readonly subnetLength: number;
  readonly min: IpAddress;
  readonly max: IpAddress;
}

function parseRange(fields: Fields, rules: FamilyRules, isEnabled: boolean): Range | undefined {
  const network = parseNetwork(fields, rules);
  const length = fields.integer(rules.length) ?? 0;
  const min = parseAddress(fields, rules.min, rules);
  const max = parseAddress(fields, rules.max, rules);
  if (!isEnabled || !checkNetwork(fields, rules, network)) return undefined;
  const subnetLength = deriveLength(fields, rules, network, length);
  if (subnetLength === undefined) return undefined;
  const bounds = deriveBounds(fields, rules, { network, subnetLength, min, max });
  return bounds === undefined ? undefined : { network, subnetLength, ...bounds };
}

function parseNetwork(fields: Fields, { network: name, family, cidrForm }: FamilyRules): Cidr | undefined {
  const text = fields.string(name);
  if (text === undefined) return undefined;
  const cidr = parseCidr(text);
  if (cidr === undefined || familyOf(cidr.address) !== family) {
    fields.error(name, cidrForm);
    return undefined;
  }
  const network = networkOf(cidr.address, cidr.prefixLength);
  if (addressOf(network) !== cidr.address)
    fields.warn(name, `has host bits set and is taken as ${network}: write that`);
  return network;
}

/** The address; `undefined` if the field is unset, the unspecified address or bad. */
function parseAddress(fields: Fields, name: NetworkFieldName, rules: FamilyRules): IpAddress | undefined {
  const text = fields.string(name);
  if (text === undefined) return undefined;
  const address = parseIp(text);
  if (address === undefined || familyOf(address) !== rules.family) {
    fields.error(name, rules.addressForm);
    return undefined;
  }
  return toBigInt(address) === 0n ? undefined : address;
}

function checkNetwork(fields: Fields, rules: FamilyRules, network: Cidr | undefined): network is Cidr {
  if (network === undefined) {
    if (!fields.hasError(rules.network)) fields.error(rules.network, missingMessage(rules));
    return false;
  }
  const error = networkError(rules, network);
  if (error !== undefined) fields.error(rules.network, error);
  return error === undefined;
}

function networkError(
  { family, longestPrefix, shortestPrefix, special: reserved }: FamilyRules,
  network: Cidr,
): string | undefined {
  const prefixLength = prefixLengthOf(network);
  const hit = reserved.find((one) => overlaps(one.network, network));
  const remedy = `write a private network such as ${exampleOf(family)}`;
  if (prefixLength > 0 && hit !== undefined)
    return `overlaps ${hit.network}, ${hit.purpose}, which no host routes to another: ${remedy}`;
  if (prefixLength >= shortestPrefix && prefixLength <= longestPrefix) return undefined;
  return (
    `must have a length ${shortestPrefix}..${longestPrefix}, so that it holds at least four subnets ` +
    `and leaves out the addresses of other networks: ${remedy}`
  );
}

function missingMessage({ family, enable }: FamilyRules): string {
  return `is missing: write the network of all containers, such as ${exampleOf(family)}, or set ${enable} to false`;
}

function exampleOf(family: Family): string {
  return family === 4 ? '"10.5.0.0/16"' : '"fd00::/48"';
}

function special(network: string, purpose: string): SpecialNetwork {
  return { network: network as Cidr, purpose };
}

/**
 * At least four subnets, as the first one is left out by default and one alone would be no pool.
 */
function deriveLength(fields: Fields, rules: FamilyRules, network: Cidr, length: number): number | undefined {
  if (fields.hasError(rules.length)) return undefined;
  const shortest = prefixLengthOf(network) + 2;
  if (length === 0) return shortest <= rules.widePrefix + 2 ? rules.usualLength : shortest;
  if (length >= shortest) return length;
  fields.error(
    rules.length,
    `must be ${shortest}..${rules.longestLength}, so that ${network} holds at least four subnets; or leave it out`,
  );
  return undefined;
}

interface Wanted {
  readonly network: Cidr;
  readonly subnetLength: number;
  readonly min: IpAddress | undefined;
  readonly max: IpAddress | undefined;
}

function deriveBounds(
  fields: Fields,
  rules: FamilyRules,
  wanted: Wanted,
): { readonly min: IpAddress; readonly max: IpAddress } | undefined {
  const { family } = rules;
  const first = toBigInt(addressOf(wanted.network));
  const step = 1n << BigInt(bitsOf(family) - wanted.subnetLength);
  const end = first + (1n << BigInt(bitsOf(family) - prefixLengthOf(wanted.network)));
  const hasMin = checkBound(fields, rules.min, wanted.min, wanted);
  const hasMax = checkBound(fields, rules.max, wanted.max, wanted);
  if (!hasMin || !hasMax) return undefined;
  const min = wanted.min ?? fromBigInt(first + step, family);
  const max = wanted.max ?? fromBigInt(end - step, family);
  if (toBigInt(min) <= toBigInt(max)) return { min, max };
  const name = wanted.max === undefined ? rules.min : rules.max;
  fields.error(name, `leaves no subnet: the first is ${min} and the last ${max}, so no host could get one`);
  return undefined;
}

function checkBound(
  fields: Fields,
  name: NetworkFieldName,
  address: IpAddress | undefined,
  { network, subnetLength }: Wanted,
): boolean {
  if (address === undefined) return !fields.hasError(name);
  const subnet = networkOf(address, subnetLength);
  if (networkOf(address, prefixLengthOf(network)) !== network)
    fields.error(name, `must lie inside ${network}; or leave it out`);
  else if (addressOf(subnet) !== address)
    fields.error(name, `must be the first address of a /${subnetLength} subnet: write ${addressOf(subnet)}`);
  return !fields.hasError(name);
}
