// Which subnet a host takes, and whether it can keep the one that it holds: pure functions of what
// the registry shows. The decision is carried out with compare-and-swap, so that one made on an
// outdated view costs a retry and no harm.
import { overlaps, prefixLengthOf } from '../../lib/address.ts';
import type { Cidr, IpAddress } from '../../lib/address.ts';
import { subnetAround } from '../lease.ts';
import type { Lease, LeaseSubnets } from '../lease.ts';
import { MAX_CREATE_KEYS } from '../registry/registry.ts';
import type { RegistryEntry, Revision } from '../registry/registry.ts';
import { blockedSubnets } from '../registry/subnet-key.ts';
import type { SubnetPool } from '../subnet/subnet-pool.ts';
import { belongsTo } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { OwnKey } from './own-key.ts';

/** What to do next to get a subnet. */
export type Choice =
  /** This key is this host's already: keep its registry lease alive and publish. */
  | { readonly kind: 'adopt'; readonly entry: RegistryEntry; readonly subnets: LeaseSubnets }
  /**
   * This key is this host's, but the config does not allow all of its subnets: replace it by the
   * key of `subnets`.
   */
  | { readonly kind: 'move'; readonly entry: RegistryEntry; readonly subnets: LeaseSubnets }
  /** This key is this host's, and the config allows none of its subnets. */
  | { readonly kind: 'remove'; readonly entry: RegistryEntry }
  /**
   * Lease the first of these that is free. `isPreferred`: it is the subnet that this host had
   * before.
   */
  | { readonly kind: 'create'; readonly subnets: readonly LeaseSubnets[]; readonly isPreferred: boolean }
  /** The pool has no free subnet. */
  | { readonly kind: 'exhausted' };

export interface ChoiceInput extends NodeIdentity {
  readonly pool: Pick<
    SubnetPool,
    'isCompatible' | 'compatiblePart' | 'fillFamilies' | 'candidates' | 'contains'
  >;
  /**
   * Addresses of the underlay, each as a subnet: one that holds any of them is not leased, as peers
   * refuse it. Absent means none.
   */
  readonly avoided?: readonly LeaseSubnets[];
  readonly entries: ReadonlyMap<string, RegistryEntry>;
  readonly leases: ReadonlyMap<string, Lease>;
  /** The key that this process held and lost. Comes before any other key of this host. */
  readonly lost?: { readonly key: string; readonly subnets: LeaseSubnets };
  /** The subnets of subnet.env. Come after keys of this host. */
  readonly previous?: LeaseSubnets;
  /**
   * Keys with this host's address that it removed or gave up, with the revision they had: they
   * count as absent.
   */
  readonly tombstones: ReadonlyMap<string, Revision>;
  /** A newer list of keys than `entries`, from a lost race. */
  readonly takenKeys?: readonly string[];
  /** Lost races so far. */
  readonly attempt: number;
}

/**
 * Order: the lost subnet; a key with this host's address, that of the
 * previous subnet first; the previous subnet; a free one of the pool. Families count separately: a subnet that can stay stays, and only the other one is chosen
 * again. A preferred subnet is tried alone: if another host has it after all, a fresh list decides
 * better than a second key.
 */
export function chooseSubnet(input: ChoiceInput): Choice {
  const { pool, lost, previous } = input;
  const lostEntry = lost && input.entries.get(lost.key);
  if (lostEntry !== undefined && isStillOurs(input, lostEntry)) return adopt(lostEntry, lost?.subnets);
  const taken = takenSubnets(input);
  const isFree = (subnets: LeaseSubnets): boolean =>
    pool.isCompatible(subnets) && !taken.some((other) => subnetsOverlap(subnets, other));
  // Given up for a config or a peer that no longer exist: only keys of others block it, so what is
  // there is this host's.
  if (lost !== undefined && isFree(lost.subnets))
    return lostEntry === undefined ? createPreferred(lost.subnets) : adopt(lostEntry, lost.subnets);
  const own = chooseOwn(input);
  if (own !== undefined) return own;
  const restored =
    (lost && restore(input, lost.subnets, taken)) ?? (previous && restore(input, previous, taken));
  if (restored !== undefined) return createPreferred(restored);
  const candidates = pool.candidates(input.nodeId, taken, input.attempt, MAX_CREATE_KEYS);
  if (candidates.length === 0) return { kind: 'exhausted' };
  return { kind: 'create', subnets: candidates, isPreferred: false };
}

/** What to do with the subnets of a key that is held. */
export type MoveChoice =
  | { readonly kind: 'keep' }
  /** Some can stay: replace the own key by the key of `subnets`. */
  | { readonly kind: 'move'; readonly subnets: LeaseSubnets }
  /** Some can stay, and no others are free for the rest. */
  | { readonly kind: 'pending' }
  /** None can stay. */
  | { readonly kind: 'release' };

/**
 * Whether a host can keep the subnets that it holds, each family separately: turning IPv6 on or off
 * never costs a host its IPv4 subnet. `rivals`: subnets of hosts that had an overlapping one first.
 */
export function chooseMove(input: ChoiceInput, own: OwnKey, rivals: readonly LeaseSubnets[]): MoveChoice {
  const { pool } = input;
  const kept = freePart(pool.compatiblePart(own.subnets), rivals);
  const isWhole = kept.ipv4 === own.subnets.ipv4 && kept.ipv6 === own.subnets.ipv6;
  if (isWhole && pool.isCompatible(kept)) return { kind: 'keep' };
  if (isNone(kept)) return { kind: 'release' };
  const subnets = pool.fillFamilies(kept, takenSubnets(input, own.key), input.previous);
  return subnets === undefined ? { kind: 'pending' } : { kind: 'move', subnets };
}

/**
 * Whether a family with a subnet before and after has another one: containers keep addresses of the
 * old subnet.
 */
export function isRenumbered(before: LeaseSubnets, after: LeaseSubnets): boolean {
  const isOther = <Subnet>(a: Subnet | undefined, b: Subnet | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b;
  return isOther(before.ipv4, after.ipv4) || isOther(before.ipv6, after.ipv6);
}

/** Whether two hosts cannot hold these at once: they share an address in either family. */
export function subnetsOverlap(a: LeaseSubnets, b: LeaseSubnets): boolean {
  return cidrsOverlap(a.ipv4, b.ipv4) || cidrsOverlap(a.ipv6, b.ipv6);
}

/** What to do with keys that have this host's address: one is enough. */
function chooseOwn(input: ChoiceInput): Choice | undefined {
  const { pool, previous } = input;
  const mine = ownEntries(input);
  const isWhole = ({ lease: { subnets } }: { lease: Lease }): boolean =>
    pool.isCompatible(subnets) && isSame(usablePart(input, subnets), subnets);
  const best = mine.find(isWhole) ?? mine.find(({ lease }) => !isNone(usablePart(input, lease.subnets)));
  const incompatible = mine.find((one) => one !== best && !one.lease.isReservation && !isWhole(one));
  if (incompatible !== undefined) return { kind: 'remove', entry: incompatible.entry };
  if (best === undefined) return undefined;
  const { entry, lease } = best;
  if (isWhole(best)) return adopt(entry, lease.subnets);
  const kept = usablePart(input, lease.subnets);
  const subnets = pool.fillFamilies(kept, takenSubnets(input, entry.key), previous);
  return subnets === undefined ? adopt(entry, lease.subnets) : { kind: 'move', entry, subnets };
}

/** What of `subnets` this host may hold and peers route to. */
function usablePart({ avoided = [], pool }: ChoiceInput, subnets: LeaseSubnets): LeaseSubnets {
  return freePart(pool.compatiblePart(subnets), avoided);
}

function isSame(a: LeaseSubnets, b: LeaseSubnets): boolean {
  return a.ipv4 === b.ipv4 && a.ipv6 === b.ipv6;
}

/** Those of `subnets` that are still free, with others for the rest; `undefined` if none is. */
function restore(
  { pool }: ChoiceInput,
  subnets: LeaseSubnets,
  taken: readonly LeaseSubnets[],
): LeaseSubnets | undefined {
  const kept = freePart(pool.compatiblePart(subnets), taken);
  return isNone(kept) ? undefined : pool.fillFamilies(kept, taken);
}

/** Families of `subnets` that overlap none of `others`. */
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
  return { kind: 'adopt', entry, subnets };
}

/** Whether a key that this host held still has its address, or garbage that names no host. */
function isStillOurs(input: ChoiceInput, entry: RegistryEntry): boolean {
  const lease = input.leases.get(entry.key);
  return (lease === undefined || belongsTo(lease.attributes, input)) && !isBuried(input, entry.key);
}

function createPreferred(subnets: LeaseSubnets): Choice {
  return { kind: 'create', subnets: [subnets], isPreferred: true };
}

/** Leases with this host's address, with their entries: that of subnet.env first, the others in key order. */
function ownEntries(input: ChoiceInput): { readonly lease: Lease; readonly entry: RegistryEntry }[] {
  const found = [];
  for (const lease of input.leases.values()) {
    if (!belongsTo(lease.attributes, input)) continue;
    const entry = input.entries.get(lease.key);
    if (entry !== undefined && !isBuried(input, entry.key)) found.push({ lease, entry });
  }
  const isOther = ({ lease }: { lease: Lease }): number =>
    Number(input.previous === undefined || !hasSubnetOf(lease.subnets, input.previous));
  return found.sort((a, b) => isOther(a) - isOther(b) || (a.lease.key < b.lease.key ? -1 : 1));
}

function hasSubnetOf(a: LeaseSubnets, b: LeaseSubnets): boolean {
  return (a.ipv4 !== undefined && a.ipv4 === b.ipv4) || (a.ipv6 !== undefined && a.ipv6 === b.ipv6);
}

/**
 * Every key that names a subnet blocks it, whatever its value is; but not `ownKey`. So does an address
 * of the underlay: this host's own, those that it needs, those of peers.
 */
function takenSubnets(input: ChoiceInput, ownKey?: string): LeaseSubnets[] {
  const taken: LeaseSubnets[] = [...(input.avoided ?? []), ...publicAddresses(input)];
  const keys = input.takenKeys ?? input.entries.keys();
  for (const key of keys) {
    const subnets = input.leases.get(key)?.subnets ?? blockedSubnets(key);
    if (subnets !== undefined && key !== ownKey && !isBuried(input, key)) taken.push(subnets);
  }
  return taken;
}

function publicAddresses({ leases, pool }: ChoiceInput): LeaseSubnets[] {
  const found: LeaseSubnets[] = [];
  const add = (address: IpAddress | undefined): void => {
    if (address !== undefined && pool.contains(address)) found.push(subnetAround(address));
  };
  for (const { attributes } of leases.values()) {
    add(attributes.publicIp);
    add(attributes.publicIpv6);
  }
  return found;
}

function isBuried({ tombstones, entries }: ChoiceInput, key: string): boolean {
  const revision = tombstones.get(key);
  return revision !== undefined && revision === entries.get(key)?.modRevision;
}

function cidrsOverlap(a: Cidr | undefined, b: Cidr | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  // Nearly all have the same length, and then canonical text decides without arithmetic.
  return prefixLengthOf(a) === prefixLengthOf(b) ? a === b : overlaps(a, b);
}
