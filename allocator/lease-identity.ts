// Whose a published value is. A host is its public address: IPv4, or IPv6 where the network is IPv6-only.
import { familyOf } from './address.ts';
import type { IpAddress } from './address.ts';
import type { LeaseAttributes } from './lease.ts';

/** Whether these attributes were published by the host that is `identity`. */
export function isPublishedBy(attributes: LeaseAttributes, identity: IpAddress): boolean {
  return (familyOf(identity) === 4 ? attributes.publicIp : attributes.publicIpv6) === identity;
}

/** Whether these attributes name a host, and another one than `identity`. */
export function isPublishedByAnother(attributes: LeaseAttributes, identity: IpAddress): boolean {
  const isNamed = attributes.publicIp !== undefined || attributes.publicIpv6 !== undefined;
  return isNamed && !isPublishedBy(attributes, identity);
}
