// Selects the addresses of an interface that can be tunnel endpoints, best first. Pure.
import { contains, familyOf } from '../../lib/address.ts';
import type { Cidr, Family, IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import type { Interface, InterfaceAddress } from '../kernel/kernel.ts';

/** Loopback and multicast (RFC 6890, RFC 5771, RFC 4291): unreachable for peers. */
const NEVER: readonly Cidr[] = ['127.0.0.0/8', '224.0.0.0/4', '::1/128', 'ff00::/8'] as string[] as Cidr[];
/** RFC 3927, RFC 4291 §2.5.6. */
const LINK_LOCAL: readonly Cidr[] = ['169.254.0.0/16', 'fe80::/10'] as string[] as Cidr[];

/**
 * Usable addresses of one family: global before link-local, permanent before dynamic, stable before
 * temporary (RFC 8981), else in kernel order. Deprecated, loopback and multicast addresses and
 * link-local IPv6 ones are not usable.
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
  // An IPv6 link-local address needs a zone, for which a lease has no field.
  if (familyOf(address) === 6 && isLinkLocal(address)) return false;
  return !isDeprecated && !NEVER.some((network) => contains(network, address));
}

/** Whether `address` has link-local scope. */
export function isLinkLocal(address: IpAddress): boolean {
  return LINK_LOCAL.some((network) => contains(network, address));
}

function rank({ address, scope, isPermanent, isTemporary }: InterfaceAddress): number {
  return (scope === 'link' || isLinkLocal(address) ? 4 : 0) + (isPermanent ? 0 : 2) + (isTemporary ? 1 : 0);
}
