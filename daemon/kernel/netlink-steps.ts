// One step as requests: which messages make a table entry so, or make it absent. Pure; links and sysctls are elsewhere.
import type { IpAddress } from '../../allocator/address.ts';
import type { AddressObject, FdbObject, NeighbourObject, RouteObject } from '../../backends/kernel-state.ts';
import type { ActualFdb, ActualRoute } from './actual.ts';
import { ROUTE_PROTOCOL, type Step } from './kernel.ts';
import { encodeAddressDelete, encodeAddressSet } from './netlink/address.ts';
import {
  encodeFdbDelete,
  encodeFdbSet,
  encodeNeighbourDelete,
  encodeNeighbourSet,
} from './netlink/neighbour.ts';
import type { Request } from './netlink/request-engine.ts';
import { encodeRouteDelete, encodeRouteSet } from './netlink/route.ts';

/** An object that is one entry of a table of a device. */
export type TableObject = AddressObject | NeighbourObject | FdbObject | RouteObject;
export type TableStep = Step & { readonly object: TableObject };

/** A request of a step. `isRemoval`: being told that there is nothing to remove is success. */
export interface PlannedRequest {
  readonly request: Request;
  readonly isRemoval: boolean;
}

/** Errno names with which the kernel says that there is nothing to remove. */
export const ABSENCE: ReadonlySet<string> = new Set(['ESRCH', 'ENOENT', 'EADDRNOTAVAIL', 'ENODEV']);

export function isTableStep(step: Step): step is TableStep {
  return step.object.kind !== 'link' && step.object.kind !== 'sysctl';
}

/** Requests for `step`, in order; `index` is that of the object's device. */
export function planStep(step: TableStep, index: number): readonly PlannedRequest[] {
  const { object } = step;
  if (step.action === 'remove') return [removal(planRemoval(object, index))];
  const current = step.current?.kind === object.kind ? step.current : undefined;
  switch (object.kind) {
    case 'address':
      return planAddress(object, index, current?.deviation !== undefined);
    case 'neighbour':
      return [change((writer) => encodeNeighbourSet(writer, { ...object, index }))];
    case 'fdb':
      return planFdb(object, index, current as ActualFdb | undefined);
    case 'route':
      return [change((writer) => encodeRouteSet(writer, { ...object, index, protocol: ROUTE_PROTOCOL }))];
  }
}

function planAddress(object: AddressObject, index: number, isDeviating: boolean): readonly PlannedRequest[] {
  const target = { index, ...splitCidr(object.address) };
  const set = change((writer) => encodeAddressSet(writer, target));
  return isDeviating ? [removal((writer) => encodeAddressDelete(writer, target)), set] : [set];
}

/**
 * Replacing an FDB entry changes one remote and keeps the others, so those that are known are removed after it: at no
 * moment is the peer without a remote.
 */
function planFdb(object: FdbObject, index: number, current?: ActualFdb): readonly PlannedRequest[] {
  const { mac, destination } = object;
  const set = change((writer) => encodeFdbSet(writer, { index, mac, address: destination }));
  if (current === undefined) return [set];
  if (current.mustRecreate) return [removal((writer) => encodeFdbDelete(writer, { index, mac })), set];
  const stray = [current.destination, ...(current.others ?? [])].filter((remote) => remote !== destination);
  return [
    set,
    ...stray.map((address) => removal((writer) => encodeFdbDelete(writer, { index, mac, address }))),
  ];
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

/** Removes only the route that was meant: with its protocol, metric and next hop. */
function matchRoute(route: RouteObject | ActualRoute): Parameters<typeof encodeRouteDelete>[1] {
  const { destination, gateway } = route;
  const protocol = 'protocol' in route ? route.protocol : ROUTE_PROTOCOL;
  const metric = 'metric' in route ? route.metric : undefined;
  const hasGateway = gateway !== '0.0.0.0' && gateway !== '::';
  return { destination, protocol, ...(metric && { metric }), ...(hasGateway && { gateway }) };
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
