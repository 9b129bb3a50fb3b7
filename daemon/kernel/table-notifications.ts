// From one change of a table to what the reconciler is told. Pure; one for the real kernel and its model.
import type { Ownership } from '../../backends/backend.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import type { ActualObject } from './actual.ts';
import type { KernelNotification } from './kernel.ts';
import { toFdb, toNeighbour, toRoute } from './message-objects.ts';
import { AF_BRIDGE } from './netlink/constants.ts';
import type { NeighbourMessage } from './netlink/neighbour.ts';
import type { RouteMessage } from './netlink/route.ts';
import { defaultMetric, routeKey, RouteOwnership } from './route-ownership.ts';

/** A change of the neighbour table or the FDB of one of our devices. */
export function describeNeighbourChange(
  message: NeighbourMessage,
  dev: string,
  isGone: boolean,
): readonly KernelNotification[] {
  const isFdb = message.family === AF_BRIDGE;
  const name = isFdb ? message.mac : message.address;
  if (name === undefined) return [];
  const object = isFdb ? toFdb(message, dev) : toNeighbour(message, dev);
  return [objectNotice(`${isFdb ? 'fdb' : 'neighbour'} ${dev} ${name}`, isGone ? undefined : object)];
}

/** A change of the main table. Tells {@link RouteMessage}s that concern nobody apart cheaply. */
export class RouteChanges {
  #source: Ownership | undefined;
  #routes = new RouteOwnership({ devices: [], networks: [], interface: '' });

  describe(
    message: RouteMessage,
    dev: string,
    ownership: Ownership,
    isGone: boolean,
  ): readonly KernelNotification[] {
    const routes = this.#prepare(ownership);
    const key = routeKey(message);
    if (routes.isOurs({ ...message, dev, hasGateway: message.gateway !== undefined }))
      return [objectNotice(key, isGone ? undefined : toRoute(message, dev))];
    const underlay: KernelNotification = { type: 'underlay-route', destination: message.destination };
    // A foreign route of the same destination and metric has taken the place of ours.
    const isDefault = message.metric === defaultMetric(message.destination);
    const isInTheWay = !isGone && isDefault && routes.isInside(message.destination);
    return isInTheWay ? [objectNotice(key), underlay] : [underlay];
  }

  #prepare(ownership: Ownership): RouteOwnership {
    if (this.#source !== ownership) {
      this.#source = ownership;
      this.#routes = new RouteOwnership(ownership);
    }
    return this.#routes;
  }
}

function objectNotice(key: ObjectKey, object?: ActualObject): KernelNotification {
  return object === undefined ? { type: 'object', key } : { type: 'object', key, object };
}
