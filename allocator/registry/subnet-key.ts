// The text below `<prefix>/subnets/` that names a lease's subnets. Shared with flannel nodes, so
// reading is as tolerant as theirs where that is harmless, and writing gives the one text that they
// would write. Knows nothing of values.
import { addressOf, networkOf, parseIpv4, parseIpv6, prefixLengthOf } from '../../lib/address.ts';
import type { Cidr, IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import { defined } from '../../lib/defined.ts';
import type { LeaseSubnets } from '../lease.ts';

export type SubnetKeyResult =
  | { readonly ok: true; readonly subnets: LeaseSubnets }
  /**
   * `blocked`: subnets that flannel nodes read from the key. They are never leased to another host.
   */
  | { readonly ok: false; readonly reason: string; readonly blocked?: LeaseSubnets };

const KEY = /^([\d.]{7,15})-(\d{1,9})(?:&([0-9a-f:]{2,39})-(\d{1,9}))?$/;
/** Stands in for the IPv4 part where a lease has none. */
const NO_IPV4 = '0.0.0.0-0';
const FORM = 'A.B.C.D-LEN, A.B.C.D-LEN&IPV6-LEN or 0.0.0.0-0&IPV6-LEN';
const MAX_SHOWN_CHARACTERS = 80;

/**
 * Parses the whole of `text`, for example `10.5.52.0-24&fd00:12:13::-56`. Lengths may have leading
 * zeros and may be the full 32 or 128 bits, which flannel writes but does not read. Host bits are
 * an error.
 */
export function parseSubnetKey(text: string): SubnetKeyResult {
  const match = KEY.exec(text);
  if (match === null) return bad(`${quote(text)} is no subnet key: expected ${FORM}`);
  const [, address4 = '', length4 = '', address6, length6 = ''] = match;
  const ipv4 = parseIpv4(address4);
  if (ipv4 === undefined || Number(length4) > 32)
    return bad(`${quote(text)} names no IPv4 subnet: expected four numbers 0..255 and a length 0..32`);
  if (address6 === undefined) return checked(text, ipv4, Number(length4));
  const ipv6 = parseIpv6(address6);
  if (ipv6 === undefined || Number(length6) > 128)
    return bad(`${quote(text)} names no IPv6 subnet: expected an IPv6 address and a length 0..128`);
  return checked(text, ipv4, Number(length4), { address: ipv6, length: Number(length6) });
}

/** Writes the key of `subnets`. @throws RangeError if they are none. */
export function formatSubnetKey(subnets: LeaseSubnets): string {
  const { ipv4, ipv6 } = subnets;
  if (ipv4 === undefined && ipv6 === undefined)
    throw new RangeError(
      'Cannot write the key of a lease without any subnet: it needs an IPv4 or IPv6 subnet',
    );
  const ipv4Text = ipv4 === undefined ? NO_IPV4 : formatPart(ipv4);
  return ipv6 === undefined ? ipv4Text : `${ipv4Text}&${formatPart(ipv6)}`;
}

/**
 * Subnets that the key keeps from being leased to another host; `undefined` if it is no subnet key
 * at all.
 */
export function blockedSubnets(key: string): LeaseSubnets | undefined {
  const result = parseSubnetKey(key);
  return result.ok ? result.subnets : result.blocked;
}

function formatPart(cidr: Cidr): string {
  return `${addressOf(cidr)}-${prefixLengthOf(cidr)}`;
}

/** Takes `0.0.0.0-0` as "no IPv4" and `::-0` as "no IPv6", and sees to host bits. */
function checked(
  text: string,
  ipv4: Ipv4,
  length: number,
  v6?: { address: Ipv6; length: number },
): SubnetKeyResult {
  const hasIpv4 = ipv4 !== '0.0.0.0' || length !== 0;
  const hasIpv6 = v6 !== undefined && (v6.address !== '::' || v6.length !== 0);
  if (!hasIpv4 && !hasIpv6) return bad(`${quote(text)} names no subnet: both parts are empty`);
  const subnets = defined({
    ipv4: hasIpv4 ? networkOf(ipv4, length) : undefined,
    ipv6: hasIpv6 ? networkOf(v6.address, v6.length) : undefined,
  });
  const isNetwork =
    (!hasIpv4 || isFirst(subnets.ipv4, ipv4)) && (!hasIpv6 || isFirst(subnets.ipv6, v6.address));
  if (isNetwork) return { ok: true, subnets };
  const reason = `${quote(text)} has host bits set: expected ${formatSubnetKey(subnets)}`;
  return { ok: false, reason, blocked: subnets };
}

function isFirst(network: Cidr | undefined, address: IpAddress): boolean {
  return network !== undefined && addressOf(network) === address;
}

function bad(reason: string): SubnetKeyResult {
  return { ok: false, reason };
}

/** Printable and short: the key comes from an untrusted author. */
function quote(text: string): string {
  return JSON.stringify(
    text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text,
  );
}
