// Transitions of a lease that is lost or expires, and of a registry that lost its history. Pure.
import { NO_REVISION } from '../registry/registry.ts';
import type { RegistryEntry } from '../registry/registry.ts';
import type { LossReason } from './lease-events.ts';
import { factsOf } from './lease-state.ts';
import type { Held, LeaseState } from './lease-state.ts';
import type { HeldKey } from './own-key.ts';
import { forgetLease, renewNow } from './registry-lease.ts';
import { bury } from './tombstones.ts';
import { emit, fail, to, withFacts } from './transition.ts';
import type { Transition } from './transition.ts';

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
