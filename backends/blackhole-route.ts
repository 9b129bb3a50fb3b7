// The route that drops packets to unassigned addresses of the own subnet. Without a bridge, or
// while it is down, they would leave by the default route and might come back.
import { UNSPECIFIED } from '../lib/address.ts';
import type { LeaseSubnets } from '../allocator/lease.ts';
import type { Ownership } from './backend.ts';
import { FAMILIES, subnetOf } from './address-family.ts';
import type { KernelObject } from './kernel-state.ts';

/** One route a family; none for a backend that leaves the kernel alone. */
export function deriveBlackholes(subnets: LeaseSubnets, { networks }: Ownership): readonly KernelObject[] {
  if (networks.length === 0) return [];
  return FAMILIES.flatMap((family): readonly KernelObject[] => {
    const destination = subnetOf(subnets, family);
    if (destination === undefined) return [];
    const gateway = UNSPECIFIED[family];
    return [{ kind: 'route', destination, gateway, dev: '', isOnLink: false, isBlackhole: true }];
  });
}
