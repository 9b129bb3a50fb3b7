// From one change of a table to kernel notifications. Pure; shared by the real kernel and its
// model.
import type { Ownership } from '../../backends/backend.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import type { ActualObject } from './actual-state.ts';
import type { KernelNotification } from './kernel.ts';
import { toFdb, toNeighbour, toRoute } from './message-objects.ts';
import { AF_BRIDGE } from './netlink/constants.ts';
import type { NeighbourMessage } from './netlink/neighbour-fdb.ts';
import type { RouteMessage } from './netlink/route.ts';
import { defaultMetric, routeKey, RouteOwnership } from './route-ownership.ts';

/** Notifications of a change of the neighbour table or the FDB of `dev`, one of our devices. */
export function describeNeighbourChange(
  message: NeighbourMessage,
  dev: string,
  isGone: boolean,
): readonly KernelNotification[] {
  const isFdb = message.family === AF_BRIDGE;
  const id = isFdb ? message.mac : message.address;
  if (id === undefined) return [];
  const object = isFdb ? toFdb(message, dev) : toNeighbour(message, dev);
  return [objectNotification(`${isFdb ? 'fdb' : 'neighbour'} ${dev} ${id}`, isGone ? undefined : object)];
}

/**
 * Describes changes of the main table. Keeps the ownership prepared, as most routes of a large
 * table are foreign.
 */
export class RouteChanges {
  #source: Ownership | undefined;
  #routes = new RouteOwnership({ devices: [], networks: [], interface: '' });

  /**
   * Notifications of one change: of our object, of the underlay, or of both if a foreign route
   * replaced ours.
   */
  describe(
    message: RouteMessage,
    dev: string,
    ownership: Ownership,
    isGone: boolean,
  ): readonly KernelNotification[] {
    const routes = this.#prepare(ownership);
    const key = routeKey(message);
    if (routes.isOurs({ ...message, dev, hasGateway: message.gateway !== undefined }))
      return [objectNotification(key, isGone ? undefined : toRoute(message, dev))];
    const underlay: KernelNotification = { kind: 'underlay-route', destination: message.destination };
    // A foreign route of the same destination and metric replaces ours without RTM_DELROUTE.
    const isDefault = message.metric === defaultMetric(message.destination);
    const isReplacing = !isGone && isDefault && routes.isInside(message.destination);
    return isReplacing ? [objectNotification(key), underlay] : [underlay];
  }

  #prepare(ownership: Ownership): RouteOwnership {
    if (this.#source !== ownership) {
      this.#source = ownership;
      this.#routes = new RouteOwnership(ownership);
    }
    return this.#routes;
  }
}

function objectNotification(key: ObjectKey, object?: ActualObject): KernelNotification {
  return object === undefined ? { kind: 'object', key } : { kind: 'object', key, object };
}
