// Finds the interface of the main table's default route. The lowest metric wins, as in the kernel;
// among equal metrics kernel order decides, which is flannel's only criterion. Routes that cannot
// lead to other hosts are passed over: those into the overlay, and those of container networks.
import { contains, familyOf, type Cidr, type Family } from '../../lib/address.ts';
import type { MainRoute } from '../kernel/kernel.ts';
import type { Families, InterfaceFacts, InterfaceMatch } from './interface-facts.ts';
import { OVERLAY_DEVICE } from './interface-lookup.ts';
import { usableAddresses } from './usable-address.ts';

const DEFAULT_DESTINATION: Readonly<Record<Family, Cidr>> = { 4: '0.0.0.0/0' as Cidr, 6: '::/0' as Cidr };

/** The interface of the default routes of all enabled families that have any. */
export function lookupDefaultRoute(facts: InterfaceFacts, families: Families): InterfaceMatch {
  const enabled: readonly Family[] = [
    ...(families.ipv4 ? [4 as const] : []),
    ...(families.ipv6 ? [6 as const] : []),
  ];
  const found = enabled.map((family) => usableDefaults(family, facts, families));
  const best = found.map(({ routes }) => withLowestMetric(routes)).filter((routes) => routes.length > 0);
  const skipped = found.flatMap(({ problems }) => problems);
  if (best.length === 0)
    return {
      problem: skipped.join('; ') || `none for ${enabled.map((family) => `IPv${family}`).join(' or ')}`,
    };
  const devices = best.map((routes) => routes.map((route) => route.dev));
  const shared = devices[0]?.find((dev) => devices.every((others) => others.includes(dev)));
  const match = facts.interfaces.find((candidate) => candidate.name === shared);
  if (match === undefined)
    return {
      problem: `IPv4 leaves through ${devices[0]?.[0]}, IPv6 through ${devices[1]?.[0]}; both must leave through one interface`,
    };
  return { interface: match, isBoundToAddress: false };
}

interface DefaultRoutes {
  readonly routes: readonly MainRoute[];
  /** Why the others were passed over, one clause each. */
  readonly problems: readonly string[];
}

/** Where hosts are inside the cluster network themselves, no address says what is a container's. */
function usableDefaults(family: Family, facts: InterfaceFacts, families: Families): DefaultRoutes {
  const routes: MainRoute[] = [];
  const overlapping: MainRoute[] = [];
  const problems: string[] = [];
  for (const route of facts.routes) {
    if (route.destination !== DEFAULT_DESTINATION[family]) continue;
    const problem = problemOf(route, family, facts);
    const overlap = problem === undefined ? overlapOf(route, family, facts, families) : undefined;
    if (problem !== undefined) problems.push(problem);
    else if (overlap === undefined) routes.push(route);
    else if (overlap.isBridge) problems.push(overlap.problem);
    else overlapping.push(route);
  }
  return { routes: routes.length > 0 ? routes : overlapping, problems };
}

function problemOf(
  { dev, isMultipath }: MainRoute,
  family: Family,
  { interfaces }: InterfaceFacts,
): string | undefined {
  const found = interfaces.find((candidate) => candidate.name === dev);
  if (isMultipath) return `the one for IPv${family} has several next hops through different devices`;
  if (found === undefined) return `it leads to ${dev}, which no longer exists`;
  if (OVERLAY_DEVICE.test(dev)) return `it leads to ${dev}, which is an overlay device`;
  if (usableAddresses(found, family).length === 0) return `${dev} has no usable IPv${family} address`;
  return undefined;
}

/** Set if all addresses of the route's device belong to containers by their network. */
function overlapOf(
  { dev }: MainRoute,
  family: Family,
  { interfaces }: InterfaceFacts,
  { networks = [] }: Families,
): { readonly problem: string; readonly isBridge: boolean } | undefined {
  const found = interfaces.find((candidate) => candidate.name === dev);
  const network = networks.map((each) => each.network).find((each) => familyOf(each) === family);
  if (found === undefined || network === undefined) return undefined;
  const addresses = usableAddresses(found, family);
  if (!addresses.every((address) => contains(network, address))) return undefined;
  const problem = `${addresses[0]} of ${dev} lies inside the network ${network}`;
  return { problem, isBridge: found.type === 'bridge' };
}

/** The routes with the lowest metric, in kernel order. */
function withLowestMetric(routes: readonly MainRoute[]): readonly MainRoute[] {
  const lowest = Math.min(...routes.map((route) => route.metric));
  return routes.filter((route) => route.metric === lowest);
}
