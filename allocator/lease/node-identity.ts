// Whose a published value is. A host is its public IPv4 address; where it publishes none, its public IPv6 address.
import { familyOf } from '../../lib/address.ts';
import type { IpAddress, Ipv6 } from '../../lib/address.ts';
import type { LeaseAttributes } from '../lease.ts';

/** The addresses by which a host knows its own keys. */
export interface NodeIdentity {
  /** Public IPv4 address, or public IPv6 address where the network is IPv6-only. */
  readonly identity: IpAddress;
  /** Public IPv6 address beside an IPv4 one: keys from before IPv4 was turned on bear it alone. */
  readonly publicIpv6?: Ipv6;
}

/** Whether these attributes were published by the host `who`. */
export function belongsTo(attributes: LeaseAttributes, who: NodeIdentity): boolean {
  const { publicIp, publicIpv6 } = attributes;
  if (familyOf(who.identity) === 6) return publicIpv6 === who.identity;
  if (publicIp !== undefined) return publicIp === who.identity;
  return publicIpv6 !== undefined && publicIpv6 === who.publicIpv6;
}

/** Whether these attributes name a host, and another one than `who`. */
export function isPublishedByAnother(attributes: LeaseAttributes, who: NodeIdentity): boolean {
  const isNamed = attributes.publicIp !== undefined || attributes.publicIpv6 !== undefined;
  return isNamed && !belongsTo(attributes, who);
}

export function isSameHost(a: NodeIdentity, b: NodeIdentity): boolean {
  return a.identity === b.identity && a.publicIpv6 === b.publicIpv6;
}
