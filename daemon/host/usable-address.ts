// Which addresses of an interface can carry the tunnel, best first. Pure.
import { contains, familyOf } from '../../lib/address.ts';
import type { Cidr, Family, IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import type { Interface, InterfaceAddress } from '../kernel/kernel.ts';

/** Loopback and multicast (RFC 6890, RFC 5771, RFC 4291): no peer can send there. */
const NEVER: readonly Cidr[] = ['127.0.0.0/8', '224.0.0.0/4', '::1/128', 'ff00::/8'] as string[] as Cidr[];
/** RFC 3927, RFC 4291 §2.5.6. */
const LINK_LOCAL: readonly Cidr[] = ['169.254.0.0/16', 'fe80::/10'] as string[] as Cidr[];

/**
 * Usable addresses of one family: global before link-local, permanent before dynamic, lasting before temporary, else in
 * kernel order. Leaves out deprecated, loopback and multicast addresses, and link-local ones of IPv6.
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

function isUsable({ address, isDeprecated }: InterfaceAddress): boolean {
  // Where an IPv6 link-local address is cannot be told without an interface, which a lease has no room for.
  if (familyOf(address) === 6 && isLinkLocal(address)) return false;
  return !isDeprecated && !NEVER.some((network) => contains(network, address));
}

/** Whether `address` means something on one link only. */
export function isLinkLocal(address: IpAddress): boolean {
  return LINK_LOCAL.some((network) => contains(network, address));
}

function rank({ address, scope, isPermanent, isTemporary }: InterfaceAddress): number {
  return (scope === 'link' || isLinkLocal(address) ? 4 : 0) + (isPermanent ? 0 : 2) + (isTemporary ? 1 : 0);
}
