// The own key as last confirmed, and what the registry shows of it now. Pure.
import type { Lease, LeaseAttributes, LeaseSubnets } from '../lease.ts';
import { sameAttributes } from '../registry/lease-value.ts';
import { NO_LEASE } from '../registry/registry.ts';
import type { LeaseId, RegistryEntry, Revision } from '../registry/registry.ts';
import { belongsTo, isPublishedByAnother } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';

/** What this host last knew of its own key. */
export interface OwnKey {
  readonly key: string;
  readonly subnets: LeaseSubnets;
  readonly attributes: LeaseAttributes;
  readonly leaseId: LeaseId;
  readonly modRevision: Revision;
}

/** What the registry shows of the own key. */
export type OwnKeyStatus =
  | 'intact'
  /** Written again with what this host published: only the revision is new. */
  | 'rewritten'
  /**
   * This host's data, attached to another registry lease, or to none: an operator's reservation.
   */
  | 'reattached'
  /** Garbage, or this host's public address with other data. */
  | 'modified'
  | 'gone'
  /** It names another host. */
  | 'taken';

/** The own key after a write that succeeded. */
export interface HeldKey extends OwnKey {
  /** Revision at which this process created the key; unset for a key that it found. */
  readonly createdAt?: Revision;
}

/** The identities of this host: the present one, and former ones of this process. */
export interface OwnIdentities {
  readonly current: NodeIdentity;
  readonly former: readonly NodeIdentity[];
}

/** Compares the own key as last known with the registry's entry and what that decodes to. */
export function ownKeyStatus(
  own: OwnKey,
  entry: RegistryEntry | undefined,
  lease: Lease | undefined,
  identities: OwnIdentities,
): OwnKeyStatus {
  if (entry === undefined) return 'gone';
  if (lease === undefined) return 'modified';
  const isSameLease = entry.leaseId === own.leaseId;
  if (sameAttributes(lease.attributes, own.attributes)) {
    if (!isSameLease) return 'reattached';
    return entry.modRevision === own.modRevision ? 'intact' : 'rewritten';
  }
  if (!isPublishedByAnother(lease.attributes, identities.current)) return 'modified';
  // A backup may bring back what this host published under the address it had before.
  const isOld = isSameLease && entry.leaseId !== NO_LEASE;
  return isOld && identities.former.some((one) => belongsTo(lease.attributes, one)) ? 'modified' : 'taken';
}

/** Whether both are the same key with the same content. */
export function isSameOwnKey(a: OwnKey, b: OwnKey): boolean {
  return a.key === b.key && a.leaseId === b.leaseId && sameAttributes(a.attributes, b.attributes);
}
