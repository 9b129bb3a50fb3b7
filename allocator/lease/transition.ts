// Building blocks of transitions: the result type, and the small steps that several of them share.
// Pure.
import { afterFailure } from '../../lib/backoff.ts';
import type { Now } from '../../lib/clock.ts';
import type { LeaseEffect } from './lease-effects.ts';
import type { LeaseEvent } from './lease-events.ts';
import type { LeaseState } from './lease-state.ts';
import { forgetLease, unusedLeaseId } from './registry-lease.ts';

/** A transition that returns its own state, unchanged, has nothing to do. */
export interface Transition {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

const RETRY_BACKOFF = { baseMs: 500, capMs: 60_000 };

/** Replaces fields of `state`, not its kind. */
export function withFacts<State extends LeaseState>(
  state: State,
  facts: Partial<Omit<State, 'kind'>>,
): State {
  return { ...state, ...facts };
}

export function to(state: LeaseState, ...effects: readonly LeaseEffect[]): Transition {
  return { state, effects };
}

export function emit(event: LeaseEvent): LeaseEffect {
  return { kind: 'emit', event };
}

/** Waits, longer after each failure in a row. */
export function pause(state: LeaseState, now: Now): LeaseState {
  return withFacts(state, { retry: afterFailure(state.retry, RETRY_BACKOFF, now) });
}

/** The cache may be outdated: the registry is listed before the next decision. */
export function requireResync(state: LeaseState): LeaseState {
  return state.resync === 'none' ? withFacts(state, { resync: 'due' }) : state;
}

/**
 * A write was rejected because the key is not as expected. The list follows at once, the answer to
 * it later: two hosts that overwrite each other must not speed up.
 */
export function rejectWrite(state: LeaseState, now: Now): LeaseState {
  return pause(requireResync(withFacts(state, { write: undefined })), now);
}

/** Records what blocks progress and reports it. */
export function fail(state: LeaseState, error: Error, event?: LeaseEvent): Transition {
  const failed = event ?? { level: 'warn', code: 'attempt-failed', error };
  return to(withFacts(state, { lastError: error }), emit(failed));
}

/** Revokes a registry lease without a key. */
export function revokeUnused(state: LeaseState): Transition {
  const leaseId = unusedLeaseId(state.registryLease);
  if (leaseId === undefined) return to(state);
  return to(withFacts(state, { registryLease: forgetLease(state.registryLease) }), {
    kind: 'revoke',
    leaseId,
  });
}
