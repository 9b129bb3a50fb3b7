// What a host should do about its lease, as pure functions of what the registry shows. No clock, no I/O; the caller
// carries the decision out with compare-and-swap, so that a decision made on an old view costs a retry and no harm.
import { overlaps, prefixLengthOf } from '../../lib/address.ts';
import type { Cidr } from '../../lib/address.ts';
import { belongsTo, isPublishedByAnother } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';
import { sameAttributes } from '../registry/lease-value.ts';
import type { Lease, LeaseAttributes, LeaseSubnets } from '../lease.ts';
import { MAX_CREATE_KEYS, NO_LEASE } from '../registry/registry.ts';
import type { RegistryEntry, LeaseId, Revision } from '../registry/registry.ts';
import { blockedSubnets } from '../registry/subnet-key.ts';
import type { SubnetPool } from '../subnet/subnet-pool.ts';

/** What this host last knew of its own key. */
export interface OwnKey {
  readonly key: string;
  readonly subnets: LeaseSubnets;
  readonly attributes: LeaseAttributes;
  readonly leaseId: LeaseId;
  readonly modRevision: Revision;
}

/** What became of the own key. */
export type OwnKeyStatus =
  | 'intact'
  /** Written again with what we published: only the revision is new. */
  | 'touched'
  /** Ours with our data, but attached to another registry lease, or to none: an operator's reservation. */
  | 'relinked'
  /** Garbage, or our public address with other data. */
  | 'altered'
  | 'gone'
  /** It names another host. */
  | 'theirs';

/** What this host is known by, and was known by before in this life. */
export interface OwnIdentities {
  readonly current: NodeIdentity;
  readonly former: readonly NodeIdentity[];
}

/** Compares the own key as last known with the registry's entry and what that decodes to. */
export function judgeOwnKey(
  own: OwnKey,
  entry: RegistryEntry | undefined,
  lease: Lease | undefined,
  identities: OwnIdentities,
): OwnKeyStatus {
  if (entry === undefined) return 'gone';
  if (lease === undefined) return 'altered';
  const isSameLease = entry.leaseId === own.leaseId;
  if (sameAttributes(lease.attributes, own.attributes)) {
    if (!isSameLease) return 'relinked';
    return entry.modRevision === own.modRevision ? 'intact' : 'touched';
  }
  if (!isPublishedByAnother(lease.attributes, identities.current)) return 'altered';
  // A backup may bring back what this host published under the address it had before.
  const isOld = isSameLease && entry.leaseId !== NO_LEASE;
  return isOld && identities.former.some((one) => belongsTo(lease.attributes, one)) ? 'altered' : 'theirs';
}

/** What to do next to get a subnet. */
export type Choice =
  /** This key is ours already: learn how long, and publish. */
  | { readonly do: 'adopt'; readonly entry: RegistryEntry; readonly subnets: LeaseSubnets }
  /** This key is ours, but some of its subnets are of no use with the config: put the key of these in its place. */
  | { readonly do: 'move'; readonly entry: RegistryEntry; readonly subnets: LeaseSubnets }
  /** This key is ours but of no use with the config. */
  | { readonly do: 'remove'; readonly entry: RegistryEntry }
  /** Lease the first of these that is free. `isPreferred`: it is the subnet that this host had before. */
  | { readonly do: 'create'; readonly subnets: readonly LeaseSubnets[]; readonly isPreferred: boolean }
  /** The pool has no free subnet. */
  | { readonly do: 'exhausted' };

export interface ChoiceInput extends NodeIdentity {
  readonly pool: Pick<SubnetPool, 'isCompatible' | 'compatiblePart' | 'complete' | 'candidates'>;
  readonly entries: ReadonlyMap<string, RegistryEntry>;
  readonly leases: ReadonlyMap<string, Lease>;
  /** The subnet that this host held in this life and lost. Comes before any other key of ours. */
  readonly lost?: { readonly key: string; readonly subnets: LeaseSubnets };
  /** The subnet of subnet.env. Comes after keys of ours. */
  readonly previous?: LeaseSubnets;
  /** Keys that bear our address but are removed or given up by us, with the revision they had: they count for nothing. */
  readonly disowned: ReadonlyMap<string, Revision>;
  /** A newer list of keys than `entries`, from a lost race. */
  readonly takenKeys?: readonly string[];
  /** Lost races so far. */
  readonly attempt: number;
}

/**
 * Order: the lost subnet; a key that bears our address; the previous subnet; a free one of the pool. What was held before
 * counts by family: what can stay stays, and only the rest is chosen anew.
 * A preferred subnet is tried alone: if somebody else has it after all, one look decides better than a second key.
 */
export function chooseSubnet(input: ChoiceInput): Choice {
  const { pool, lost, previous } = input;
  const lostEntry = lost && input.entries.get(lost.key);
  if (lostEntry !== undefined && isStillOurs(input, lostEntry)) return adopt(lostEntry, lost?.subnets);
  const taken = takenSubnets(input);
  const isFree = (subnets: LeaseSubnets): boolean =>
    pool.isCompatible(subnets) && !taken.some((other) => subnetsOverlap(subnets, other));
  // Given up for a config or a peer that are no more: only keys of others block it, so what is there is ours.
  if (lost !== undefined && isFree(lost.subnets))
    return lostEntry === undefined ? createPreferred(lost.subnets) : adopt(lostEntry, lost.subnets);
  const own = chooseOwn(input);
  if (own !== undefined) return own;
  const again =
    (lost && restore(input, lost.subnets, taken)) ?? (previous && restore(input, previous, taken));
  if (again !== undefined) return createPreferred(again);
  const candidates = pool.candidates(input.identity, taken, input.attempt, MAX_CREATE_KEYS);
  if (candidates.length === 0) return { do: 'exhausted' };
  return { do: 'create', subnets: candidates, isPreferred: false };
}

/** What to do about the subnets of a key that is held. */
export type MoveChoice =
  | { readonly do: 'stay' }
  /** Some can stay: put the key of these in the place of the own one. */
  | { readonly do: 'move'; readonly subnets: LeaseSubnets }
  /** Some can stay, and no others are free for the rest. */
  | { readonly do: 'wait' }
  /** None can stay. */
  | { readonly do: 'leave' };

/**
 * Whether a host can go on with the subnets that it holds, each family for itself: so that turning IPv6 on or off never
 * costs a host its IPv4 subnet. `rivals`: subnets of others who were there first.
 */
export function chooseMove(input: ChoiceInput, own: OwnKey, rivals: readonly LeaseSubnets[]): MoveChoice {
  const { pool } = input;
  const kept = freePart(pool.compatiblePart(own.subnets), rivals);
  const isWhole = kept.ipv4 === own.subnets.ipv4 && kept.ipv6 === own.subnets.ipv6;
  if (isWhole && pool.isCompatible(kept)) return { do: 'stay' };
  if (isNone(kept)) return { do: 'leave' };
  const subnets = pool.complete(kept, takenSubnets(input, own.key), input.previous);
  return subnets === undefined ? { do: 'wait' } : { do: 'move', subnets };
}

/** Whether a family that has a subnet before and after has another one: containers keep addresses of the old. */
export function isRenumbered(before: LeaseSubnets, after: LeaseSubnets): boolean {
  const isOther = <Subnet>(a: Subnet | undefined, b: Subnet | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b;
  return isOther(before.ipv4, after.ipv4) || isOther(before.ipv6, after.ipv6);
}

/** Whether two hosts cannot hold these at once: they share an address in either family. */
export function subnetsOverlap(a: LeaseSubnets, b: LeaseSubnets): boolean {
  return cidrsOverlap(a.ipv4, b.ipv4) || cidrsOverlap(a.ipv6, b.ipv6);
}

/** What to do with keys that bear our address: one is enough. */
function chooseOwn(input: ChoiceInput): Choice | undefined {
  const { pool, previous } = input;
  const mine = ownEntries(input);
  const best =
    mine.find(({ lease }) => pool.isCompatible(lease.subnets)) ??
    mine.find(({ lease }) => !isNone(pool.compatiblePart(lease.subnets)));
  const useless = mine.find(
    (one) => one !== best && !one.lease.isReservation && !pool.isCompatible(one.lease.subnets),
  );
  if (useless !== undefined) return { do: 'remove', entry: useless.entry };
  if (best === undefined) return undefined;
  const { entry, lease } = best;
  if (pool.isCompatible(lease.subnets)) return adopt(entry, lease.subnets);
  const kept = pool.compatiblePart(lease.subnets);
  const subnets = pool.complete(kept, takenSubnets(input, entry.key), previous);
  return subnets === undefined ? adopt(entry, lease.subnets) : { do: 'move', entry, subnets };
}

/** What of `subnets` is still to be had, with others for the rest; `undefined` if nothing is. */
function restore(
  { pool }: ChoiceInput,
  subnets: LeaseSubnets,
  taken: readonly LeaseSubnets[],
): LeaseSubnets | undefined {
  const kept = freePart(pool.compatiblePart(subnets), taken);
  return isNone(kept) ? undefined : pool.complete(kept, taken);
}

/** Families of `subnets` in which nobody of `others` has an address of them. */
function freePart({ ipv4, ipv6 }: LeaseSubnets, others: readonly LeaseSubnets[]): LeaseSubnets {
  const isTaken = (subnets: LeaseSubnets): boolean => others.some((one) => subnetsOverlap(one, subnets));
  return {
    ...(ipv4 !== undefined && !isTaken({ ipv4 }) ? { ipv4 } : {}),
    ...(ipv6 !== undefined && !isTaken({ ipv6 }) ? { ipv6 } : {}),
  };
}

function isNone({ ipv4, ipv6 }: LeaseSubnets): boolean {
  return ipv4 === undefined && ipv6 === undefined;
}

function adopt(entry: RegistryEntry, subnets: LeaseSubnets = {}): Choice {
  return { do: 'adopt', entry, subnets };
}

/** Whether a key that we held bears our address still, or garbage that names nobody. */
function isStillOurs(input: ChoiceInput, entry: RegistryEntry): boolean {
  const lease = input.leases.get(entry.key);
  return (lease === undefined || belongsTo(lease.attributes, input)) && !isDisowned(input, entry.key);
}

function createPreferred(subnets: LeaseSubnets): Choice {
  return { do: 'create', subnets: [subnets], isPreferred: true };
}

/** Leases that bear our address, in key order, with their entries. */
function ownEntries(input: ChoiceInput): { readonly lease: Lease; readonly entry: RegistryEntry }[] {
  const found = [];
  for (const lease of input.leases.values()) {
    if (!belongsTo(lease.attributes, input)) continue;
    const entry = input.entries.get(lease.key);
    if (entry !== undefined && !isDisowned(input, entry.key)) found.push({ lease, entry });
  }
  return found.sort((a, b) => (a.lease.key < b.lease.key ? -1 : 1));
}

/** Every key that names a subnet blocks it, whatever its value is; but not `ownKey`. */
function takenSubnets(input: ChoiceInput, ownKey?: string): LeaseSubnets[] {
  const taken: LeaseSubnets[] = [];
  const keys = input.takenKeys ?? input.entries.keys();
  for (const key of keys) {
    const subnets = input.leases.get(key)?.subnets ?? blockedSubnets(key);
    if (subnets !== undefined && key !== ownKey && !isDisowned(input, key)) taken.push(subnets);
  }
  return taken;
}

function isDisowned({ disowned, entries }: ChoiceInput, key: string): boolean {
  const revision = disowned.get(key);
  return revision !== undefined && revision === entries.get(key)?.modRevision;
}

function cidrsOverlap(a: Cidr | undefined, b: Cidr | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  // Nearly all have the same length, and then canonical text decides without arithmetic.
  return prefixLengthOf(a) === prefixLengthOf(b) ? a === b : overlaps(a, b);
}
