// Selects the addresses of an interface that can be tunnel endpoints, best first. Pure.
import { bitsOf, contains, familyOf } from '../../lib/address.ts';
import type { Cidr, Family, IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import type { Interface, InterfaceAddress } from '../kernel/kernel.ts';

/** Loopback and multicast (RFC 6890, RFC 5771, RFC 4291): unreachable for peers. */
const NEVER: readonly Cidr[] = ['127.0.0.0/8', '224.0.0.0/4', '::1/128', 'ff00::/8'] as string[] as Cidr[];
/** RFC 3927, RFC 4291 §2.5.6. */
const LINK_LOCAL: readonly Cidr[] = ['169.254.0.0/16', 'fe80::/10'] as string[] as Cidr[];

/**
 * Usable addresses of one family: preferred before deprecated, global before link-local, in a subnet
 * before alone (/32, /128), permanent before dynamic, stable before temporary (RFC 8981), else in
 * kernel order. Loopback and multicast addresses and link-local IPv6 ones are not usable.
 */
export function usableAddresses(candidate: Interface, family: 4): readonly Ipv4[];
export function usableAddresses(candidate: Interface, family: 6): readonly Ipv6[];
export function usableAddresses(candidate: Interface, family: Family): readonly IpAddress[];
export function usableAddresses(candidate: Interface, family: Family): readonly IpAddress[] {
  return candidate.addresses
    .filter((entry) => familyOf(entry.address) === family && isUsable(entry))
    .toSorted((a, b) => rank(a) - rank(b))
    .map((entry) => entry.address);
}

function isUsable({ address }: InterfaceAddress): boolean {
  // An IPv6 link-local address needs a zone, for which a lease has no field.
  if (familyOf(address) === 6 && isLinkLocal(address)) return false;
  return !NEVER.some((network) => contains(network, address));
}

/** Whether `address` has link-local scope. */
export function isLinkLocal(address: IpAddress): boolean {
  return LINK_LOCAL.some((network) => contains(network, address));
}

/**
 * Whether `address`, which the kernel picks as source, is one to publish. For IPv4 every source is.
 * For IPv6 the pick depends on the destination (RFC 6724 rule 8) and on privacy settings (rule 7).
 */
export function isLikelySource({ addresses }: Interface, address: IpAddress): boolean {
  if (familyOf(address) === 4) return true;
  const entries = addresses.filter((entry) => familyOf(entry.address) === 6 && isUsable(entry));
  const picked = entries.find((entry) => entry.address === address);
  const isWorse = (is: (entry: InterfaceAddress) => boolean): boolean =>
    picked !== undefined && is(picked) && !entries.every(is);
  return !isWorse(isAlone) && !isWorse(({ isTemporary }) => isTemporary);
}

/** Without a subnet: the form of addresses that fail over between hosts. */
export function isAlone({ address, prefixLength }: InterfaceAddress): boolean {
  return prefixLength === bitsOf(familyOf(address));
}

function rank(entry: InterfaceAddress): number {
  const { address, scope, isDeprecated, isPermanent, isTemporary } = entry;
  const isLocal = scope === 'link' || isLinkLocal(address);
  // From the weightiest: each outweighs all that follow.
  return [isDeprecated, isLocal, isAlone(entry), !isPermanent, isTemporary].reduce(
    (sum, isWorse) => sum * 2 + Number(isWorse),
    0,
  );
}
