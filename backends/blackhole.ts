// The route that drops packets for addresses of the own subnet which nobody has: without a bridge, or with one that is down,
// they would leave by the default route and perhaps come back.
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
