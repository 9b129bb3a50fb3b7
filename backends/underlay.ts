// Whether a peer can be reached without a router, computed from the host's main table as the kernel
// does: longest prefix, then lowest metric; and whether one route may take the whole network. Reads no
// kernel; remembers an index per route list, since every peer asks the same list.
import {
  addressOf,
  bitsOf,
  contains,
  familyOf,
  networkOf,
  prefixLengthOf,
  toBigInt,
} from '../lib/address.ts';
import type { Cidr, Family, IpAddress } from '../lib/address.ts';
import type { Ipv4Range, Ipv6Range } from '../allocator/config/config.ts';
import { interfaceAddressOf, rangeOf } from './address-family.ts';
import type { BackendContext, UnderlayRoute } from './backend.ts';

/**
 * Whether `address` is on a link of this host (of device `dev` if given): its best route is one,
 * and has no gateway.
 */
export function isOnLink(routes: readonly UnderlayRoute[], address: IpAddress, dev?: string): boolean {
  const onLinkDev = onLinkDevice(routes, address);
  return onLinkDev !== undefined && (dev === undefined || dev === onLinkDev);
}

/**
 * The device whose link `address` is on; `undefined` behind a gateway, without a route, or if two
 * routes tie.
 */
export function onLinkDevice(routes: readonly UnderlayRoute[], address: IpAddress): string | undefined {
  const [best, second] = bestRoutes(routes, address);
  if (best === undefined || best.gateway !== undefined || best.discards !== undefined) return undefined;
  return second?.metric === best.metric ? undefined : best.dev;
}

/**
 * Length of the longest prefix among the routes to `address`, in bits; 0 for a default route, and
 * without any.
 */
export function bestPrefixLength(routes: readonly UnderlayRoute[], address: IpAddress): number {
  const [best] = bestRoutes(routes, address);
  return best === undefined ? 0 : prefixLengthOf(best.destination);
}

/** The best route to exactly `destination`; `undefined` without one. */
export function routeTo(routes: readonly UnderlayRoute[], destination: Cidr): UnderlayRoute | undefined {
  return indexOf(routes).byDestination.get(destination)?.[0];
}

/** Next hops through `dev`, each once. */
export function gatewaysOf(routes: readonly UnderlayRoute[], dev: string): readonly IpAddress[] {
  return indexOf(routes).gateways.get(dev) ?? [];
}

/** Routes of the longest matching prefix, lowest metric first. */
function bestRoutes(routes: readonly UnderlayRoute[], address: IpAddress): readonly UnderlayRoute[] {
  const index = indexOf(routes);
  for (const length of index.prefixLengths[familyOf(address)]) {
    const found = index.byDestination.get(networkOf(address, length));
    if (found !== undefined) return found;
  }
  return [];
}

interface RouteIndex {
  readonly byDestination: ReadonlyMap<Cidr, readonly UnderlayRoute[]>;
  /** Prefix lengths in use, longest first. */
  readonly prefixLengths: Readonly<Record<Family, readonly number[]>>;
  /** By device. */
  readonly gateways: ReadonlyMap<string, readonly IpAddress[]>;
}

const indexes = new WeakMap<readonly UnderlayRoute[], RouteIndex>();

function indexOf(routes: readonly UnderlayRoute[]): RouteIndex {
  let index = indexes.get(routes);
  if (index === undefined) indexes.set(routes, (index = buildIndex(routes)));
  return index;
}

function buildIndex(routes: readonly UnderlayRoute[]): RouteIndex {
  const byDestination = new Map<Cidr, UnderlayRoute[]>();
  for (const route of routes) {
    const sameDestination = byDestination.get(route.destination);
    if (sameDestination === undefined) byDestination.set(route.destination, [route]);
    else sameDestination.push(route);
  }
  for (const sameDestination of byDestination.values()) sameDestination.sort((a, b) => a.metric - b.metric);
  return {
    byDestination,
    prefixLengths: { 4: prefixLengths(routes, 4), 6: prefixLengths(routes, 6) },
    gateways: gatewaysByDevice(routes),
  };
}

function gatewaysByDevice(routes: readonly UnderlayRoute[]): ReadonlyMap<string, readonly IpAddress[]> {
  const gateways = new Map<string, Set<IpAddress>>();
  for (const { dev, gateway } of routes) {
    if (gateway === undefined) continue;
    const ofDevice = gateways.get(dev);
    if (ofDevice === undefined) gateways.set(dev, new Set([gateway]));
    else ofDevice.add(gateway);
  }
  return new Map(Array.from(gateways, ([dev, addresses]) => [dev, [...addresses]]));
}

function prefixLengths(routes: readonly UnderlayRoute[], family: Family): readonly number[] {
  const lengths = new Set<number>();
  for (const { destination } of routes)
    if (familyOf(destination) === family) lengths.add(prefixLengthOf(destination));
  return [...lengths].sort((a, b) => b - a);
}

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
