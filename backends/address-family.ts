// Address families: selects the families of a network, and one family's part of config, host, lease
// and attributes. It makes no decisions.
import type { Cidr, Family, IpAddress } from '../lib/address.ts';
import type { Ipv4Range, Ipv6Range, NetworkConfig } from '../allocator/config/config.ts';
import type { LeaseAttributes, LeaseSubnets } from '../allocator/lease.ts';
import type { HostFacts } from './backend.ts';

export const FAMILIES: readonly Family[] = [4, 6];
const IPV4_ALONE: readonly Family[] = [4];
const IPV6_ALONE: readonly Family[] = [6];

/** Families that the network config turns on, IPv4 first. */
export function familiesOf({ ipv4, ipv6 }: NetworkConfig): readonly Family[] {
  if (ipv4 !== undefined) return ipv6 === undefined ? IPV4_ALONE : FAMILIES;
  return ipv6 === undefined ? [] : IPV6_ALONE;
}

/** Range of one family, unset if the config leaves the family off. */
export function rangeOf(config: NetworkConfig, family: Family): Ipv4Range | Ipv6Range | undefined {
  return family === 4 ? config.ipv4 : config.ipv6;
}

/** Subnet of one family, unset if the lease has none. */
export function subnetOf(subnets: LeaseSubnets, family: Family): Cidr | undefined {
  return family === 4 ? subnets.ipv4 : subnets.ipv6;
}

/** Address that peers send to, as published or as known of this host. */
export function publicIpOf(
  holder: Pick<LeaseAttributes | HostFacts, 'publicIp' | 'publicIpv6'>,
  family: Family,
): IpAddress | undefined {
  return family === 4 ? holder.publicIp : holder.publicIpv6;
}

/** Address of the underlay interface. */
export function interfaceAddressOf(host: HostFacts, family: Family): IpAddress | undefined {
  return family === 4 ? host.interface.ipv4 : host.interface.ipv6;
}

/** Backend's own JSON of one family, not decoded. */
export function backendDataOf(attributes: LeaseAttributes, family: Family): unknown {
  return family === 4 ? attributes.backendData : attributes.backendV6Data;
}
