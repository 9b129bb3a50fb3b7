// Which interface the default route of the main table leads to. The lowest metric wins, as it does in the kernel;
// kernel order, which flannel goes by, decides only among equals.
import type { Cidr, Family } from '../../lib/address.ts';
import type { Families, InterfaceFacts, Lookup } from './interface-choice.ts';
import type { MainRoute } from '../kernel/kernel.ts';

const EVERYWHERE: Readonly<Record<Family, Cidr>> = { 4: '0.0.0.0/0' as Cidr, 6: '::/0' as Cidr };

/** Finds the interface that the default routes of all enabled families lead to, or of the one that has any. */
export function lookupDefaultRoute(facts: InterfaceFacts, families: Families): Lookup {
  const enabled: readonly Family[] = [
    ...(families.ipv4 ? [4 as const] : []),
    ...(families.ipv6 ? [6 as const] : []),
  ];
  const best = enabled
    .map((family) => ({ family, routes: bestDefaults(facts.routes, family) }))
    .filter(({ routes }) => routes.length > 0);
  if (best.length === 0)
    return { problem: `there is none for ${enabled.map((family) => `IPv${family}`).join(' or ')}` };
  const multipath = best.find(({ routes }) => routes[0]?.isMultipath);
  if (multipath !== undefined)
    return { problem: `the one for IPv${multipath.family} has several next hops, none is the one to take` };
  const devices = best.map(({ routes }) => routes.map((route) => route.dev));
  const shared = devices[0]?.find((dev) => devices.every((others) => others.includes(dev)));
  if (shared === undefined)
    return {
      problem: `IPv4 leaves through ${devices[0]?.[0]}, IPv6 through ${devices[1]?.[0]}; both have to be one`,
    };
  const found = facts.interfaces.find((candidate) => candidate.name === shared);
  if (found === undefined) return { problem: `it leads to ${shared}, which does not exist any more` };
  return { interface: found, isBoundToAddress: false };
}

/** The default routes with the lowest metric, in kernel order. */
function bestDefaults(routes: readonly MainRoute[], family: Family): readonly MainRoute[] {
  const defaults = routes.filter((route) => route.destination === EVERYWHERE[family]);
  const lowest = Math.min(...defaults.map((route) => route.metric));
  return defaults.filter((route) => route.metric === lowest);
}
