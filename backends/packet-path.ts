// The userspace packet path as backends see it, shared by udp and by VXLAN in userspace: one TUN
// device a family, and one entry a peer that maps its subnet to its underlay address. The whole
// network is routed to the device: an address without a host gets an ICMP error instead of the
// default route, and a new peer needs no route. A network that may also hold underlay addresses
// gets one route a peer, as kernel VXLAN has: packets of the path must never be routed back into
// it.
import { UNSPECIFIED, contains, prefixLengthOf } from '../lib/address.ts';
import type { Cidr, Family } from '../lib/address.ts';
import type { WeftAttributes } from '../allocator/lease.ts';
import type { BackendContext, HostFacts } from './backend.ts';
import { subnetOf } from './address-family.ts';
import type { KernelObject, PathRouteObject, RouteObject, TunLink } from './kernel-state.ts';
import { deviceObjects } from './overlay-device.ts';
import type { PeerFamilyState, PeerFamily } from './peer-state.ts';
import { bestPrefixLength, wholeNetwork } from './underlay.ts';

/**
 * Objects of this host in one family, with the device that `deriveLink` makes; none without a
 * subnet of that family.
 */
export function pathHostObjects(
  context: BackendContext,
  family: Family,
  deriveLink: () => TunLink,
): readonly KernelObject[] {
  const subnet = subnetOf(context.own.subnets, family);
  if (subnet === undefined) return [];
  const link = deriveLink();
  const objects = deviceObjects(link, family, subnet);
  const network = wholeNetwork(context, family);
  return network === undefined ? objects : [...objects, deviceRoute(network, family, link.name)];
}

/**
 * What this host publishes about its packet path: without checksums a peer's BPF program can send
 * over IPv6 what its workers would send else. Workers alone take them one by one, so not then.
 */
export function zeroChecksumMark({ isBpfOff }: HostFacts, families: readonly Family[]): WeftAttributes {
  return families.includes(6) && isBpfOff !== true ? { acceptsZeroChecksum: true } : {};
}

type PathPeer = Pick<PathRouteObject, 'dev' | 'port' | 'mac' | 'needsSegments'>;

/**
 * What leads to a peer through the device `dev`. `mac` is the peer's VTEP MAC; all zero with
 * encapsulation udp. `needsSegments`: see {@link PathRouteObject}.
 */
export function pathPeerFamily(
  context: BackendContext,
  { family, subnet, publicIp, lease }: PeerFamily,
  { dev, port, mac, needsSegments }: PathPeer,
): PeerFamilyState {
  const acceptsZeroChecksum = family === 6 && lease.attributes.weft?.acceptsZeroChecksum === true;
  const end = { remote: publicIp, port, mac, needsSegments, acceptsZeroChecksum };
  const tunnel: KernelObject = { kind: 'tunnel', dev, destination: subnet, ...end };
  const routed: PeerFamilyState = { mode: 'userspace', objects: [tunnel, deviceRoute(subnet, family, dev)] };
  const network = wholeNetwork(context, family);
  if (network === undefined) return routed;
  const isRoutedBack =
    contains(network, publicIp) &&
    bestPrefixLength(context.host.underlayRoutes, publicIp) <= prefixLengthOf(network);
  if (!isRoutedBack) return context.isMigrating === true ? routed : { mode: 'userspace', objects: [tunnel] };
  const reason =
    `its public address ${publicIp} lies in the network ${network}, which ${dev} takes whole: give hosts addresses ` +
    'outside of the network, or keep theirs out of it with SubnetMin and SubnetMax';
  return { mode: 'error', reason };
}

function deviceRoute(destination: Cidr, family: Family, dev: string): RouteObject {
  return { kind: 'route', destination, gateway: UNSPECIFIED[family], dev, isOnLink: false };
}
