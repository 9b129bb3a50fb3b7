// Finds the interface of the main table's default route. The lowest metric wins, as in the kernel;
// among equal metrics kernel order decides, which is flannel's only criterion.
import type { Cidr, Family } from '../../lib/address.ts';
import type { Families, InterfaceFacts, InterfaceMatch } from './interface-facts.ts';
import type { MainRoute } from '../kernel/kernel.ts';

const DEFAULT_DESTINATION: Readonly<Record<Family, Cidr>> = { 4: '0.0.0.0/0' as Cidr, 6: '::/0' as Cidr };

/** The interface of the default routes of all enabled families that have any. */
export function lookupDefaultRoute(facts: InterfaceFacts, families: Families): InterfaceMatch {
  const enabled: readonly Family[] = [
    ...(families.ipv4 ? [4 as const] : []),
    ...(families.ipv6 ? [6 as const] : []),
  ];
  const best = enabled
    .map((family) => ({ family, routes: bestDefaults(facts.routes, family) }))
    .filter(({ routes }) => routes.length > 0);
  if (best.length === 0)
    return { problem: `none for ${enabled.map((family) => `IPv${family}`).join(' or ')}` };
  const multipath = best.find(({ routes }) => routes[0]?.isMultipath);
  if (multipath !== undefined) return { problem: `the one for IPv${multipath.family} has several next hops` };
  const devices = best.map(({ routes }) => routes.map((route) => route.dev));
  const shared = devices[0]?.find((dev) => devices.every((others) => others.includes(dev)));
  if (shared === undefined)
    return {
      problem: `IPv4 leaves through ${devices[0]?.[0]}, IPv6 through ${devices[1]?.[0]}; both must leave through one interface`,
    };
  const found = facts.interfaces.find((candidate) => candidate.name === shared);
  if (found === undefined) return { problem: `it leads to ${shared}, which no longer exists` };
  return { interface: found, isBoundToAddress: false };
}

/** The default routes with the lowest metric, in kernel order. */
function bestDefaults(routes: readonly MainRoute[], family: Family): readonly MainRoute[] {
  const defaults = routes.filter((route) => route.destination === DEFAULT_DESTINATION[family]);
  const lowest = Math.min(...defaults.map((route) => route.metric));
  return defaults.filter((route) => route.metric === lowest);
}
