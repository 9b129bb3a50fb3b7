// Which host a published value belongs to. A host is its public IPv4 address; where it publishes
// none, its public IPv6 address.
import { familyOf } from '../../lib/address.ts';
import type { IpAddress, Ipv6 } from '../../lib/address.ts';
import type { LeaseAttributes } from '../lease.ts';

/** The addresses by which a host knows its own keys. */
export interface NodeIdentity {
  /** Public IPv4 address, or public IPv6 address where the network is IPv6-only. */
  readonly nodeId: IpAddress;
  /** Public IPv6 address beside an IPv4 one: keys from before IPv4 was turned on have it alone. */
  readonly publicIpv6?: Ipv6;
}

/** Whether these attributes were published by the host `node`. */
export function belongsTo(attributes: LeaseAttributes, node: NodeIdentity): boolean {
  const { publicIp, publicIpv6 } = attributes;
  if (familyOf(node.nodeId) === 6) return publicIpv6 === node.nodeId;
  if (publicIp !== undefined) return publicIp === node.nodeId;
  return publicIpv6 !== undefined && publicIpv6 === node.publicIpv6;
}

/** Whether these attributes name a host other than `node`. */
export function isPublishedByAnother(attributes: LeaseAttributes, node: NodeIdentity): boolean {
  const isNamed = attributes.publicIp !== undefined || attributes.publicIpv6 !== undefined;
  return isNamed && !belongsTo(attributes, node);
}

export function isSameNode(a: NodeIdentity, b: NodeIdentity): boolean {
  return a.nodeId === b.nodeId && a.publicIpv6 === b.publicIpv6;
}
