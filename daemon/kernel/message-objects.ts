// From decoded netlink messages to kernel objects as they were read: names for indexes, mismatches
// as text. Pure; used for dumps and for notifications alike.
import {
  type Cidr,
  familyOf,
  type IpAddress,
  type MacAddress,
  NO_MAC,
  UNSPECIFIED,
} from '../../lib/address.ts';
import {
  BLACKHOLE_METRIC,
  type FdbObject,
  type FouLink,
  type IpipLink,
  type ObjectKey,
  objectKey,
  type OverlayMtu,
  type RouteObject,
  type TunLink,
  type PathRouteObject,
  type VxlanLink,
} from '../../backends/kernel-state.ts';
import type { PathDevice, PathRoute } from '../../native/packet-path.ts';
import type { ActualObject, ActualRoute, Mismatched } from './actual-state.ts';
import { ROUTE_PROTOCOL } from './kernel.ts';
import { hasPort } from './fou-ports.ts';
import type { AddressMessage } from './netlink/address.ts';
import {
  IFA_F_DADFAILED,
  IFA_F_PERMANENT,
  NUD_NOARP,
  NUD_PERMANENT,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTN_BLACKHOLE,
  RTN_UNICAST,
} from './netlink/constants.ts';
import type { FouPort } from './netlink/fou.ts';
import type { LinkMessage } from './netlink/link.ts';
import type { NeighbourMessage } from './netlink/neighbour-fdb.ts';
import type { RouteMessage } from './netlink/route.ts';
import type { VxlanAttributes } from './netlink/vxlan.ts';
import { defaultMetric } from './route-ownership.ts';

/** RTN_* as `ip route` prints them. */
const TYPE_NAMES = ['unspec', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole'].concat([
  'unreachable',
  'prohibit',
  'throw',
  'nat',
]);

/** Name of an interface index, `undefined` if there is none. */
export type NameOf = (index: number) => string | undefined;

/** IFLA_TXQLEN of VXLAN devices: none, as they have no queue of their own. */
export const VXLAN_QUEUE_LENGTH = 0;
/**
 * IFLA_TXQLEN of TUN devices, in packets: keeps some seconds of packets while a restarting daemon
 * does not read.
 */
export const TUN_QUEUE_LENGTH = 4096;

/** A VXLAN device; `parent` is empty for a device without one. */
export function toVxlanLink(
  link: LinkMessage,
  vxlan: VxlanAttributes,
  parent: string,
): VxlanLink & Mismatched {
  return {
    kind: 'link',
    type: 'vxlan',
    name: link.name,
    vni: vxlan.vni,
    port: vxlan.port,
    local: vxlan.local ?? ('0.0.0.0' as IpAddress),
    parent,
    learning: vxlan.learning,
    gbp: vxlan.gbp,
    mac: link.mac ?? NO_MAC,
    mtu: link.mtu as OverlayMtu,
    ...mismatchOf([...vxlan.unsupported, ...describeQueue(link, VXLAN_QUEUE_LENGTH)]),
  };
}

/** A TUN device with `device` of this process's packet path behind it. */
export function toTunLink(link: LinkMessage, device: PathDevice): TunLink & Mismatched {
  return {
    kind: 'link',
    type: 'tun',
    name: link.name,
    encapsulation: device.encapsulation,
    local: device.local as IpAddress,
    port: device.port,
    vni: device.vni ?? 0,
    mac: (device.mac ?? NO_MAC) as MacAddress,
    mtu: link.mtu as OverlayMtu,
    ...mismatchOf(describeQueue(link, TUN_QUEUE_LENGTH)),
  };
}

/**
 * An IP-in-IP device of FOU; `undefined` for any other. `ports` are those that the kernel has.
 */
export function toFouLink(
  link: LinkMessage,
  ports: readonly FouPort[],
  nameOf: NameOf,
): (FouLink & Mismatched) | undefined {
  const tunnel = link.ipTunnel;
  if (tunnel?.local === undefined || tunnel.port === 0) return undefined;
  const { local, port } = tunnel;
  const mismatches = [...tunnel.unsupported, ...(link.isUp ? [] : ['down'])];
  if (!hasPort(ports, { local, port })) mismatches.push(NO_FOU_PORT);
  const { name } = link;
  const parent = nameOf(tunnel.parentIndex) ?? '';
  return {
    kind: 'link',
    type: 'fou',
    name,
    local,
    port,
    parent,
    mtu: link.mtu as OverlayMtu,
    ...mismatchOf(mismatches),
  };
}

/** An IP-in-IP device without an encapsulation around; `undefined` for any other. */
export function toIpipLink(
  { ipip, isUp, mtu, name }: LinkMessage,
  nameOf: NameOf,
): (IpipLink & Mismatched) | undefined {
  if (ipip === undefined) return undefined;
  return {
    kind: 'link',
    type: 'ipip',
    name,
    local: ipip.local ?? UNSPECIFIED[4],
    parent: nameOf(ipip.parentIndex) ?? '',
    mtu: mtu as OverlayMtu,
    ...mismatchOf([...ipip.unsupported, ...(isUp ? [] : ['down'])]),
  };
}

/** Mismatch of a device that sends and does not receive. */
const NO_FOU_PORT = 'no FOU port';

function describeQueue(link: LinkMessage, txQueueLength: number): readonly string[] {
  const mismatches = link.isUp ? [] : ['down'];
  if (link.txQueueLength !== txQueueLength) mismatches.push(`txqlen ${link.txQueueLength}`);
  return mismatches;
}

/** A route of the packet path on `dev`. */
export function toPathRouteObject(
  { destination, remote, port, mac, needsSegments, acceptsZeroChecksum }: PathRoute,
  dev: string,
): PathRouteObject {
  return {
    kind: 'tunnel',
    dev,
    destination: destination as Cidr,
    remote: remote as IpAddress,
    port,
    mac: (mac ?? NO_MAC) as MacAddress,
    needsSegments: needsSegments === true,
    acceptsZeroChecksum: acceptsZeroChecksum === true,
  };
}

/** An address of `dev`; `undefined` for an IPv6 link-local address, which is the kernel's own. */
export function toAddress(message: AddressMessage, dev: string): ActualObject | undefined {
  const isIpv6 = message.address.includes(':');
  if (isIpv6 && message.scope === RT_SCOPE_LINK) return undefined;
  const mismatches: string[] = [];
  if (message.peer !== undefined) mismatches.push(`peer ${message.peer}`);
  if (message.scope !== RT_SCOPE_UNIVERSE) mismatches.push(`scope ${message.scope}`);
  if ((message.flags & IFA_F_PERMANENT) === 0) mismatches.push('not permanent');
  if (isIpv6 && (message.flags & IFA_F_DADFAILED) !== 0) mismatches.push('duplicate address detected');
  const address = `${message.address}/${message.prefixLength}` as Cidr;
  return { kind: 'address', dev, address, ...mismatchOf(mismatches) };
}

/**
 * A neighbour of `dev`; `undefined` unless NUD_PERMANENT: entries that the kernel learned are not
 * ours.
 */
export function toNeighbour(message: NeighbourMessage, dev: string): ActualObject | undefined {
  if ((message.state & NUD_PERMANENT) === 0 || message.address === undefined) return undefined;
  return { kind: 'neighbour', dev, address: message.address, mac: message.mac ?? NO_MAC };
}

/**
 * A forwarding entry of `dev` by its first remote; `undefined` for a learned one. Only the
 * all-zeros entry and those of groups can have several remotes (vxlan_fdb_update_existing), and
 * weft makes neither.
 */
export function toFdb(message: NeighbourMessage, dev: string): (FdbObject & Mismatched) | undefined {
  if ((message.state & (NUD_PERMANENT | NUD_NOARP)) === 0 || message.mac === undefined) return undefined;
  const mismatches = [...message.unsupported];
  if ((message.state & NUD_PERMANENT) === 0) mismatches.push('not permanent');
  if (message.address === undefined) mismatches.push('no destination');
  const destination = message.address ?? ('0.0.0.0' as IpAddress);
  return { kind: 'fdb', dev, mac: message.mac, destination, ...mismatchOf(mismatches) };
}

/** A route of the main table; `dev` is empty if it has no device. */
export function toRoute(message: RouteMessage, dev: string): ActualRoute {
  const { destination, metric, protocol } = message;
  const isBlackhole =
    message.type === RTN_BLACKHOLE && protocol === ROUTE_PROTOCOL && metric === BLACKHOLE_METRIC;
  if (isBlackhole) return { ...blackholeOf(destination), protocol, metric };
  const isSingle = message.type === RTN_UNICAST && message.hops === 1 && !message.isNexthopObject;
  const gateway = isSingle ? message.gateway : undefined;
  return {
    kind: 'route',
    destination,
    gateway: gateway ?? ((destination.includes(':') ? '::' : '0.0.0.0') as IpAddress),
    dev,
    isOnLink: message.isOnLink,
    protocol,
    metric,
    ...mismatchOf(describeRoute(message)),
  };
}

/** The kernel reports IPv6 blackholes on the loopback device, which weft ignores. */
function blackholeOf(destination: Cidr): RouteObject {
  const gateway = UNSPECIFIED[familyOf(destination)];
  return { kind: 'route', destination, gateway, dev: '', isOnLink: false, isBlackhole: true };
}

function describeRoute(message: RouteMessage): readonly string[] {
  const mismatches: string[] = [];
  if (message.type !== RTN_UNICAST) mismatches.push(TYPE_NAMES[message.type] ?? `type ${message.type}`);
  if (message.hops !== 1) mismatches.push(`${message.hops} next hops`);
  if (message.isNexthopObject) mismatches.push('nexthop object');
  if (message.hasTos) mismatches.push('tos');
  if (message.protocol !== ROUTE_PROTOCOL) mismatches.push(`protocol ${message.protocol}`);
  if (message.metric !== defaultMetric(message.destination)) mismatches.push(`metric ${message.metric}`);
  return mismatches;
}

/** Adds `object` under `key`; a second one of that key gets a longer key. */
export function addObject(
  objects: Map<ObjectKey, ActualObject>,
  object: ActualObject,
  key = objectKey(object),
): void {
  let free = key;
  for (let count = 2; objects.has(free); count++) free = `${key} (${count})`;
  objects.set(free, object);
}

function mismatchOf(mismatches: readonly string[]): Mismatched {
  return mismatches.length === 0 ? {} : { mismatch: mismatches.join(', ') };
}
