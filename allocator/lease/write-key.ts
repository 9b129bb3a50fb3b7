// Carries a pending write on: which call is next, and what each result makes of the state. Pure.
import type { Now } from '../../lib/clock.ts';
import { NO_LEASE, RegistryError } from '../registry/registry.ts';
import type { CreateResult, Revision, WriteResult } from '../registry/registry.ts';
import type { LeaseCall } from './lease-effects.ts';
import type { LeaseState } from './lease-state.ts';
import { confirm, hold, holdNew } from './held-lease.ts';
import { failLeaseNotFound, lose } from './lost-lease.ts';
import type { HeldKey } from './own-key.ts';
import { callOf, isWritten, keyOf } from './pending-write.ts';
import type { KeyVersion, KeyWrite, PendingCreate, PendingWrite, PreparedWrite } from './pending-write.ts';
import {
  aliveLeaseId,
  forgetLease,
  grantedLease,
  keptAliveLease,
  renewLater,
  unusedLeaseId,
} from './registry-lease.ts';
import type { LeaseGrant } from './registry-lease.ts';
import { bury } from './tombstones.ts';
import { emit, fail, pause, rejectWrite, requireResync, to, withFacts } from './transition.ts';
import type { Transition } from './transition.ts';

/**
 * Lost races in a row before a pause. A race is lost only to another host, so the next try comes at
 * once.
 */
const RACES_BEFORE_PAUSE = 16;

/** Begins a write, or takes its next step. */
export function carryOn(state: LeaseState, write: PendingWrite, now: Now): Transition {
  if (write.kind === 'remove') {
    const { key, modRevision } = write.entry;
    return call(state, write, { kind: 'remove', key, expected: modRevision });
  }
  if (write.kind === 'renew') return call(state, write, { kind: 'keep-alive', leaseId: write.leaseId });
  const { attributes, keepLeaseId, leaseId, previous } = write;
  if (attributes === undefined) {
    const publication = { ...state.publication, derived: state.publication.requested };
    return call(withFacts(state, { publication }), write, { kind: 'derive-attributes', previous });
  }
  if (leaseId !== undefined) return submit(state, { ...write, attributes, leaseId });
  if (keepLeaseId !== undefined) return call(state, write, { kind: 'keep-alive', leaseId: keepLeaseId });
  const aliveId = aliveLeaseId(state.registryLease, now.ms);
  if (aliveId !== undefined) return submit(state, { ...write, attributes, leaseId: aliveId });
  return call(state, write, { kind: 'grant', ttlSec: state.terms.ttlSec });
}

/** Writes, unless the registry shows already what the write would make. */
function submit(state: LeaseState, write: PreparedWrite): Transition {
  if (!isWritten(write)) return call(state, write, callOf(write));
  if (write.kind === 'adopt') return adopted(state, keyOf(write));
  const { publication } = state;
  return to(
    withFacts(state, { write: undefined, publication: { ...publication, written: publication.derived } }),
  );
}

function call(state: LeaseState, write: PendingWrite, next: LeaseCall): Transition {
  return to(withFacts(state, { write }), next);
}

/** A new registry lease. */
export function onGranted(state: LeaseState, grant: LeaseGrant, now: Now): Transition {
  const { write, terms } = state;
  if (write === undefined || write.kind === 'remove' || write.kind === 'renew') return to(state);
  const registryLease = grantedLease(grant, terms, now);
  return to(withFacts(state, { registryLease, write: { ...write, leaseId: grant.leaseId } }));
}

/** An answer to a keep-alive: of a renewal, or before a key is written again. */
export function onKeptAlive(state: LeaseState, grant: LeaseGrant, now: Now): Transition {
  const { registryLease, terms, write } = state;
  if (write === undefined || !('keepLeaseId' in write || write.kind === 'renew')) return to(state);
  if (grant.ttlSec <= 0) return onLeaseGone(state, write);
  const replacedId = grant.leaseId === registryLease.id ? undefined : unusedLeaseId(registryLease);
  const kept = withFacts(state, {
    registryLease: keptAliveLease(grant, terms, now),
    write: write.kind === 'renew' ? undefined : { ...write, leaseId: grant.leaseId },
  });
  const revoke = replacedId === undefined ? [] : [{ kind: 'revoke', leaseId: replacedId } as const];
  return to(write.kind === 'renew' ? confirm(kept) : kept, ...revoke);
}

/** The registry lease does not exist any more, and the key went with it. */
export function onLeaseGone(state: LeaseState, write: PendingWrite): Transition {
  const { own, registryLease } = state;
  if (write.kind === 'renew') {
    const ended = requireResync(withFacts(state, { write: undefined }));
    return own === undefined ? to(ended) : lose(ended, 'expired', own);
  }
  if (write.kind === 'remove') return to(state);
  const isAtHand = registryLease.id === write.keepLeaseId;
  return to(
    withFacts(state, {
      write: { ...write, keepLeaseId: undefined },
      registryLease: isAtHand ? forgetLease(registryLease) : registryLease,
    }),
  );
}

/** The answer to a create: the key is held, or all choices were taken. */
export function onCreated(state: LeaseState, result: CreateResult, now: Now): Transition {
  const { write } = state;
  if (write?.kind !== 'create' || !isPrepared(write)) return to(state);
  const { revision } = result;
  if (!result.created) return onRaceLost(state, write, { revision, keys: result.takenKeys }, now);
  const { key } = result;
  const subnets = write.choices.find((choice) => keyOf(write, choice).key === key) ?? {};
  const own = { ...keyOf(write, subnets), key, modRevision: revision, createdAt: revision };
  return holdNew(state, own, { level: 'info', code: 'lease-created', key });
}

function onRaceLost(
  state: LeaseState,
  write: PendingCreate,
  taken: NonNullable<LeaseState['races']['taken']>,
  now: Now,
): Transition {
  const count = state.races.count + 1;
  const lost = withFacts(state, { write: undefined, races: { count, taken } });
  const paused = count % RACES_BEFORE_PAUSE === 0 ? pause(lost, now) : lost;
  // The winner may be a request of this host whose answer was lost.
  return to(write.isPreferred ? pause(requireResync(paused), now) : paused);
}

/** The answer to an update, a move or a removal. */
export function onWritten(
  state: LeaseState,
  result: WriteResult,
  cacheRevision: Revision,
  now: Now,
): Transition {
  const { write } = state;
  if (write === undefined || write.kind === 'renew' || write.kind === 'create') return to(state);
  if (!result.written) return to(rejectWrite(state, now));
  const { revision } = result;
  if (write.kind === 'remove') {
    const removed = withFacts(buryRemoved(state, write.entry, revision, cacheRevision), { write: undefined });
    return to(removed, emit({ level: 'info', code: 'own-key-removed', key: write.entry.key }));
  }
  if (!isPrepared(write)) return to(state);
  const own = { ...keyOf(write), modRevision: revision };
  if (write.kind === 'adopt') return adopted(state, own);
  if (write.kind === 'publish')
    return hold(state, own, { level: 'info', code: 'lease-published', key: own.key });
  if (write.kind === 'repair') return hold(state, own);
  const moved = buryRemoved(state, write.entry, revision, cacheRevision);
  const event = { level: 'info', code: 'lease-moved', key: own.key, from: write.entry.key } as const;
  return holdNew(moved, { ...own, createdAt: revision }, event);
}

/**
 * A call failed. A write that failed may have been carried out all the same, unless the registry
 * said why not.
 */
export function onCallFailed(
  state: LeaseState,
  failed: LeaseCall['kind'],
  error: Error,
  now: Now,
): Transition {
  const dropped = withFacts(state, { write: undefined });
  if (state.write?.kind === 'renew')
    return fail(withFacts(dropped, { registryLease: renewLater(state.registryLease, now) }), error);
  const isLeaseMissing = error instanceof RegistryError && error.code === 'REGISTRY_LEASE_NOT_FOUND';
  const isUnsure = WRITE_CALLS.has(failed) && !isLeaseMissing;
  const paused = pause(isUnsure ? requireResync(dropped) : dropped, now);
  return isLeaseMissing ? failLeaseNotFound(paused, error, state.retry.failures === 0) : fail(paused, error);
}

const WRITE_CALLS: ReadonlySet<LeaseCall['kind']> = new Set(['create', 'update', 'move', 'remove']);

function adopted(state: LeaseState, own: HeldKey): Transition {
  const code = own.leaseId === NO_LEASE ? 'lease-reserved' : 'lease-adopted';
  return holdNew(state, own, { level: 'info', code, key: own.key });
}

/** A removed key that the cache still shows counts as absent. */
function buryRemoved(
  state: LeaseState,
  key: KeyVersion,
  removedAt: Revision,
  cacheRevision: Revision,
): LeaseState {
  if (cacheRevision >= removedAt) return state;
  return withFacts(state, { tombstones: bury(state.tombstones, key, removedAt) });
}

function isPrepared<Write extends KeyWrite>(write: Write): write is Write & PreparedWrite {
  return write.attributes !== undefined && write.leaseId !== undefined;
}
