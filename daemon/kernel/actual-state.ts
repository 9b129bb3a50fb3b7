// Kernel objects as they were read, and how they differ from desired ones. The kernel can hold
// states that weft never makes (a route of another type, an entry with several remotes, a device
// that is down): `mismatch` describes them.
import type {
  AddressObject,
  CharonObject,
  CloudRouteObject,
  IkeObject,
  PolicyObject,
  CommandObject,
  FdbObject,
  FeatureObject,
  FirewallObject,
  FouLink,
  IpipLink,
  KernelObject,
  NeighbourObject,
  RouteObject,
  SysctlObject,
  TunLink,
  PathRouteObject,
  VxlanLink,
  WireguardLink,
  WireguardPeerObject,
} from '../../backends/kernel-state.ts';

/** Part of every object that was read. */
export interface Mismatched {
  /**
   * State that no desired object can have, such as `down` or `2 next hops`; the object must be set
   * again or removed.
   */
  readonly mismatch?: string;
}

/**
 * A route of the main table. `gateway` is the unspecified address unless the route is unicast
 * through exactly one gateway; a route that is not unicast, or has several next hops, has a
 * mismatch.
 */
export interface ActualRoute extends RouteObject, Mismatched {
  /** RTPROT_* */
  readonly protocol: number;
  /** RTA_PRIORITY; the kernel's default is 0 for IPv4 and 1024 for IPv6. */
  readonly metric: number;
}

/** A WireGuard device, and which userspace program serves it, if the kernel does not. */
export interface ActualWireguardLink extends WireguardLink, Mismatched {
  readonly isInUserspace?: true;
}

export type ActualObject =
  | (VxlanLink & Mismatched)
  | (TunLink & Mismatched)
  | (FouLink & Mismatched)
  | ActualWireguardLink
  | (WireguardPeerObject & Mismatched)
  | (IpipLink & Mismatched)
  | (AddressObject & Mismatched)
  | (NeighbourObject & Mismatched)
  | (FdbObject & Mismatched)
  | ActualRoute
  | (PathRouteObject & Mismatched)
  | (SysctlObject & Mismatched)
  | (FeatureObject & Mismatched)
  | (FirewallObject & Mismatched)
  | (CommandObject & Mismatched)
  | (CloudRouteObject & Mismatched)
  | (PolicyObject & Mismatched)
  | (CharonObject & Mismatched)
  | (IkeObject & Mismatched);

/** Whether `actual` has exactly the fields of `desired` and no mismatch. */
export function sameObject(desired: KernelObject, actual: ActualObject): boolean {
  if (actual.mismatch !== undefined) return false;
  const fields = actual as unknown as Readonly<Record<string, unknown>>;
  const wanted = desired as unknown as Readonly<Record<string, unknown>>;
  return Object.keys(desired).every((name) => fields[name] === wanted[name]);
}

/**
 * The difference as text, for example `mtu 1400 instead of 1450`. Empty exactly if {@link
 * sameObject}.
 */
export function describeDrift(desired: KernelObject, actual: ActualObject): string {
  const fields = actual as unknown as Readonly<Record<string, unknown>>;
  const drift = actual.mismatch === undefined ? [] : [actual.mismatch];
  for (const [name, value] of Object.entries(desired))
    if (fields[name] !== value) drift.push(`${name} ${String(fields[name])} instead of ${String(value)}`);
  return drift.join(', ');
}
