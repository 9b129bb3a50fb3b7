// The state machine of a lease whose subnets the control plane assigns: nothing is claimed, nothing
// expires. It follows the own entry and publishes attributes in it. Pure.
//
//   state      meaning                                     left on
//   waiting    the own entry is missing, has no subnets,   entry fits ► acquiring, or held if its
//              or the network config has no room for them  attributes are published already
//   acquiring  subnets are known, attributes are not       published ► held
//              published yet
//   held       peers can reach this host                   entry gone ► lost; with other subnets, or
//                                                          of a new node ► acquiring
//   lost       the subnets held before are not assigned    entry fits ► acquiring
//              any more
//   stopped    absorbing                                   —
import { NO_RETRY, afterFailure, type Retry } from '../../../lib/backoff.ts';
import type { Now } from '../../../lib/clock.ts';
import type { LeaseAttributes, LeaseSubnets } from '../../lease.ts';
import { NO_LEASE } from '../../registry/registry.ts';
import type { Assignment, Revision } from '../../registry/registry.ts';
import type { NetworkConfig } from '../../config/config.ts';
import { isInside } from '../../../lib/address.ts';
import type { LeaseEvent, LeaseManagerState, OwnLease, OwnLeaseChange } from '../lease-events.ts';
import { NO_OVERWRITES, recordOverwrite, type Overwrites } from '../overwrites.ts';

export interface AssignedLeaseState {
  readonly kind: Extract<LeaseManagerState, 'waiting' | 'acquiring' | 'held' | 'lost' | 'stopped'>;
  /** As last published; kept while it is lost. */
  readonly own?: OwnLease;
  /** Of the entry that {@link own} was published in. */
  readonly uid?: string;
  /** Subnets of subnet.env, until the first lease of this run. */
  readonly formerSubnets?: LeaseSubnets;
  readonly retry: Retry;
  /** Of the published attributes, by another program. */
  readonly overwrites: Overwrites;
  /** What blocks progress. */
  readonly lastError?: Error;
}

/** What a decision depends on. */
export interface AssignmentView {
  readonly key: string;
  /** Unset if the registry has no entry for this host. */
  readonly assignment?: Assignment;
  /** To be published. */
  readonly attributes: LeaseAttributes;
  readonly config: Pick<NetworkConfig, 'ipv4' | 'ipv6'>;
  readonly modRevision: Revision;
}

export type AssignedLeaseEffect =
  | { readonly kind: 'publish' }
  | { readonly kind: 'emit'; readonly event: LeaseEvent }
  | { readonly kind: 'notify-own-lease'; readonly change: OwnLeaseChange };

export interface AssignedLeaseTransition {
  readonly state: AssignedLeaseState;
  readonly effects: readonly AssignedLeaseEffect[];
}

const RETRY_BACKOFF = { baseMs: 500, capMs: 30_000 };

export function initialAssignedState(formerSubnets: LeaseSubnets | undefined): AssignedLeaseState {
  const retry = NO_RETRY;
  return { kind: 'waiting', retry, overwrites: NO_OVERWRITES, ...(formerSubnets && { formerSubnets }) };
}

/** Compares what is assigned and published with what is wanted; asks for at most one write. */
export function decide(state: AssignedLeaseState, view: AssignmentView, now: Now): AssignedLeaseTransition {
  if (state.kind === 'stopped') return { state, effects: [] };
  const { attributes } = view;
  const subnets = usableSubnets(view);
  if (typeof subnets === 'string') return withoutSubnets(state, subnets, view);
  const assignment = view.assignment!;
  if (assignment.isPublished(attributes)) return held(state, { ...view, assignment, subnets });
  const isReplaced =
    state.uid !== undefined && (state.uid !== assignment.uid || !isSame(state.own?.subnets, subnets));
  if (state.kind === 'held' && !isReplaced) return overwritten(state, view, now);
  return { state: { ...state, kind: 'acquiring' }, effects: publishIf(now.ms >= state.retry.dueMs) };
}

/**
 * The attributes changed, or another program overwrote what peers see: answered at once the first
 * time, then with back-off.
 */
function overwritten(
  state: AssignedLeaseState,
  { attributes, key, modRevision }: AssignmentView,
  now: Now,
): AssignedLeaseTransition {
  const before = state.overwrites;
  const isOurs = state.own?.attributes !== attributes;
  const overwrites = isOurs ? before : recordOverwrite(before, modRevision, now);
  const effects: AssignedLeaseEffect[] = [];
  if (overwrites !== before && overwrites.count > 1) {
    const { count } = overwrites;
    effects.push({ kind: 'emit', event: { level: 'warn', code: 'key-overwritten', key, count } });
  }
  const dueMs = Math.max(state.retry.dueMs, isOurs ? 0 : overwrites.dueMs);
  effects.push(...publishIf(now.ms >= dueMs));
  return { state: overwrites === before ? state : { ...state, overwrites }, effects };
}

function publishIf(isDue: boolean): readonly AssignedLeaseEffect[] {
  return isDue ? [{ kind: 'publish' }] : [];
}

/** A write failed; the next one waits. */
export function onPublishFailed(state: AssignedLeaseState, error: Error, now: Now): AssignedLeaseTransition {
  const isNew = state.lastError?.message !== error.message;
  return {
    state: { ...state, lastError: error, retry: afterFailure(state.retry, RETRY_BACKOFF, now) },
    effects: isNew ? [{ kind: 'emit', event: { level: 'warn', code: 'attempt-failed', error } }] : [],
  };
}

/**
 * The subnets that this host may use: those of the config's families, or why it has none. A family
 * without a pod CIDR is left out: it cannot be added to a Node that has one.
 */
function usableSubnets({ assignment, config, key }: AssignmentView): LeaseSubnets | string {
  const node = `node ${JSON.stringify(key)}`;
  if (assignment === undefined)
    return `the registry has no ${node}: it appears when its kubelet registers; NODE_NAME must be that name`;
  const { subnets } = assignment;
  if (typeof subnets === 'string') return `${subnets} (${node})`;
  const ipv4 = config.ipv4 && subnets.ipv4;
  const ipv6 = config.ipv6 && subnets.ipv6;
  if (ipv4 !== undefined && !isInside(ipv4, config.ipv4!.network))
    return outside(ipv4, node, config.ipv4!.network);
  if (ipv6 !== undefined && !isInside(ipv6, config.ipv6!.network))
    return outside(ipv6, node, config.ipv6!.network);
  if (ipv4 === undefined && ipv6 === undefined)
    return `no pod CIDR of ${node} is of a family that the network config enables`;
  return { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
}

function outside(cidr: string, node: string, network: string): string {
  return `pod CIDR ${cidr} of ${node} is not inside ${network}: the network of net-conf.json must be the cluster CIDR of kube-controller-manager`;
}

function withoutSubnets(
  state: AssignedLeaseState,
  reason: string,
  { key }: AssignmentView,
): AssignedLeaseTransition {
  const isNew = state.lastError?.message !== reason;
  const error = isNew ? new Error(reason) : state.lastError;
  const isLost = state.own !== undefined;
  const effects: AssignedLeaseEffect[] = [];
  if (isLost && state.kind !== 'lost')
    effects.push({ kind: 'emit', event: { level: 'warn', code: 'lease-lost', key, reason: 'deleted' } });
  if (isNew) effects.push({ kind: 'emit', event: { level: 'warn', code: 'attempt-failed', error } });
  return { state: { ...state, kind: isLost ? 'lost' : 'waiting', lastError: error }, effects };
}

interface PublishedView extends AssignmentView {
  readonly assignment: Assignment;
  readonly subnets: LeaseSubnets;
}

function held(state: AssignedLeaseState, view: PublishedView): AssignedLeaseTransition {
  const { assignment, attributes, key, modRevision, subnets } = view;
  const before = state.own;
  const isSameEntry = before?.modRevision === modRevision && before.attributes === attributes;
  if (state.kind === 'held' && isSameEntry)
    return { state: state.lastError === undefined ? state : withoutError(state), effects: [] };
  const own: OwnLease = {
    key,
    subnets,
    attributes,
    leaseId: NO_LEASE,
    modRevision,
    isReservation: false,
    expiresAtMs: Infinity,
  };
  const { formerSubnets, ...rest } = withoutError(state);
  const change = changeOf(before, own);
  const effects: AssignedLeaseEffect[] = [{ kind: 'notify-own-lease', change }];
  const former = before?.subnets ?? formerSubnets;
  if (former !== undefined && !isSame(former, subnets))
    effects.unshift({
      kind: 'emit',
      event: { level: 'error', code: 'subnet-changed', from: former, to: subnets },
    });
  else if (change === 'acquired')
    effects.unshift({ kind: 'emit', event: { level: 'info', code: 'lease-adopted', key } });
  return { state: { ...rest, kind: 'held', own, uid: assignment.uid }, effects };
}

function withoutError({ lastError: _solved, ...state }: AssignedLeaseState): AssignedLeaseState {
  return { ...state, retry: NO_RETRY };
}

function changeOf(before: OwnLease | undefined, own: OwnLease): OwnLeaseChange {
  if (before === undefined) return 'acquired';
  return isSame(before.subnets, own.subnets) ? 'updated' : 'subnet-changed';
}

function isSame(a: LeaseSubnets | undefined, b: LeaseSubnets): boolean {
  return a?.ipv4 === b.ipv4 && a?.ipv6 === b.ipv6;
}
