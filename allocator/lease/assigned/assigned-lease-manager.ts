// Keeps this host's lease where the control plane assigns subnets: follows the own entry in the
// cache, publishes attributes in it, and knows the peers. It runs the state machine of
// `assigned-lease.ts`, one write at a time, and serves the daemon as the manager of claimed ones does.
import type { IpAddress } from '../../../lib/address.ts';
import type { Random } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import { ControlLoop } from '../../../lib/control-loop.ts';
import type { NetworkConfig } from '../../config/config.ts';
import type { LeaseAttributes, LeaseSubnets } from '../../lease.ts';
import { sameAttributes } from '../../registry/lease-value.ts';
import { RegistryError, type AssigningRegistry } from '../../registry/registry.ts';
import { decide, initialAssignedState, onPublishFailed } from './assigned-lease.ts';
import type { AssignedLeaseState, AssignedLeaseTransition, AssignmentView } from './assigned-lease.ts';
import { LeaseAdminError } from '../lease-admin.ts';
import type { LeaseManagerState, OwnLease } from '../lease-events.ts';
import type { LeaseKeeper } from '../lease-keeper.ts';
import type { NodeIdentity } from '../node-identity.ts';
import { PeerFollower, type PeerFollowerOptions } from '../peer-follower.ts';
import type { LocalNode } from '../peer-index.ts';

export interface AssignedLeaseManagerOptions extends NodeIdentity, PeerFollowerOptions {
  readonly registry: Pick<AssigningRegistry, 'ownKey' | 'assignmentOf' | 'publish'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Subnets of subnet.env. */
  readonly previousSubnets?: LeaseSubnets;
  /** What to publish; `previous` is what is published. May throw: tried again with back-off. */
  readonly attributes: (previous?: LeaseAttributes) => LeaseAttributes;
}

export class AssignedLeaseManager extends PeerFollower implements LeaseKeeper {
  readonly #options: AssignedLeaseManagerOptions;
  readonly #loop: ControlLoop;
  readonly #stopped = new AbortController();
  #identity: NodeIdentity;
  #config: NetworkConfig;
  #state: AssignedLeaseState;
  /** Derived last; the same object as long as its content is the same. */
  #attributes: LeaseAttributes | undefined;
  #isAttributesDue = true;

  constructor(options: AssignedLeaseManagerOptions) {
    const { clock, config, nodeId, previousSubnets, publicIpv6, registry } = options;
    const identity = { nodeId, ...(publicIpv6 !== undefined && { publicIpv6 }) };
    super(options, localNodeOf(registry.ownKey, identity));
    this.#options = options;
    this.#identity = identity;
    this.#config = config;
    this.#state = initialAssignedState(previousSubnets);
    this.#loop = new ControlLoop({
      clock,
      step: () => this.#step(),
      deadlinesMs: () => [this.#state.retry.dueMs, this.#state.overwrites.dueMs],
    });
  }

  get own(): OwnLease | undefined {
    return this.#state.own;
  }

  get isHeld(): boolean {
    return this.#state.kind === 'held';
  }

  get nodeId(): IpAddress {
    return this.#identity.nodeId;
  }

  get state(): LeaseManagerState {
    return this.#state.kind;
  }

  get lastError(): Error | undefined {
    return this.#state.lastError;
  }

  start(): void {
    if (this.#stopped.signal.aborted) return;
    const isNew = this.follow({
      before: ({ isRestored }) => this.#onRestored(isRestored),
      after: (changed) => this.#onChange(changed),
    });
    if (isNew) this.#loop.start();
  }

  stop(): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(new Error('The lease manager was stopped'));
    this.endFollowing();
    this.#enter({ ...this.#state, kind: 'stopped' });
    void this.#loop.stop();
  }

  release(): Promise<void> {
    const remedy = 'kubectl drain, then delete the Node';
    return Promise.reject(
      new LeaseAdminError('conflict', `Kubernetes assigns the subnet of this host: ${remedy}`),
    );
  }

  publish(): void {
    this.#isAttributesDue = true;
    this.#loop.wake();
  }

  setIdentity({ nodeId, publicIpv6 }: NodeIdentity): void {
    this.#identity = { nodeId, ...(publicIpv6 !== undefined && { publicIpv6 }) };
    this.#updateLocalNode();
    this.publish();
  }

  setConfig(config: NetworkConfig): void {
    this.#config = config;
    this.publish();
  }

  isOwnAmong(keys: ReadonlySet<string>): boolean {
    return keys.has(this.#options.registry.ownKey);
  }

  /** A Node has one name and one kubelet: no other host writes it. */
  touch(): Promise<void> {
    return Promise.resolve();
  }

  /** The control plane chose the subnets. */
  setUnderlay(): void {}

  /** Returns whether there is more to do now. */
  async #step(): Promise<boolean> {
    const { clock, random } = this.#options;
    const now = { ms: clock.nowMs(), jitter: random() };
    try {
      const isPublishing = this.#perform(decide(this.#state, this.#view(), now));
      if (!isPublishing) return false;
      await this.#publish();
    } catch (error) {
      if (this.#stopped.signal.aborted) return false;
      this.#perform(onPublishFailed(this.#state, error as Error, now));
    }
    return false;
  }

  /** The answer brings the entry by the watch, which wakes the loop. */
  async #publish(): Promise<void> {
    const { cache, registry } = this.#options;
    const { signal } = this.#stopped;
    const entry = cache.entries.get(registry.ownKey);
    if (entry === undefined || this.#attributes === undefined) return;
    try {
      await registry.publish(entry, this.#attributes, signal);
      if (cache.entries.get(registry.ownKey) !== entry) return;
      // The watch may be late, or the write have changed nothing: read what is there now.
      await cache.resync();
    } catch (error) {
      // The entry is not what this host knows of it.
      if (error instanceof RegistryError && !error.isTransient) void cache.resync().catch(() => undefined);
      throw error;
    }
  }

  #view(): AssignmentView {
    const { cache, registry } = this.#options;
    const { ownKey: key } = registry;
    const entry = cache.entries.get(key);
    const attributes = this.#deriveAttributes();
    return {
      key,
      ...(entry && { assignment: registry.assignmentOf(entry) }),
      attributes,
      config: this.#config,
      modRevision: entry?.modRevision ?? cache.revision,
    };
  }

  #deriveAttributes(): LeaseAttributes {
    const { attributes, cache, registry } = this.#options;
    const before = this.#attributes;
    if (before !== undefined && !this.#isAttributesDue) return before;
    const derived = attributes(this.own?.attributes ?? cache.leases.get(registry.ownKey)?.attributes);
    this.#isAttributesDue = false;
    if (before !== undefined && sameAttributes(before, derived)) return before;
    this.#attributes = derived;
    return derived;
  }

  /** Returns whether the attributes are to be published. */
  #perform({ effects, state }: AssignedLeaseTransition): boolean {
    const { listener } = this.#options;
    this.#enter(state);
    for (const effect of effects) {
      if (effect.kind === 'emit') listener.onEvent(effect.event);
      if (effect.kind === 'notify-own-lease' && this.own) {
        listener.onOwnLease(this.own, effect.change);
        this.auditOwnKey(this.own.key, this.nodeId);
      }
    }
    return effects.some(({ kind }) => kind === 'publish');
  }

  #enter(state: AssignedLeaseState): void {
    const before = this.#state;
    this.#state = state;
    if (state.own !== before.own) this.#updateLocalNode();
    if (state.kind !== before.kind) this.#options.listener.onState(state.kind, before.kind);
  }

  #onRestored(isRestored: boolean): void {
    if (isRestored) this.#options.listener.onEvent({ level: 'warn', code: 'registry-restored' });
  }

  #onChange(changed: readonly string[]): void {
    if (this.own !== undefined) this.auditOwnKey(this.own.key, this.nodeId);
    if (changed.length > 0) this.#loop.wake();
  }

  #updateLocalNode(): void {
    this.setLocalNode(localNodeOf(this.#options.registry.ownKey, this.#identity, this.own?.subnets));
  }
}

/** The own entry is the own one even before anything is published in it. */
function localNodeOf(key: string, identity: NodeIdentity, subnets: LeaseSubnets = {}): LocalNode {
  return { ...identity, own: { key, subnets } };
}
