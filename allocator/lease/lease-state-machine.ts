// The state machine of this host's lease: one pure function of state, input and time. The manager
// performs the effects and feeds their results back as inputs. It never deletes the key that is
// held but to replace it, writes only with compare, and has no influence on forwarding.
//
//   state      meaning                                      left on
//   waiting    no lease; the registry cannot be read         list read ► acquiring
//   acquiring  no lease; choosing a subnet, creating its     created or adopted ► held;
//              key                                           pool full ► exhausted;
//                                                            outcome unknown ► waiting
//   held       the key and its registry lease are this       no answer until the deadline
//              host's (or the key is a reservation)          ► expiring; key gone, taken or
//                                                            not allowed, lease ended ► lost
//   expiring   the deadline passed and the registry is       keep-alive answered ► held;
//              silent; the key may be gone                   lease ended ► lost
//   lost       the key is not this host's; getting the       created or adopted ► held;
//              same subnet again, or else another            pool full ► exhausted
//   exhausted  no subnet is free; tries again with           created or adopted ► held;
//              back-off and when a key goes away             lease ended ► lost
//   stopped    absorbing                                     —
import { NO_RETRY, expedite } from '../../lib/backoff.ts';
import type { Now } from '../../lib/clock.ts';
import type { NetworkConfig } from '../config/config.ts';
import { subnetAround } from '../lease.ts';
import { SubnetPool } from '../subnet/subnet-pool.ts';
import { acquire } from './acquire-lease.ts';
import type { LeaseInput, RegistryView } from './lease-effects.ts';
import { expiresAtMs, factsOf, isRenewing } from './lease-state.ts';
import type { LeaseState } from './lease-state.ts';
import { maintain } from './maintain-lease.ts';
import { isSameNode } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';
import { expire, forgetRevisions, lose } from './lost-lease.ts';
import { NO_TOMBSTONES, settle } from './tombstones.ts';
import { emit, requireResync, to, withFacts } from './transition.ts';
import type { Transition } from './transition.ts';
import { carryOn, onCallFailed, onCreated, onGranted, onKeptAlive, onWritten } from './write-key.ts';

/** Hosts without a subnet come back spread over this time when one becomes free. */
const FREED_SPREAD_MS = 1000;

export function next(state: LeaseState, input: LeaseInput, now: Now): Transition {
  if (state.kind === 'stopped') return to(state);
  switch (input.kind) {
    case 'started':
      return to(input.isConnected ? state : requireResync(state));
    case 'step':
      return step(state, input.registry, now);
    case 'registry-changed':
      return onRegistryChanged(state, input, now);
    case 'resynced':
      return to(withFacts(state, { resync: 'none' }));
    case 'publish-requested':
      return to(requestPublish(state));
    case 'identity-changed':
      return to(setIdentity(state, input.node));
    case 'config-changed':
      return to(setConfig(state, input.config));
    case 'underlay-changed':
      // A subnet that is held stays: moving its containers is the operator's to decide.
      return to(withFacts(state, { avoided: input.addresses.map(subnetAround) }));
    case 'attributes-derived':
      return onAttributes(state, input);
    case 'lease-granted':
      return onGranted(state, input, now);
    case 'lease-kept-alive':
      return onKeptAlive(state, input, now);
    case 'key-created':
      return onCreated(state, input.result, now);
    case 'key-written':
      return onWritten(state, input.result, input.cacheRevision, now);
    case 'call-failed':
      return onCallFailed(state, input.call, input.error, now);
    case 'stopped': {
      const { own, loss } = state;
      return to({ ...factsOf(state), kind: 'stopped', ...(own && { own }), ...(loss && { loss }) });
    }
  }
}

/** The one thing to do now. */
function step(state: Exclude<LeaseState, { kind: 'stopped' }>, registry: RegistryView, now: Now): Transition {
  if (state.write !== undefined) return carryOn(state, state.write, now);
  if (state.kind === 'held' && now.ms >= expiresAtMs(state)) return expire(state);
  if (isRenewing(state) && now.ms >= state.registryLease.renewAtMs) return renew(state, now);
  if (state.resync !== 'none') return resync(state);
  if (now.ms < state.retry.dueMs) return to(state);
  return state.kind === 'held' || state.kind === 'expiring'
    ? maintain(state, registry, now)
    : acquire(state, registry, now);
}

function renew(state: LeaseState, now: Now): Transition {
  const { own, registryLease } = state;
  if (registryLease.id !== undefined)
    return carryOn(state, { kind: 'renew', leaseId: registryLease.id }, now);
  const ended = requireResync(state);
  return own === undefined ? to(ended) : lose(ended, 'expired', own);
}

/**
 * A fresh list comes before any decision: the cache may be outdated, or a request carried out
 * unseen.
 */
function resync(state: LeaseState): Transition {
  if (state.resync === 'running') return to(state);
  const running = withFacts(state, { resync: 'running' });
  return to(running.kind === 'acquiring' ? { ...running, kind: 'waiting' } : running, { kind: 'resync' });
}

function onRegistryChanged(
  state: LeaseState,
  { isRestored, removed, revision }: Extract<LeaseInput, { kind: 'registry-changed' }>,
  now: Now,
): Transition {
  const isRoomLikely = state.kind === 'exhausted' && removed.size > 0;
  const retry = isRoomLikely ? expedite(state.retry, now.ms + now.jitter * FREED_SPREAD_MS) : state.retry;
  const tombstones = settle(state.tombstones, removed, revision);
  if (!isRestored) return to(withFacts(state, { retry, tombstones }));
  const races = { ...state.races, taken: undefined };
  const restored = withFacts(state, { retry, races, tombstones: NO_TOMBSTONES });
  return to(forgetRevisions(restored), emit({ level: 'warn', code: 'registry-restored' }));
}

function requestPublish(state: LeaseState): LeaseState {
  const { publication } = state;
  return withFacts(state, { publication: { ...publication, requested: publication.requested + 1 } });
}

/** The own key stays; it is published again with the new addresses. */
function setIdentity(state: LeaseState, node: NodeIdentity): LeaseState {
  const { current, former } = state.nodes;
  if (isSameNode(node, current)) return state;
  const nodes = { current: node, former: [...former.filter((one) => !isSameNode(one, node)), current] };
  return requestPublish(withFacts(state, { nodes }));
}

/** An attempt that failed for lack of room may succeed now. */
function setConfig(state: LeaseState, config: NetworkConfig): LeaseState {
  return withFacts(state, { config, pool: new SubnetPool(config), retry: NO_RETRY });
}

function onAttributes(
  state: LeaseState,
  { attributes }: Extract<LeaseInput, { kind: 'attributes-derived' }>,
): Transition {
  const { write } = state;
  if (write === undefined || write.kind === 'remove' || write.kind === 'renew') return to(state);
  return to(withFacts(state, { write: { ...write, attributes } }));
}
