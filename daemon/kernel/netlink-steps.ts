// One step on a table entry as netlink requests that set or remove it. Pure; links, path routes and
// sysctls are elsewhere.
import type { Cidr, IpAddress } from '../../lib/address.ts';
import { defined } from '../../lib/defined.ts';
import { BLACKHOLE_METRIC } from '../../backends/kernel-state.ts';
import type { AddressObject, FdbObject, NeighbourObject, RouteObject } from '../../backends/kernel-state.ts';
import type { ActualRoute } from './actual-state.ts';
import { ROUTE_PROTOCOL, type Step } from './kernel.ts';
import { encodeAddressDelete, encodeAddressSet } from './netlink/address.ts';
import {
  encodeFdbDelete,
  encodeFdbSet,
  encodeNeighbourDelete,
  encodeNeighbourSet,
} from './netlink/neighbour-fdb.ts';
import type { Request } from './netlink/netlink-client.ts';
import { RTPROT_KERNEL } from './netlink/constants.ts';
import { encodeRouteDelete, encodeRouteSet } from './netlink/route.ts';

/** An object that is one entry of a table of a device. */
export type TableObject = AddressObject | NeighbourObject | FdbObject | RouteObject;
/** A step on a {@link TableObject}. */
export type TableStep = Step & { readonly object: TableObject };

/** A request of a step. */
export interface PlannedRequest {
  readonly request: Request;
  /** {@link NOT_FOUND} is success. */
  readonly isRemoval: boolean;
}

/** Errno names of the kernel if there is nothing to remove. */
export const NOT_FOUND: ReadonlySet<string> = new Set(['ESRCH', 'ENOENT', 'EADDRNOTAVAIL', 'ENODEV']);

/** Whether `step` is one for {@link planStep}. */
export function isTableStep(step: Step): step is TableStep {
  const { kind } = step.object;
  return kind === 'address' || kind === 'neighbour' || kind === 'fdb' || kind === 'route';
}

/** Requests for `step`, in order; `index` is that of the object's device. */
export function planStep(step: TableStep, index: number): readonly PlannedRequest[] {
  const { object } = step;
  if (step.action === 'remove') return [removal(planRemoval(object, index))];
  const isMismatched = step.current?.mismatch !== undefined;
  switch (object.kind) {
    case 'address':
      return planAddress(object, index, isMismatched);
    case 'neighbour':
      return [
        change((writer) => encodeNeighbourSet(writer, { index, address: object.address, mac: object.mac })),
      ];
    case 'fdb':
      return planFdb(object, index, isMismatched);
    case 'route':
      return [change((writer) => encodeRouteSet(writer, targetOf(object, index)))];
  }
}

function planAddress(object: AddressObject, index: number, isMismatched: boolean): readonly PlannedRequest[] {
  const target = { index, ...splitCidr(object.address) };
  const set = change((writer) => encodeAddressSet(writer, target));
  return isMismatched ? [removal((writer) => encodeAddressDelete(writer, target)), set] : [set];
}

/**
 * An entry that points to a nexthop object cannot be replaced, without an error
 * (vxlan_fdb_replace).
 */
function planFdb(object: FdbObject, index: number, isMismatched: boolean): readonly PlannedRequest[] {
  const { mac, destination } = object;
  const set = change((writer) => encodeFdbSet(writer, { index, mac, address: destination }));
  return isMismatched ? [removal((writer) => encodeFdbDelete(writer, { index, mac })), set] : [set];
}

function planRemoval(object: TableObject, index: number): Request {
  switch (object.kind) {
    case 'address':
      return (writer) => encodeAddressDelete(writer, { index, ...splitCidr(object.address) });
    case 'neighbour':
      return (writer) => encodeNeighbourDelete(writer, { index, address: object.address });
    case 'fdb':
      return (writer) => encodeFdbDelete(writer, { index, mac: object.mac });
    case 'route':
      return (writer) => encodeRouteDelete(writer, { ...matchRoute(object), index });
  }
}

/**
 * Requests that repeat a rejected IPv6 route: the kernel rejects an `onlink` gateway that a route
 * of another device covers, be it the one to be replaced (ip6_route_check_nh_onlink). A host route
 * to the gateway on the right device exists during the check, so that the old route is replaced
 * without a gap. All travel in one datagram. The host route has RTPROT_KERNEL, so that it never
 * counts as an orphan of weft. Empty if a retry cannot help.
 */
export function planRetry(step: TableStep, index: number, errno: string): readonly PlannedRequest[] {
  const { object } = step;
  const isBlocked = errno === 'EINVAL' && object.kind === 'route' && object.isOnLink;
  if (!isBlocked || step.action === 'remove' || !object.destination.includes(':')) return [];
  const hostRoute = { destination: `${object.gateway}/128` as Cidr, protocol: RTPROT_KERNEL, index };
  return [
    change((writer) => encodeRouteSet(writer, { ...hostRoute, isOnLink: false })),
    ...planStep(step, index),
    removal((writer) => encodeRouteDelete(writer, hostRoute)),
  ];
}

/** Matches only the route that was meant, by its protocol, metric and next hop. */
function matchRoute(route: RouteObject | ActualRoute): Parameters<typeof encodeRouteDelete>[1] {
  const { destination } = route;
  const gateway = gatewayOf(route);
  const protocol = 'protocol' in route ? route.protocol : ROUTE_PROTOCOL;
  const ownMetric = route.isBlackhole ? BLACKHOLE_METRIC : undefined;
  const metric = 'metric' in route ? route.metric : ownMetric;
  return defined({ destination, protocol, metric: metric || undefined, gateway });
}

function targetOf(route: RouteObject, index: number): Parameters<typeof encodeRouteSet>[1] {
  const { destination, isOnLink, isBlackhole } = route;
  const blackholeMetric = isBlackhole ? BLACKHOLE_METRIC : undefined;
  const protocol = ROUTE_PROTOCOL;
  return defined({ destination, isOnLink, index, protocol, blackholeMetric, gateway: gatewayOf(route) });
}

/** The gateway of a route; `undefined` for a device route. */
export function gatewayOf({ gateway }: RouteObject): IpAddress | undefined {
  return gateway === '0.0.0.0' || gateway === '::' ? undefined : gateway;
}

function splitCidr(cidr: string): { readonly address: IpAddress; readonly prefixLength: number } {
  const slash = cidr.indexOf('/');
  return { address: cidr.slice(0, slash) as IpAddress, prefixLength: Number(cidr.slice(slash + 1)) };
}

function change(request: Request): PlannedRequest {
  return { request, isRemoval: false };
}

function removal(request: Request): PlannedRequest {
  return { request, isRemoval: true };
}
