// Transitions of the own key: it is held, or lost, or its deadline passes. Pure.
import { NO_RETRY } from '../../lib/backoff.ts';
import type { LeaseSubnets } from '../lease.ts';
import { NO_LEASE, NO_REVISION } from '../registry/registry.ts';
import type { RegistryEntry } from '../registry/registry.ts';
import type { LeaseEffect } from './lease-effects.ts';
import type { LeaseEvent, LossReason, OwnLeaseChange } from './lease-events.ts';
import { factsOf, NO_RACES } from './lease-state.ts';
import type { Held, LeaseState } from './lease-state.ts';
import { isSameOwnKey } from './own-key.ts';
import type { HeldKey } from './own-key.ts';
import { forgetLease, renewNow } from './registry-lease.ts';
import { bury, unbury } from './tombstones.ts';
import { emit, fail, revokeUnused, to, withFacts } from './transition.ts';
import type { Transition } from './transition.ts';

/**
 * The registry confirmed `own`, with the attributes derived last. `events` say how it came to that.
 */
export function hold(state: LeaseState, own: HeldKey, ...events: readonly LeaseEvent[]): Transition {
  const { own: before, loss, publication } = state;
  // A key given up is still attached to this host's registry lease: it may be removed now.
  const isGivenUp = before !== undefined && (loss === 'overlap' || loss === 'incompatible');
  const held: Held = {
    ...factsOf(state),
    kind: 'held',
    own,
    tombstones: isGivenUp ? unbury(state.tombstones, before.key) : state.tombstones,
    publication: { ...publication, written: publication.derived },
    retry: NO_RETRY,
    write: undefined,
    lastError: undefined,
  };
  const used = attach(held);
  return to(used.state, ...events.map(emit), ...used.effects, ...announce(state, own));
}

/** A registry lease has the own key attached; one that a reservation makes obsolete is revoked. */
function attach(state: Held): Transition {
  if (state.own.leaseId === NO_LEASE) return revokeUnused(state);
  return to(withFacts(state, { registryLease: { ...state.registryLease, isUsed: true } }));
}

function announce({ own: before, loss, formerSubnets }: LeaseState, own: HeldKey): LeaseEffect[] {
  const from = before?.subnets ?? formerSubnets;
  const isRenumbering = from !== undefined && isRenumbered(from, own.subnets);
  const change: OwnLeaseChange =
    before === undefined ? 'acquired' : isRenumbering ? 'subnet-changed' : 'updated';
  const isChanged = loss !== undefined || before === undefined || !isSameOwnKey(before, own);
  return [
    ...(isRenumbering ? [emit({ level: 'error', code: 'subnet-changed', from, to: own.subnets })] : []),
    ...(isChanged ? [{ kind: 'notify-own-lease', change } as const] : []),
  ];
}

/** A held key by a create or a move: races are over. */
export function holdNew(state: LeaseState, own: HeldKey, ...events: readonly LeaseEvent[]): Transition {
  return hold(withFacts(state, { races: NO_RACES }), own, ...events);
}

/** @param entry - what the registry shows under the key. */
export function lose(state: LeaseState, reason: LossReason, own: HeldKey, entry?: RegistryEntry): Transition {
  const { registryLease, tombstones } = state;
  const isGivenUp = reason === 'overlap' || reason === 'incompatible';
  // Another host uses this registry lease now: it is no longer this host's to renew, reuse or
  // revoke.
  const isLeaseTaken = reason === 'overwritten' && entry?.leaseId === own.leaseId;
  const isLeaseGone = reason === 'expired' || isLeaseTaken;
  const detached = isGivenUp ? registryLease : { ...registryLease, isUsed: false };
  const lost: LeaseState = {
    ...factsOf(state),
    kind: 'lost',
    own,
    loss: reason,
    registryLease: isLeaseGone ? forgetLease(registryLease) : detached,
    tombstones: isGivenUp && entry !== undefined ? bury(tombstones, entry) : tombstones,
  };
  return to(lost, emit({ level: 'warn', code: 'lease-lost', key: own.key, reason }));
}

/** The deadline passed without an answer. */
export function expire(state: Held): Transition {
  const event = emit({ level: 'warn', code: 'lease-expiring', key: state.own.key });
  return to({ ...state, kind: 'expiring' }, event);
}

/** The registry lease lives on. */
export function confirm(state: LeaseState): LeaseState {
  if (state.kind !== 'held' && state.kind !== 'expiring') return state;
  return { ...state, kind: 'held', lastError: undefined };
}

/** Revisions known before mean nothing any more, and the backup may lack the registry lease. */
export function forgetRevisions(state: LeaseState): LeaseState {
  if (state.own === undefined) return state;
  const { createdAt: _, ...own } = state.own;
  const registryLease = renewNow(state.registryLease);
  return { ...state, own: { ...own, modRevision: NO_REVISION }, registryLease };
}

/**
 * A new registry lease repairs this; peers drop this host until then, so the first time it is not
 * waited for.
 */
export function failLeaseNotFound(state: LeaseState, error: Error, isFirst: boolean): Transition {
  const registryLease = renewNow(forgetLease(state.registryLease));
  if (!isFirst) return fail(withFacts(state, { registryLease }), error);
  return to(withFacts(state, { registryLease, retry: { ...state.retry, dueMs: 0 } }));
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
