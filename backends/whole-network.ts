// Whether a route of the whole network of containers takes nothing that belongs elsewhere.
import {
  addressOf,
  bitsOf,
  contains,
  prefixLengthOf,
  toBigInt,
  type Cidr,
  type Family,
} from '../lib/address.ts';
import type { Ipv4Range, Ipv6Range } from '../allocator/config/config.ts';
import type { BackendContext } from './backend.ts';
import { interfaceAddressOf, rangeOf } from './address-family.ts';
import { routeTo } from './underlay.ts';

/**
 * The network if one route can take all of it; unset if hosts may be in it, or if another device has
 * its route.
 */
export function wholeNetwork({ config, host }: BackendContext, family: Family): Cidr | undefined {
  const range = rangeOf(config, family);
  if (range === undefined || !isLeasedWhole(range, family)) return undefined;
  if (routeTo(host.underlayRoutes, range.network) !== undefined) return undefined;
  const address = interfaceAddressOf(host, family);
  return address !== undefined && contains(range.network, address) ? undefined : range.network;
}

/**
 * Whether all subnets of the network, but perhaps the first, are for leases: no part is kept for
 * something else.
 */
function isLeasedWhole({ network, subnetLength, min, max }: Ipv4Range | Ipv6Range, family: Family): boolean {
  const subnetSize = 1n << BigInt(bitsOf(family) - subnetLength);
  const first = toBigInt(addressOf(network));
  const end = first + (1n << BigInt(bitsOf(family) - prefixLengthOf(network)));
  return toBigInt(min) - first <= subnetSize && toBigInt(max) === end - subnetSize;
}
