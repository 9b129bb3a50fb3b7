// From what the kernel's messages say to kernel objects as they were read: names for indexes, deviations in words.
// Pure; used for dumps and for notices alike.
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
  type ObjectKey,
  objectKey,
  type OverlayMtu,
  type RouteObject,
  type TunLink,
  type TunnelObject,
  type VxlanLink,
} from '../../backends/kernel-state.ts';
import type { PathDevice, PathRoute } from '../../native/packet-path.ts';
import type { ActualObject, ActualRoute, Deviating } from './actual.ts';
import { ROUTE_PROTOCOL } from './kernel.ts';
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
import type { LinkMessage, VxlanAttributes } from './netlink/link.ts';
import type { NeighbourMessage } from './netlink/neighbour.ts';
import type { RouteMessage } from './netlink/route.ts';
import { defaultMetric } from './route-ownership.ts';

const TYPE_NAMES = ['unspec', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole'].concat([
  'unreachable',
  'prohibit',
  'throw',
  'nat',
]);

/** Name of an interface index, `undefined` if there is none. */
export type NameOf = (index: number) => string | undefined;

export const VXLAN_QUEUE_LENGTH = 0;
/** Packets that a TUN device keeps while nobody reads, such as those of seconds of a restart: what that costs is delay. */
export const TUN_QUEUE_LENGTH = 4096;

/** `parent` is empty for a device without one. */
export function toVxlanLink(
  link: LinkMessage,
  vxlan: VxlanAttributes,
  parent: string,
): VxlanLink & Deviating {
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
    ...deviation([...vxlan.oddities, ...describeQueue(link, VXLAN_QUEUE_LENGTH)]),
  };
}

/** A TUN device with `device` of this process's packet path behind it. */
export function toTunLink(link: LinkMessage, device: PathDevice): TunLink & Deviating {
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
    ...deviation(describeQueue(link, TUN_QUEUE_LENGTH)),
  };
}

function describeQueue(link: LinkMessage, txQueueLength: number): readonly string[] {
  const odd = link.isUp ? [] : ['down'];
  if (link.txQueueLength !== txQueueLength) odd.push(`txqlen ${link.txQueueLength}`);
  return odd;
}

export function toTunnel({ destination, remote, port, mac }: PathRoute, dev: string): TunnelObject {
  return {
    kind: 'tunnel',
    dev,
    destination: destination as Cidr,
    remote: remote as IpAddress,
    port,
    mac: (mac ?? NO_MAC) as MacAddress,
  };
}

/** `undefined` for an IPv6 link-local address: the kernel's own. */
export function toAddress(message: AddressMessage, dev: string): ActualObject | undefined {
  const isIpv6 = message.address.includes(':');
  if (isIpv6 && message.scope === RT_SCOPE_LINK) return undefined;
  const odd: string[] = [];
  if (message.peer !== undefined) odd.push(`peer ${message.peer}`);
  if (message.scope !== RT_SCOPE_UNIVERSE) odd.push(`scope ${message.scope}`);
  if ((message.flags & IFA_F_PERMANENT) === 0) odd.push('not permanent');
  if (isIpv6 && (message.flags & IFA_F_DADFAILED) !== 0) odd.push('duplicate address detected');
  const address = `${message.address}/${message.prefixLength}` as Cidr;
  return { kind: 'address', dev, address, ...deviation(odd) };
}

/** `undefined` unless permanent: what the kernel learned is not ours. */
export function toNeighbour(message: NeighbourMessage, dev: string): ActualObject | undefined {
  if ((message.state & NUD_PERMANENT) === 0 || message.address === undefined) return undefined;
  return { kind: 'neighbour', dev, address: message.address, mac: message.mac ?? NO_MAC };
}

/**
 * A forwarding entry by its first remote; `undefined` for a learned one. Only the all-zeros entry and those of groups
 * can have more (vxlan_fdb_update_existing), and weft makes neither.
 */
export function toFdb(message: NeighbourMessage, dev: string): (FdbObject & Deviating) | undefined {
  if ((message.state & (NUD_PERMANENT | NUD_NOARP)) === 0 || message.mac === undefined) return undefined;
  const odd = [...message.oddities];
  if ((message.state & NUD_PERMANENT) === 0) odd.push('not permanent');
  if (message.address === undefined) odd.push('no destination');
  const destination = message.address ?? ('0.0.0.0' as IpAddress);
  return { kind: 'fdb', dev, mac: message.mac, destination, ...deviation(odd) };
}

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
    ...deviation(describeRoute(message)),
  };
}

/** The kernel shows those of IPv6 on the loopback device. */
function blackholeOf(destination: Cidr): RouteObject {
  const gateway = UNSPECIFIED[familyOf(destination)];
  return { kind: 'route', destination, gateway, dev: '', isOnLink: false, isBlackhole: true };
}

function describeRoute(message: RouteMessage): readonly string[] {
  const odd: string[] = [];
  if (message.type !== RTN_UNICAST) odd.push(TYPE_NAMES[message.type] ?? `type ${message.type}`);
  if (message.hops !== 1) odd.push(`${message.hops} next hops`);
  if (message.isNexthopObject) odd.push('nexthop object');
  if (message.hasTos) odd.push('tos');
  if (message.protocol !== ROUTE_PROTOCOL) odd.push(`protocol ${message.protocol}`);
  if (message.metric !== defaultMetric(message.destination)) odd.push(`metric ${message.metric}`);
  return odd;
}

/** Adds `object` under its key; a second one of that key gets a key of its own. */
export function addObject(
  objects: Map<ObjectKey, ActualObject>,
  object: ActualObject,
  key = objectKey(object),
): void {
  let free = key;
  for (let count = 2; objects.has(free); count++) free = `${key} (${count})`;
  objects.set(free, object);
}

function deviation(odd: readonly string[]): Deviating {
  return odd.length === 0 ? {} : { deviation: odd.join(', ') };
}
