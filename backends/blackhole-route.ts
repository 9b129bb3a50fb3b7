// Routes that drop packets which would leave by the default route. Those to unassigned addresses of the
// own subnet might come back, without a bridge or while it is down. Those to a subnet that no peer has, or
// has any more, would leave in the clear where the backend encrypts.
import { UNSPECIFIED, type Cidr, type Family } from '../lib/address.ts';
import type { LeaseSubnets } from '../allocator/lease.ts';
import type { BackendContext, Ownership } from './backend.ts';
import { FAMILIES, subnetOf } from './address-family.ts';
import type { KernelObject } from './kernel-state.ts';
import { wholeNetwork } from './underlay.ts';

/** One route a family; none for a backend that leaves the kernel alone. */
export function deriveBlackholes(subnets: LeaseSubnets, { networks }: Ownership): readonly KernelObject[] {
  if (networks.length === 0) return [];
  return FAMILIES.flatMap((family): readonly KernelObject[] => {
    const destination = subnetOf(subnets, family);
    if (destination === undefined) return [];
    return [blackholeOf(family, destination)];
  });
}

/**
 * Of the whole network of a family, below the routes to peers: they are more specific. None where
 * the network may hold more than leases: what is reached by the default route would be cut off.
 */
export function deriveNetworkBlackhole(context: BackendContext, family: Family): readonly KernelObject[] {
  const destination = wholeNetwork(context, family);
  return destination === undefined ? [] : [blackholeOf(family, destination)];
}

function blackholeOf(family: Family, destination: Cidr): KernelObject {
  const gateway = UNSPECIFIED[family];
  return { kind: 'route', destination, gateway, dev: '', isOnLink: false, isBlackhole: true };
}
