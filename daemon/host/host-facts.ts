// Host facts for the backends: the chosen interface with its addresses, underlay routes, and
// firewalls that drop forwarded packets. Read again at every notification about interfaces or
// routes.
import { RouteOwnership } from '../kernel/route-ownership.ts';
import type { UnderlayMtu } from '../../backends/kernel-state.ts';
import type { HostFacts, UnderlayRoute } from '../../backends/backend.ts';
import { chooseFamilies, type Ipv6Unavailable } from './family-choice.ts';
import type { ChosenInterface, Families, InterfaceOptions } from './interface-facts.ts';
import { RTN_UNICAST, RTPROT_RA } from '../kernel/netlink/constants.ts';
import { ROUTE_PROTOCOL, type Kernel, type MainRoute } from '../kernel/kernel.ts';

export interface HostSnapshot {
  readonly chosen: ChosenInterface;
  readonly facts: HostFacts;
  /** Warnings about the choice, one line each. */
  readonly warnings: readonly string[];
  /** Set if the host lacks the IPv6 of the network. */
  readonly missingIpv6?: Ipv6Unavailable;
}

export type HostSnapshotResult =
  { readonly ok: true; readonly snapshot: HostSnapshot } | { readonly ok: false; readonly message: string };

/** Devices of weft and flannel; routes through them are not underlay routes. */
const OVERLAY_DEVICE = /^flannel(?:[.-]|0|6-)/;

/** Reads interfaces and routes, and chooses an interface. `current` stays while it is usable. */
export async function readHost(
  kernel: Pick<Kernel, 'readInterfaces' | 'readRoutes' | 'readForwardDrops' | 'lookupRoute'>,
  options: InterfaceOptions,
  families: Families,
  current?: ChosenInterface,
): Promise<HostSnapshotResult> {
  const [interfaces, routes, forwardDropFamilies] = await Promise.all([
    kernel.readInterfaces(),
    kernel.readRoutes({ isWithoutOwn: true }),
    kernel.readForwardDrops(),
  ]);
  const forwardDrops = forwardDropFamilies.length > 0 ? { forwardDropFamilies } : {};
  const leading = routes.filter(({ discards }) => discards === undefined);
  const facts = { interfaces, routes: leading, lookupRoute: kernel.lookupRoute.bind(kernel) };
  const choice = await chooseFamilies(facts, options, families, current);
  if (!choice.ok) return choice;
  const { chosen, warnings, missingIpv6 } = choice;
  const etcd = options.etcdAddresses === undefined ? {} : { etcdAddresses: options.etcdAddresses };
  const bpf = options.isBpfOff === true ? { isBpfOff: true } : {};
  const keys = options.wireguardKeys?.facts(families.wireguard);
  const wireguard = keys === undefined ? {} : { wireguard: keys };
  const known = { ...hostFacts(chosen, routes, families), ...forwardDrops, ...etcd, ...bpf, ...wireguard };
  const snapshot = { chosen, facts: known, warnings };
  return { ok: true, snapshot: missingIpv6 === undefined ? snapshot : { ...snapshot, missingIpv6 } };
}

function hostFacts(
  chosen: ChosenInterface,
  routes: readonly MainRoute[],
  { networks = [] }: Families,
): HostFacts {
  const { name, mtu, ipv4, ipv6, publicIp, publicIpv6 } = chosen;
  const owned = new RouteOwnership({ devices: [], networks, interface: name });
  const advertisedRouters = [...new Set(routes.filter(isAdvertised).map(({ dev }) => dev))];
  return {
    interface: { name, mtu: mtu as UnderlayMtu, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) },
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    underlayRoutes: routes.filter((route) => isUnderlay(route, owned)).map(underlayRoute),
    ...(advertisedRouters.length > 0 && { advertisedRouters }),
  };
}

/** Routes that flannel left are to be taken over, not avoided. */
function isUnderlay(route: MainRoute, owned: RouteOwnership): boolean {
  if (route.protocol === ROUTE_PROTOCOL || OVERLAY_DEVICE.test(route.dev)) return false;
  return !owned.isOurs({ ...route, type: RTN_UNICAST, hasGateway: route.gateway !== undefined });
}

function isAdvertised({ protocol, destination }: MainRoute): boolean {
  return protocol === RTPROT_RA && destination === '::/0';
}

function underlayRoute({ destination, discards, gateway, dev, metric }: MainRoute): UnderlayRoute {
  return { destination, dev, metric, ...(gateway && { gateway }), ...(discards && { discards }) };
}

/** Whether backends derive the same state from both. */
export function sameFacts(a: HostFacts, b: HostFacts): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
