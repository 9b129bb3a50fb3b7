// The main table of the model: routes by destination and metric, and the connected routes of
// addresses. Reports each change; knows links by index only.
import { type Cidr, contains, type IpAddress, networkOf } from '../../../lib/address.ts';
import type { AddressMessage } from '../netlink/address.ts';
import { RTN_UNICAST, RTPROT_BOOT, RTPROT_KERNEL } from '../netlink/constants.ts';
import type { LinkMessage } from '../netlink/link.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import type { RouteMessage } from '../netlink/route.ts';
import { defaultMetric } from '../route-ownership.ts';
import { isIpv4, reject } from './memory-outcome.ts';

/** A route to be made; what is left out is as `ip route add` has it. */
export interface MemoryRoute {
  readonly destination: Cidr;
  /** Empty for a route without a device. */
  readonly dev: string;
  readonly gateway?: IpAddress;
  readonly isOnLink?: boolean;
  /** RTPROT_*; default RTPROT_BOOT. */
  readonly protocol?: number;
  readonly metric?: number;
  /** RTN_*; default RTN_UNICAST. */
  readonly type?: number;
}

/** Which route to remove; what is left out matches any. */
export type MemoryRouteMatch = Partial<Omit<MemoryRoute, 'dev'>> & {
  readonly destination: Cidr;
  readonly index?: number | undefined;
};

export interface MemoryRoutesOptions {
  readonly onChange: (message: RouteMessage, isGone: boolean) => void;
  /** Addresses of devices that are up. */
  readonly liveAddresses: () => readonly AddressMessage[];
}

export class MemoryRoutes {
  readonly #options: MemoryRoutesOptions;
  readonly #routes = new Map<string, RouteMessage>();

  constructor(options: MemoryRoutesOptions) {
    this.#options = options;
  }

  /** All routes, the connected ones too. */
  get all(): readonly RouteMessage[] {
    return [...this.#routes.values(), ...this.#connected()];
  }

  /** Creates, or replaces what has this destination and metric. `link` is that of `route.dev`. */
  set(route: MemoryRoute, link: LinkMessage | undefined): Outcome {
    const type = route.type ?? RTN_UNICAST;
    const failure = type === RTN_UNICAST ? this.#checkNextHop(route, link) : undefined;
    if (failure) return failure;
    const message: RouteMessage = {
      destination: route.destination,
      protocol: route.protocol ?? RTPROT_BOOT,
      type,
      metric: route.metric ?? defaultMetric(route.destination),
      index: link?.index ?? 0,
      ...(route.gateway && { gateway: route.gateway }),
      isOnLink: route.isOnLink ?? false,
      hops: 1,
      hasTos: false,
      isNexthopObject: false,
    };
    this.#routes.set(`${message.destination} ${message.metric}`, message);
    this.#options.onChange(message, false);
    return DONE;
  }

  /** Removes the first route that has all that `match` names. */
  remove(match: MemoryRouteMatch): Outcome {
    for (const [key, message] of this.#routes) {
      if (!isMatch(message, match)) continue;
      this.#removeKey(key, message);
      return DONE;
    }
    return reject('ESRCH');
  }

  /** Removes the routes through a device, each with a notification. */
  flush(index: number): void {
    for (const [key, message] of this.#routes) if (message.index === index) this.#removeKey(key, message);
  }

  /** Removes the IPv4 routes through a device, without notifications (fib_sync_down_dev). */
  dropIpv4(index: number): void {
    for (const [key, message] of this.#routes)
      if (message.index === index && isIpv4(message.destination)) this.#routes.delete(key);
  }

  #removeKey(key: string, message: RouteMessage): void {
    this.#routes.delete(key);
    this.#options.onChange(message, true);
  }

  #checkNextHop({ gateway, isOnLink }: MemoryRoute, link: LinkMessage | undefined): Outcome | undefined {
    if (link === undefined) return reject('ENODEV');
    if (!link.isUp) return reject('ENETDOWN', 'Nexthop device is not up');
    if (gateway === undefined || isOnLink) return undefined;
    const isReachable = this.#connected().some(
      ({ index, destination }) => index === link.index && contains(destination, gateway),
    );
    return isReachable ? undefined : reject('ENETUNREACH', 'Nexthop has invalid gateway');
  }

  /** Routes that the kernel itself makes for addresses of devices that are up. */
  #connected(): readonly RouteMessage[] {
    return this.#options.liveAddresses().flatMap(({ index, address, prefixLength }) => {
      const isHost = prefixLength === (isIpv4(address) ? 32 : 128);
      return isHost ? [] : [connectedRoute(index, address, prefixLength)];
    });
  }
}

function isMatch(message: RouteMessage, match: MemoryRouteMatch): boolean {
  return (
    message.destination === match.destination &&
    (match.protocol ?? message.protocol) === message.protocol &&
    (match.metric ?? message.metric) === message.metric &&
    (match.gateway ?? message.gateway) === message.gateway &&
    (match.index ?? message.index) === message.index
  );
}

function connectedRoute(index: number, address: IpAddress, prefixLength: number): RouteMessage {
  const destination = networkOf(address, prefixLength);
  const metric = isIpv4(address) ? 0 : 256;
  const fixed = { type: RTN_UNICAST, isOnLink: false, hops: 1, hasTos: false, isNexthopObject: false };
  return { destination, protocol: RTPROT_KERNEL, metric, index, ...fixed };
}
