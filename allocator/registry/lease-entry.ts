// Makes a lease of a registry entry, or says why it is none. Judges the entry alone: whether the
// subnet lies in the configured network is for the reader of leases to decide.
import { decodeLeaseValue } from './lease-value.ts';
import type { InvalidEntry, Lease } from '../lease.ts';
import { NO_LEASE } from './registry.ts';
import type { RegistryEntry } from './registry.ts';
import { parseSubnetKey } from './subnet-key.ts';

export type DecodedEntry =
  { readonly ok: true; readonly lease: Lease } | { readonly ok: false; readonly invalid: InvalidEntry };

/**
 * Decodes one entry. A bad one that is written on a subnet's key still blocks that subnet, see
 * {@link InvalidEntry}.
 */
export function decodeEntry(entry: RegistryEntry): DecodedEntry {
  const { key } = entry;
  const parsed = parseSubnetKey(key);
  if (!parsed.ok) {
    const blocked = parsed.blocked === undefined ? {} : { blocked: parsed.blocked };
    return { ok: false, invalid: { key, reason: parsed.reason, ...blocked } };
  }
  const { subnets } = parsed;
  const value = decodeLeaseValue(entry.value);
  if (!value.ok) return { ok: false, invalid: { key, reason: value.reason, blocked: subnets } };
  const isReservation = entry.leaseId === NO_LEASE;
  return { ok: true, lease: { key, subnets, attributes: value.attributes, isReservation } };
}
