// A pending write of the own key, as data. It takes up to four calls, one at a time: derive the
// attributes, get a registry lease that is alive, write. `write-key.ts` takes the steps. Pure.
//
//   create, publish, repair ► attributes ► lease at hand, or grant ► write
//   adopt, move             ► attributes ► keep the key's lease alive, or grant ► write
//   remove                  ► write
//   renew                   ► keep-alive
import type { LeaseAttributes, LeaseSubnets } from '../lease.ts';
import { encodeLeaseValue, sameAttributes } from '../registry/lease-value.ts';
import { NO_LEASE, NO_REVISION } from '../registry/registry.ts';
import type { LeaseId, RegistryEntry } from '../registry/registry.ts';
import { formatSubnetKey } from '../registry/subnet-key.ts';
import type { LeaseCall } from './lease-effects.ts';
import type { HeldKey } from './own-key.ts';

export type PendingWrite = KeyWrite | PendingRemove | PendingRenewal;
/** Writes that make a key the own one. */
export type KeyWrite = PendingCreate | PendingAdopt | PendingMove | PendingPublish | PendingRepair;

interface Preparation {
  /** Attributes that are published now, for the backend to derive the next ones. */
  readonly previous: LeaseAttributes | undefined;
  readonly attributes?: LeaseAttributes;
  /** The registry lease of the key, to be kept alive before it is written again. */
  readonly keepLeaseId?: LeaseId | undefined;
  /** The registry lease to write with. */
  readonly leaseId?: LeaseId;
}

/** Leases the first of `choices` that is free. */
export interface PendingCreate extends Preparation {
  readonly kind: 'create';
  readonly choices: readonly LeaseSubnets[];
  /** The choice is the subnet that this host had before. */
  readonly isPreferred: boolean;
}

/**
 * Makes a key the own one that names this host; without a write if its value and its registry lease
 * are right.
 */
export interface PendingAdopt extends Preparation {
  readonly kind: 'adopt';
  readonly entry: RegistryEntry;
  readonly subnets: LeaseSubnets;
  /** What the entry decodes to, unless it is garbage. */
  readonly published: LeaseAttributes | undefined;
}

export type KeyVersion = Pick<RegistryEntry, 'key' | 'leaseId' | 'modRevision'>;

/** Replaces `entry`, a key of this host, by the key of `subnets`. */
export interface PendingMove extends Preparation {
  readonly kind: 'move';
  readonly entry: KeyVersion;
  readonly subnets: LeaseSubnets;
}

/** Writes the own key again with attributes that changed. */
export interface PendingPublish extends Preparation {
  readonly kind: 'publish';
  readonly own: HeldKey;
}

/** Writes the own key again over what another program wrote. `own` has the revision of that. */
export interface PendingRepair extends Preparation {
  readonly kind: 'repair';
  readonly own: HeldKey;
}

/** Removes a key of this host that is not the one to keep. */
export interface PendingRemove {
  readonly kind: 'remove';
  readonly entry: RegistryEntry;
}

export interface PendingRenewal {
  readonly kind: 'renew';
  readonly leaseId: LeaseId;
}

/** What to prepare for writing a key that exists: a reservation stays one. */
export function preparationFor(
  { leaseId }: KeyVersion,
  previous: LeaseAttributes | undefined,
): Pick<Preparation, 'previous' | 'keepLeaseId' | 'leaseId'> {
  return leaseId === NO_LEASE ? { previous, leaseId } : { previous, keepLeaseId: leaseId };
}

/** A write whose preparation is complete. */
export type PreparedWrite = KeyWrite & { readonly attributes: LeaseAttributes; readonly leaseId: LeaseId };

/** Whether the registry shows already what the write would make. */
export function isWritten(write: PreparedWrite): boolean {
  const { attributes, leaseId } = write;
  if (write.kind === 'publish') return sameAttributes(attributes, write.own.attributes);
  if (write.kind !== 'adopt' || write.published === undefined) return false;
  return leaseId === write.entry.leaseId && sameAttributes(attributes, write.published);
}

/**
 * The key that the write makes the own one, but for its new revision. Of a create: its first
 * choice.
 */
export function keyOf(write: PreparedWrite, subnets = subnetsOf(write)): HeldKey {
  const { attributes, leaseId } = write;
  if (write.kind === 'publish' || write.kind === 'repair') return { ...write.own, attributes, leaseId };
  if (write.kind === 'adopt')
    return { key: write.entry.key, subnets, attributes, leaseId, modRevision: write.entry.modRevision };
  return { key: formatSubnetKey(subnets), subnets, attributes, leaseId, modRevision: NO_REVISION };
}

/** The call that carries the write out. */
export function callOf(write: PreparedWrite): LeaseCall {
  const { attributes, leaseId } = write;
  const value = encodeLeaseValue(attributes);
  if (write.kind === 'create')
    return { kind: 'create', request: { keys: write.choices.map(formatSubnetKey), value, leaseId } };
  const { key, modRevision } = keyOf(write);
  const entry = { key, value, leaseId };
  if (write.kind === 'move')
    return { kind: 'move', from: write.entry.key, expected: write.entry.modRevision, entry };
  return { kind: 'update', entry, expected: modRevision };
}

function subnetsOf(write: KeyWrite): LeaseSubnets {
  if (write.kind === 'create') return write.choices[0] ?? {};
  return write.kind === 'publish' || write.kind === 'repair' ? write.own.subnets : write.subnets;
}
