// Which routes of the main table weft owns, so that it may replace and remove them. Pure; shared by
// the netlink and the memory kernel.
import type { Cidr, IpAddress } from '../../lib/address.ts';
import type { Ownership } from '../../backends/backend.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import { encodeIp } from './netlink/address-bytes.ts';
import { RTN_UNICAST, RTPROT_BOOT, RTPROT_KERNEL, RTPROT_RA } from './netlink/constants.ts';
import { ROUTE_PROTOCOL } from './kernel.ts';
import type { ActualRoute } from './actual-state.ts';

/** The fields of a route that decide ownership. */
export interface RouteShape {
  readonly destination: Cidr;
  /** RTPROT_* */
  readonly protocol: number;
  /** RTN_* */
  readonly type: number;
  /** Empty if it has none. */
  readonly dev: string;
  readonly hasGateway: boolean;
}

interface Network {
  readonly bytes: Buffer;
  readonly prefixLength: number;
  readonly subnetLength: number;
  readonly isIpv6: boolean;
}

/** An {@link Ownership} prepared for checks of every route of a large table. */
export class RouteOwnership {
  readonly #devices: ReadonlySet<string>;
  readonly #nextHopDevices: ReadonlySet<string>;
  readonly #networks: readonly Network[];
  readonly #scratch = Buffer.alloc(16);

  constructor(ownership: Ownership) {
    this.#devices = new Set(ownership.devices);
    this.#nextHopDevices = new Set([...ownership.devices, ownership.interface]);
    this.#networks = ownership.networks.map(({ network, subnetLength }) =>
      parseNetwork(network, subnetLength),
    );
  }

  /**
   * Ours: every route through our devices except the kernel's own and those of router
   * advertisements; inside our networks, routes with our protocol number and routes of flannel's
   * shape (RTPROT_BOOT, one subnet, a gateway).
   */
  isOurs(route: RouteShape): boolean {
    if (this.#devices.has(route.dev)) return route.protocol !== RTPROT_KERNEL && route.protocol !== RTPROT_RA;
    if (route.protocol !== ROUTE_PROTOCOL && route.protocol !== RTPROT_BOOT) return false;
    const network = this.#networkOf(route.destination);
    if (network === undefined) return false;
    return route.protocol === ROUTE_PROTOCOL || this.#hasFlannelShape(route, network);
  }

  /**
   * Whether `destination` lies inside one of our networks: a foreign route there may replace ours.
   */
  isInside(destination: Cidr): boolean {
    return this.#networkOf(destination) !== undefined;
  }

  /** Whether a route that weft makes to `destination` through `dev` would be ours. */
  mayHold(dev: string, destination: Cidr): boolean {
    return this.#devices.has(dev) || this.isInside(destination);
  }

  #hasFlannelShape(route: RouteShape, network: Network): boolean {
    const { destination } = route;
    const prefixLength = Number(destination.slice(destination.indexOf('/') + 1));
    const isHostSubnet = prefixLength === network.subnetLength && route.type === RTN_UNICAST;
    return isHostSubnet && route.hasGateway && this.#nextHopDevices.has(route.dev);
  }

  #networkOf(destination: Cidr): Network | undefined {
    if (this.#networks.length === 0) return undefined;
    const slash = destination.indexOf('/');
    const isIpv6 = encodeIp(this.#scratch, 0, destination.slice(0, slash) as IpAddress) === 16;
    const prefixLength = Number(destination.slice(slash + 1));
    return this.#networks.find(
      (network) =>
        network.isIpv6 === isIpv6 &&
        network.prefixLength <= prefixLength &&
        hasPrefix(this.#scratch, network.bytes, network.prefixLength),
    );
  }
}

/**
 * Key of a route as it was read: that of the desired route, longer if the metric is one that weft
 * never sets.
 */
export function routeKey(route: Pick<ActualRoute, 'destination' | 'metric'>): ObjectKey {
  const key = `route ${route.destination}` as const;
  return route.metric === defaultMetric(route.destination) ? key : `${key} metric ${route.metric}`;
}

/**
 * Metric that the kernel gives a route made without one: 1024 for IPv6 (IP6_RT_PRIO_USER), 0 for
 * IPv4.
 */
export function defaultMetric(destination: Cidr): number {
  return destination.includes(':') ? 1024 : 0;
}

function parseNetwork(network: Cidr, subnetLength: number): Network {
  const slash = network.indexOf('/');
  const bytes = Buffer.alloc(16);
  const isIpv6 = encodeIp(bytes, 0, network.slice(0, slash) as IpAddress) === 16;
  return { bytes, prefixLength: Number(network.slice(slash + 1)), subnetLength, isIpv6 };
}

function hasPrefix(address: Buffer, network: Buffer, prefixLength: number): boolean {
  const whole = prefixLength >> 3;
  for (let index = 0; index < whole; index++) if (address[index] !== network[index]) return false;
  const rest = prefixLength & 7;
  return rest === 0 || (address[whole]! ^ network[whole]!) >> (8 - rest) === 0;
}
