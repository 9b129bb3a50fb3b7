// Addresses, subnets and MAC addresses as canonical text, and the arithmetic on them. Canonical
// text is compared with `===`, used as a map key and printed as it is; numbers appear only inside
// this file's arithmetic. Parsing is strict (RFC 6943 §3.1.1): four decimal octets without leading
// zeros, no short forms, no zone.
import ipaddr from 'ipaddr.js';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Dotted decimal IPv4 address, for example `10.5.72.0`. */
export type Ipv4 = Branded<'Ipv4'>;
/** Lower-case compressed IPv6 address (RFC 5952), for example `fd00:0:0:1::`. */
export type Ipv6 = Branded<'Ipv6'>;
export type IpAddress = Ipv4 | Ipv6;
/** IPv4 network `A.B.C.D/LEN`, host bits zero, LEN 0..32. */
export type Ipv4Cidr = Branded<'Ipv4Cidr'>;
/** IPv6 network `addr/LEN`, host bits zero, LEN 0..128. */
export type Ipv6Cidr = Branded<'Ipv6Cidr'>;
export type Cidr = Ipv4Cidr | Ipv6Cidr;
/** Six octets, lower-case hex with colons, for example `c6:d2:32:6f:8f:44`. */
export type MacAddress = Branded<'MacAddress'>;
/** The MAC address of no station: all zero. */
export const NO_MAC = '00:00:00:00:00:00' as MacAddress;
/** IP version, as in the first nibble of a packet. */
export type Family = 4 | 6;

/** The address of no host: `0.0.0.0` (RFC 1122 §3.2.1.3), `::` (RFC 4291 §2.5.2). */
export const UNSPECIFIED: Readonly<Record<Family, IpAddress>> = { 4: '0.0.0.0' as Ipv4, 6: '::' as Ipv6 };

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const CANONICAL_MAC = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const PREFIX_LENGTH = /^(?:0|[1-9]\d{0,2})$/;
/** Longest text that ipaddr.js is given: eight groups of four digits. */
const MAX_IPV6_CHARACTERS = 39;
const DOT = 0x2e;
const SLASH = 0x2f;
const DIGIT_ZERO = 0x30;

/** Parses a strict dotted-decimal address; `undefined` if `text` is anything else. */
export function parseIpv4(text: string): Ipv4 | undefined {
  return IPV4.test(text) ? (text as Ipv4) : undefined;
}

/**
 * Parses any IPv6 text without zone; `undefined` if `text` is anything else. Returns the RFC 5952
 * form, with IPv4-mapped addresses in hex too, as keys of the registry hold hex digits and colons
 * only.
 */
export function parseIpv6(text: string): Ipv6 | undefined {
  const groups = text.includes('.') ? withHexTail(text) : text;
  if (groups === undefined || groups.length > MAX_IPV6_CHARACTERS || groups.includes('%')) return undefined;
  if (!groups.includes(':') || !ipaddr.IPv6.isValid(groups)) return undefined;
  return ipaddr.IPv6.parse(groups).toRFC5952String() as Ipv6;
}

/**
 * Rewrites a dotted tail as two groups: ipaddr.js reads zero-padded tails as octal and takes
 * `::1.2.3.4` for a mapped address.
 */
function withHexTail(text: string): string | undefined {
  const tailAt = text.lastIndexOf(':') + 1;
  const tail = parseIpv4(text.slice(tailAt));
  if (tail === undefined) return undefined;
  const value = ipv4ToNumber(tail);
  return `${text.slice(0, tailAt)}${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
}

/** Parses an address of either family. */
export function parseIp(text: string): IpAddress | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** IP version of a canonical address or CIDR. */
export function familyOf(text: IpAddress | Cidr): Family {
  return text.includes(':') ? 6 : 4;
}

/**
 * A CIDR taken apart. `address` keeps host bits, so that `10.5.72.1/24` can be read from
 * subnet.env.
 */
export interface ParsedCidr<Address extends IpAddress = IpAddress> {
  readonly address: Address;
  readonly prefixLength: number;
}

/** Parses `address/length` of either family, keeping host bits. */
export function parseCidr(text: string): ParsedCidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0 || !PREFIX_LENGTH.test(text.slice(slash + 1))) return undefined;
  const address = parseIp(text.slice(0, slash));
  const prefixLength = Number(text.slice(slash + 1));
  if (address === undefined || prefixLength > bitsOf(familyOf(address))) return undefined;
  return { address, prefixLength };
}

/** Number of bits in an address of `family`: 32 or 128. */
export function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Address as an unsigned integer in network order. */
export function toBigInt(address: IpAddress): bigint {
  return familyOf(address) === 4 ? BigInt(ipv4ToNumber(address as Ipv4)) : ipv6ToBigInt(address);
}

/** Inverse of {@link toBigInt}. @throws RangeError if `value` does not fit the family. */
export function fromBigInt(value: bigint, family: Family): IpAddress {
  if (value < 0n || value >> BigInt(bitsOf(family)) !== 0n)
    throw new RangeError(
      `Cannot make an IPv${family} address of ${value}: it needs 0..2^${bitsOf(family)}-1`,
    );
  return family === 4 ? ipv4FromNumber(Number(value)) : formatIpv6(value);
}

/** Address, or first address of a canonical CIDR, as an unsigned 32-bit number in network order. */
export function ipv4ToNumber(text: Ipv4 | Ipv4Cidr): number {
  let value = 0;
  let octet = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === SLASH) break;
    if (code === DOT) {
      value = value * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + code - DIGIT_ZERO;
  }
  return value * 256 + octet;
}

/** Inverse of {@link ipv4ToNumber}. */
export function ipv4FromNumber(value: number): Ipv4 {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ipv4;
}

/** The network that `address` lies in at `prefixLength`: host bits zeroed. */
export function networkOf(address: Ipv4, prefixLength: number): Ipv4Cidr;
export function networkOf(address: Ipv6, prefixLength: number): Ipv6Cidr;
export function networkOf(address: IpAddress, prefixLength: number): Cidr;
export function networkOf(address: IpAddress, prefixLength: number): Cidr {
  if (familyOf(address) === 4) {
    const network = ipv4ToNumber(address as Ipv4) & ipv4Mask(prefixLength);
    return `${ipv4FromNumber(network)}/${prefixLength}` as Cidr;
  }
  const groups = ipaddr.IPv6.parse(address).parts;
  const network = groups.map((group, index) => group & groupMask(prefixLength - index * 16));
  return `${new ipaddr.IPv6(network).toRFC5952String()}/${prefixLength}` as Cidr;
}

/** First address of a canonical CIDR. */
export function addressOf(cidr: Ipv4Cidr): Ipv4;
export function addressOf(cidr: Ipv6Cidr): Ipv6;
export function addressOf(cidr: Cidr): IpAddress;
export function addressOf(cidr: Cidr): IpAddress {
  return cidr.slice(0, cidr.indexOf('/')) as IpAddress;
}

/** Length of a canonical CIDR's prefix, in bits. */
export function prefixLengthOf(cidr: Cidr): number {
  let length = 0;
  for (let index = cidr.indexOf('/') + 1; index < cidr.length; index++)
    length = length * 10 + cidr.charCodeAt(index) - DIGIT_ZERO;
  return length;
}

/** Whether `address` lies inside `cidr`; false for another family. */
export function contains(cidr: Cidr, address: IpAddress): boolean {
  const family = familyOf(cidr);
  if (family !== familyOf(address)) return false;
  const prefixLength = prefixLengthOf(cidr);
  if (family === 6) return networkOf(address, prefixLength) === cidr;
  const difference = ipv4ToNumber(cidr as Ipv4Cidr) ^ ipv4ToNumber(address as Ipv4);
  return (difference & ipv4Mask(prefixLength)) === 0;
}

/** Whether two networks share an address. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return prefixLengthOf(a) <= prefixLengthOf(b) ? contains(a, addressOf(b)) : contains(b, addressOf(a));
}

/** Whether all of `inner` lies in `outer`. */
export function isInside(inner: Cidr, outer: Cidr): boolean {
  return prefixLengthOf(inner) >= prefixLengthOf(outer) && contains(outer, addressOf(inner));
}

/** `address` plus `count`. @throws RangeError past the end of the address space. */
export function addToAddress<Address extends IpAddress>(address: Address, count: bigint): Address {
  return fromBigInt(toBigInt(address) + count, familyOf(address)) as Address;
}

/**
 * Parses colon, dash or dotted MAC notation (Go's `net.ParseMAC`, 48 bits only) into canonical
 * text.
 */
export function parseMac(text: string): MacAddress | undefined {
  // The usual spelling; there are thousands of them.
  if (CANONICAL_MAC.test(text)) return text as MacAddress;
  const isPairs = /^[0-9a-f]{2}(?:(:|-)[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i.test(text);
  const isDotted = /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$/i.test(text);
  if (!isPairs && !isDotted) return undefined;
  const digits = text.toLowerCase().replaceAll(/[:.-]/g, '');
  return digits.replaceAll(/..(?!$)/g, '$&:') as MacAddress;
}

/**
 * Network mask as a signed 32-bit number. A shift by 32 would be a shift by 0, hence the special
 * case.
 */
function ipv4Mask(prefixLength: number): number {
  return prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
}

/**
 * Mask of one 16-bit group of which the first `bits` belong to the network; below 0 is none and
 * above 16 is all.
 */
function groupMask(bits: number): number {
  return bits <= 0 ? 0 : -1 << Math.max(16 - bits, 0);
}

function ipv6ToBigInt(text: string): bigint {
  let value = 0n;
  for (const part of ipaddr.IPv6.parse(text).parts) value = (value << 16n) | BigInt(part);
  return value;
}

function formatIpv6(value: bigint): Ipv6 {
  const hex = value.toString(16).padStart(32, '0');
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number.parseInt(hex.slice(index * 4, index * 4 + 4), 16),
  );
  return new ipaddr.IPv6(groups).toRFC5952String() as Ipv6;
}
