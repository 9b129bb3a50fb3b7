// The state of this host's lease as immutable data, and the questions that others ask of it.
// `lease-state-machine.ts` has the transitions and the table of states.
import { NO_RETRY } from '../../lib/backoff.ts';
import type { Retry } from '../../lib/backoff.ts';
import type { NetworkConfig } from '../config/config.ts';
import type { LeaseSubnets } from '../lease.ts';
import { NO_LEASE } from '../registry/registry.ts';
import type { Revision } from '../registry/registry.ts';
import { SubnetPool } from '../subnet/subnet-pool.ts';
import type { LossReason, OwnLease } from './lease-events.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { HeldKey, OwnIdentities } from './own-key.ts';
import { NO_OVERWRITES } from './overwrites.ts';
import type { Overwrites } from './overwrites.ts';
import type { PendingWrite } from './pending-write.ts';
import { NO_REGISTRY_LEASE } from './registry-lease.ts';
import type { LeaseTerms, RegistryLease } from './registry-lease.ts';
import { NO_TOMBSTONES } from './tombstones.ts';
import type { Tombstones } from './tombstones.ts';

export type LeaseState = Waiting | Acquiring | Held | Expiring | Lost | Exhausted | Stopped;

/** States without a key that is known to be this host's. */
export type Keyless = Waiting | Acquiring | Lost | Exhausted;
export type Keyed = Held | Expiring;

export interface Waiting extends LeaseFacts {
  readonly kind: 'waiting';
  readonly own?: undefined;
  readonly loss?: undefined;
}

export interface Acquiring extends LeaseFacts {
  readonly kind: 'acquiring';
  readonly own?: undefined;
  readonly loss?: undefined;
}

export interface Held extends LeaseFacts {
  readonly kind: 'held';
  readonly own: HeldKey;
  readonly loss?: undefined;
}

export interface Expiring extends LeaseFacts {
  readonly kind: 'expiring';
  readonly own: HeldKey;
  readonly loss?: undefined;
}

/** `own` is the key as last confirmed: shown until another takes its place. */
export interface Lost extends LeaseFacts {
  readonly kind: 'lost';
  readonly own: HeldKey;
  readonly loss: LossReason;
}

/** `own` and `loss`: both set or both unset. */
export interface Exhausted extends LeaseFacts {
  readonly kind: 'exhausted';
  readonly own?: HeldKey;
  readonly loss?: LossReason;
}

/** Key and registry lease stay, for the next start to take over. */
export interface Stopped extends LeaseFacts {
  readonly kind: 'stopped';
  readonly own?: HeldKey;
  readonly loss?: LossReason;
}

/** What every state carries. */
export interface LeaseFacts {
  readonly terms: LeaseTerms;
  /** Subnets of subnet.env, from an earlier run. */
  readonly formerSubnets: LeaseSubnets | undefined;
  readonly nodes: OwnIdentities;
  readonly config: NetworkConfig;
  readonly pool: SubnetPool;
  /** Addresses of the underlay, each as a subnet. */
  readonly avoided: readonly LeaseSubnets[];
  /** Subnets to ask for before any other. */
  readonly preferred: LeaseSubnets | undefined;
  readonly registryLease: RegistryLease;
  readonly tombstones: Tombstones;
  readonly publication: Publication;
  readonly overwrites: Overwrites;
  /** Backs off after a failure, whatever failed. */
  readonly retry: Retry;
  /** `due`: the registry may differ from the cache, so it is listed before the next decision. */
  readonly resync: 'none' | 'due' | 'running';
  readonly races: Races;
  /** The pending write, one call at a time. */
  readonly write: PendingWrite | undefined;
  /** What blocks progress; unset when the lease is held or renewed. */
  readonly lastError: Error | undefined;
}

/** Generations of the published attributes: a request during a write makes one more write due. */
export interface Publication {
  readonly requested: number;
  /** Generation of the attributes last derived. */
  readonly derived: number;
  readonly written: number;
}

/** Races for a key that were lost in a row. */
export interface Races {
  readonly count: number;
  /** All keys at the revision of the last one. */
  readonly taken: { readonly revision: Revision; readonly keys: readonly string[] } | undefined;
}

export const NO_RACES: Races = { count: 0, taken: undefined };

export interface LeaseSettings {
  readonly terms: LeaseTerms;
  readonly node: NodeIdentity;
  readonly config: NetworkConfig;
  readonly formerSubnets: LeaseSubnets | undefined;
  /** Absent means none. */
  readonly avoided?: readonly LeaseSubnets[];
}

export function initialState({ terms, node, config, formerSubnets, avoided = [] }: LeaseSettings): Waiting {
  return {
    kind: 'waiting',
    terms,
    formerSubnets,
    nodes: { current: node, former: [] },
    config,
    pool: new SubnetPool(config),
    avoided,
    preferred: formerSubnets,
    registryLease: NO_REGISTRY_LEASE,
    tombstones: NO_TOMBSTONES,
    publication: { requested: 0, derived: 0, written: 0 },
    overwrites: NO_OVERWRITES,
    retry: NO_RETRY,
    resync: 'none',
    races: NO_RACES,
    write: undefined,
    lastError: undefined,
  };
}

/** What stays when the kind of state changes. */
export function factsOf(state: LeaseState): LeaseFacts {
  const { kind: _kind, own: _own, loss: _loss, ...facts } = state;
  return facts;
}

/** When the own lease ends unless it is renewed; infinite for a reservation. */
export function expiresAtMs({ own, registryLease }: LeaseState): number {
  return own?.leaseId === NO_LEASE ? Infinity : registryLease.expiresAtMs;
}

/**
 * Whether the key is known to be this host's at `nowMs`: not lost, and its deadline has not passed.
 */
export function isHeldAt(state: LeaseState, nowMs: number): boolean {
  return state.own !== undefined && state.loss === undefined && nowMs < expiresAtMs(state);
}

/**
 * A subnet that the config does not allow is kept alive until there is another: peers reach this
 * host by it.
 */
export function isRenewing({ own, loss }: LeaseState): boolean {
  return own !== undefined && own.leaseId !== NO_LEASE && (loss === undefined || loss === 'incompatible');
}

/** When to step without any other input. */
export function deadlinesMs(state: LeaseState): number[] {
  const { overwrites, registryLease, retry } = state;
  const pointsMs = [retry.dueMs, overwrites.dueMs];
  if (isRenewing(state)) pointsMs.push(registryLease.renewAtMs);
  if (isRenewing(state) && state.kind === 'held') pointsMs.push(registryLease.expiresAtMs);
  return pointsMs;
}

/** The own lease as others see it; kept while it is lost, until another takes its place. */
export function ownLeaseOf(state: LeaseState): OwnLease | undefined {
  if (state.own === undefined) return undefined;
  const { key, subnets, attributes, leaseId, modRevision } = state.own;
  const isReservation = leaseId === NO_LEASE;
  return { key, subnets, attributes, leaseId, modRevision, isReservation, expiresAtMs: expiresAtMs(state) };
}
