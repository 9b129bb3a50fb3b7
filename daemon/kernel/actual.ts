// Kernel objects as they were read, and whether one is what was desired. The kernel can hold more than weft ever makes
// (a route of another type, an entry with several remotes, a device that is down): `deviation` tells it in words.
import type {
  AddressObject,
  FdbObject,
  FeatureObject,
  FirewallObject,
  KernelObject,
  NeighbourObject,
  RouteObject,
  SysctlObject,
  TunLink,
  PathRouteObject,
  VxlanLink,
} from '../../backends/kernel-state.ts';

export interface Deviating {
  /** What no desired object can have, such as `down` or `2 next hops`; the object must be set anew (or removed). */
  readonly deviation?: string;
}

/** `gateway` is the unspecified address unless the route is unicast through exactly one gateway; a route that is not
 * unicast, or has several next hops, deviates. */
export interface ActualRoute extends RouteObject, Deviating {
  /** Routing protocol number. */
  readonly protocol: number;
  readonly metric: number;
}

export type ActualObject =
  | (VxlanLink & Deviating)
  | (TunLink & Deviating)
  | (AddressObject & Deviating)
  | (NeighbourObject & Deviating)
  | (FdbObject & Deviating)
  | ActualRoute
  | (PathRouteObject & Deviating)
  | (SysctlObject & Deviating)
  | (FeatureObject & Deviating)
  | (FirewallObject & Deviating);

/** Whether `actual` is exactly what `desired` says, so that nothing need be done. */
export function sameObject(desired: KernelObject, actual: ActualObject): boolean {
  if (actual.deviation !== undefined) return false;
  const fields = actual as unknown as Readonly<Record<string, unknown>>;
  const wanted = desired as unknown as Readonly<Record<string, unknown>>;
  return Object.keys(desired).every((name) => fields[name] === wanted[name]);
}

/** What differs, for people: for example `mtu 1400 instead of 1450`. Empty exactly if {@link sameObject}. */
export function describeDrift(desired: KernelObject, actual: ActualObject): string {
  const fields = actual as unknown as Readonly<Record<string, unknown>>;
  const drift = actual.deviation === undefined ? [] : [actual.deviation];
  for (const [name, value] of Object.entries(desired))
    if (fields[name] !== value) drift.push(`${name} ${String(fields[name])} instead of ${String(value)}`);
  return drift.join(', ');
}
