// What this host holds, and how that stands: the own key as last confirmed, whether it was lost and why, and the manager's
// state with its transitions, whose table is at the head of `lease-manager.ts`. It tells the listener, and writes nothing.
import type { Clock } from '../../lib/clock.ts';
import type { Tombstones } from './tombstones.ts';
import type { HeldKey } from './key-writer.ts';
import { isRenumbered } from './lease-decision.ts';
import type { OwnIdentities } from './lease-decision.ts';
import type { LeaseEvent, LeaseManagerState, LeaseListener, LossReason, OwnLease } from './lease-events.ts';
import { isSameHost } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { PeerIndex } from './peer-index.ts';
import { sameAttributes } from '../registry/lease-value.ts';
import type { LeaseSubnets } from '../lease.ts';
import type { PublishGeneration } from './publish-generation.ts';
import type { RegistryLease } from '../registry/registry-lease.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';
import { NO_LEASE } from '../registry/registry.ts';
import type { Revision } from '../registry/registry.ts';
import type { RetryTimer } from '../../lib/retry-timer.ts';

export interface LeaseHoldOptions {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly cache: Pick<RegistryCache, 'entries'>;
  readonly lease: RegistryLease;
  readonly view: PeerIndex;
  readonly disowned: Tombstones;
  readonly publication: PublishGeneration;
  readonly retry: RetryTimer;
  readonly listener: LeaseListener;
  readonly who: NodeIdentity;
  /** Subnets of subnet.env. */
  readonly previousSubnets?: LeaseSubnets;
}

export class LeaseState {
  readonly #options: LeaseHoldOptions;
  #who: NodeIdentity;
  #formerly: readonly NodeIdentity[] = [];
  #state: LeaseManagerState = 'waiting';
  #key: HeldKey | undefined;
  #loss: LossReason | undefined;
  #lastError: Error | undefined;

  constructor(options: LeaseHoldOptions) {
    this.#options = options;
    this.#who = options.who;
  }

  /** The own key as last confirmed; kept while it is lost, until another takes its place. */
  get key(): HeldKey | undefined {
    return this.#key;
  }

  /** The own key, unless it is lost. */
  get heldKey(): HeldKey | undefined {
    return this.#loss === undefined ? this.#key : undefined;
  }

  /** {@link key} as others see it. */
  get own(): OwnLease | undefined {
    if (this.#key === undefined) return undefined;
    const { key, subnets, attributes, leaseId, modRevision } = this.#key;
    const isReservation = leaseId === NO_LEASE;
    const expiresAtMs = isReservation ? Infinity : this.#options.lease.expiresAtMs;
    return { key, subnets, attributes, leaseId, modRevision, isReservation, expiresAtMs };
  }

  /** Whether the lease is known to be ours now: not lost, and its deadline has not passed. */
  get isHeld(): boolean {
    const { own } = this;
    return own !== undefined && this.#loss === undefined && this.#options.clock.nowMs() < own.expiresAtMs;
  }

  /** A subnet that the config has no room for is kept alive until there is another: peers reach this host by it. */
  get isRenewing(): boolean {
    const isKept = this.#loss === undefined || this.#loss === 'incompatible';
    return this.#key !== undefined && this.#key.leaseId !== NO_LEASE && isKept;
  }

  get identities(): OwnIdentities {
    return { current: this.#who, former: this.#formerly };
  }

  get state(): LeaseManagerState {
    return this.#state;
  }

  /** What stands in the way; unset again when the lease is held or renewed. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Returns whether that is news. */
  setIdentity(who: NodeIdentity): boolean {
    const before = this.#who;
    if (isSameHost(who, before)) return false;
    this.#formerly = [...this.#formerly.filter((one) => !isSameHost(one, who)), before];
    this.#who = who;
    this.#updateSelf();
    return true;
  }

  /** The key is ours from here on, with what we published in it. */
  hold(held: HeldKey): void {
    const { disowned, lease, listener, previousSubnets, publication, retry } = this.#options;
    const before = this.#key;
    const from = before?.subnets ?? previousSubnets;
    const isNews = this.#loss !== undefined || before === undefined || !isSameHold(before, held);
    // A key given up to an earlier one still hangs on our lease: it may be removed now.
    const isGivenUp = this.#loss === 'overlap' || this.#loss === 'incompatible';
    if (isGivenUp && before !== undefined) disowned.delete(before.key);
    this.#key = held;
    this.#loss = undefined;
    this.#lastError = undefined;
    retry.reset();
    publication.markWritten();
    if (held.leaseId === NO_LEASE) lease.revokeUnused();
    else lease.markUsed(true);
    this.#updateSelf();
    this.setState('held');
    const isMoved = from !== undefined && isRenumbered(from, held.subnets);
    if (isMoved) this.tell({ level: 'error', code: 'subnet-changed', from, to: held.subnets });
    const { own } = this;
    const change = before === undefined ? 'acquired' : isMoved ? 'subnet-changed' : 'updated';
    if (isNews && own !== undefined) listener.onOwnLease(own, change);
  }

  /** The own key was written again with the same content. */
  touch(own: HeldKey, modRevision: Revision): void {
    this.#key = { ...own, modRevision };
  }

  lose(own: HeldKey, reason: LossReason): void {
    const { disowned, lease, cache } = this.#options;
    const entry = cache.entries.get(own.key);
    this.#loss = reason;
    // Another host lives on this lease now: it is not ours to renew, reuse or revoke.
    const isTheirsToo = reason === 'overwritten' && entry?.leaseId === own.leaseId;
    if (reason === 'expired' || isTheirsToo) lease.forget();
    else if (reason !== 'overlap' && reason !== 'incompatible') lease.markUsed(false);
    else if (entry !== undefined) disowned.add(entry);
    this.#updateSelf();
    this.tell({ level: 'warn', code: 'lease-lost', key: own.key, reason });
    this.setState('lost');
  }

  /** The registry lease lives on. */
  confirm(): void {
    if (this.#loss !== undefined) return;
    this.#lastError = undefined;
    this.setState('held');
  }

  setExpiring(): void {
    if (this.#key !== undefined) this.tell({ level: 'warn', code: 'lease-expiring', key: this.#key.key });
    this.setState('expiring');
  }

  /** Revisions known before mean nothing any more, and nobody knows whether the lease was in the backup. */
  onRestored(): void {
    if (this.#key === undefined) return;
    const { key, subnets, attributes, leaseId } = this.#key;
    this.#key = { key, subnets, attributes, leaseId, modRevision: 0 };
    this.#options.lease.renewSoon();
  }

  /** Something stands in the way. It is told by `event`. */
  fail(error: Error, event: LeaseEvent = { level: 'warn', code: 'attempt-failed', error }): void {
    this.#lastError = error;
    this.tell(event);
  }

  setState(state: LeaseManagerState): void {
    const before = this.#state;
    if (state === before || before === 'stopped') return;
    this.#state = state;
    this.#options.listener.onState(state, before);
  }

  tell(event: LeaseEvent): void {
    this.#options.listener.onEvent(event);
  }

  tellPeers(changedKeys: ReadonlySet<string>): void {
    if (changedKeys.size > 0) this.#options.listener.onPeers(changedKeys);
  }

  #updateSelf(): void {
    const own = this.#loss === 'overwritten' ? undefined : this.#key;
    this.tellPeers(this.#options.view.setSelf({ ...this.#who, ...(own && { own }) }));
  }
}

function isSameHold(a: HeldKey, b: HeldKey): boolean {
  return a.key === b.key && a.leaseId === b.leaseId && sameAttributes(a.attributes, b.attributes);
}
