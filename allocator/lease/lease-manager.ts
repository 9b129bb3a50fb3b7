// Owns this host's lease: gets it, keeps it, publishes attributes in it, replaces it when it is
// lost, and knows the peers. It runs the state machine of `lease-state-machine.ts`: level-triggered, one registry
// call at a time. Every change only wakes its loop; effects are performed here, and their results
// go back in as inputs.
//
//   cache, daemon ──input──► next ──state──► peer index ──► listener
//                             ▲ └──effects──► listener, auditor, registry
//                             └──────────results──────────────┘
import type { IpAddress } from '../../lib/address.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import type { NetworkConfig } from '../config/config.ts';
import { subnetAround } from '../lease.ts';
import type { LeaseAttributes, LeaseSubnets } from '../lease.ts';
import { encodeLeaseValue } from '../registry/lease-value.ts';
import type { Registry } from '../registry/registry.ts';
import { LeaseAdminError } from './lease-admin.ts';
import { performCall } from './lease-calls.ts';
import type { LeaseCall, LeaseEffect, LeaseInput, RegistryView } from './lease-effects.ts';
import type { LeaseManagerState, OwnLease } from './lease-events.ts';
import { deadlinesMs, initialState, isHeldAt, ownLeaseOf } from './lease-state.ts';
import type { LeaseState } from './lease-state.ts';
import { next } from './lease-state-machine.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { NodeIdentity } from './node-identity.ts';
import { PeerFollower, type PeerFollowerOptions } from './peer-follower.ts';
import type { LocalNode } from './peer-index.ts';
import { releaseOwnKey } from './release-own-key.ts';

export interface LeaseManagerOptions extends NodeIdentity, PeerFollowerOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  /** See {@link LeaseManager.setUnderlay}. Absent means none. */
  readonly underlay?: readonly IpAddress[];
  /** Subnets of subnet.env. */
  readonly previousSubnets?: LeaseSubnets;
  /** Default 86400. */
  readonly ttlSec?: number;
  /** Latest renewal before the end of the lease; default 3600. */
  readonly renewMarginSec?: number;
  /**
   * What to publish; `previous` is what is published under the own key. May throw: tried again with
   * back-off.
   */
  readonly attributes: (previous?: LeaseAttributes) => LeaseAttributes;
}

const TTL_SEC = 86_400;
const RENEW_MARGIN_SEC = 3600;

export class LeaseManager extends PeerFollower implements LeaseKeeper {
  readonly #options: LeaseManagerOptions;
  readonly #loop: ControlLoop;
  readonly #stopped = new AbortController();
  #state: LeaseState;
  /** The running step, or the last one. */
  #running: Promise<unknown> = Promise.resolve();
  /** No step begins meanwhile: the next one would lease the subnet again. */
  #isReleasing = false;

  constructor(options: LeaseManagerOptions) {
    const { clock, config, previousSubnets } = options;
    const { ttlSec = TTL_SEC, renewMarginSec = RENEW_MARGIN_SEC } = options;
    const node = nodeOf(options);
    super(options, node);
    this.#options = options;
    this.#state = initialState({
      terms: { ttlSec, renewMarginSec },
      node,
      config,
      formerSubnets: previousSubnets,
      avoided: (options.underlay ?? []).map(subnetAround),
    });
    this.#loop = new ControlLoop({
      clock,
      step: () => !this.#isReleasing && this.#track(this.#step()),
      deadlinesMs: () => deadlinesMs(this.#state),
    });
  }

  /** The lease as last confirmed; kept while it is lost, until another takes its place. */
  get own(): OwnLease | undefined {
    return ownLeaseOf(this.#state);
  }

  /**
   * Whether the lease is known to be this host's now: not lost, and its deadline has not passed.
   */
  get isHeld(): boolean {
    return isHeldAt(this.#state, this.#options.clock.nowMs());
  }

  get nodeId(): IpAddress {
    return this.#state.nodes.current.nodeId;
  }

  get state(): LeaseManagerState {
    return this.#state.kind;
  }

  /** What blocks progress; unset when the lease is held or renewed. */
  get lastError(): Error | undefined {
    return this.#state.lastError;
  }

  start(): void {
    const { cache } = this.#options;
    if (this.#stopped.signal.aborted) return;
    const isNew = this.follow({
      before: ({ isRestored, removed }) =>
        void this.#dispatch({ kind: 'registry-changed', removed, revision: cache.revision, isRestored }),
      after: () => this.#loop.wake(),
    });
    if (!isNew) return;
    this.#dispatch({ kind: 'started', isConnected: cache.isConnected });
    this.#loop.start();
  }

  /** Ends timers and calls at once. Key and lease stay, for the next start to take over. */
  stop(): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(new Error('The lease manager was stopped'));
    this.endFollowing();
    this.#dispatch({ kind: 'stopped' });
    void this.#loop.stop();
  }

  /** The registry may have carried out a removal that failed here; the watch reports that. */
  async release(): Promise<void> {
    const { signal } = this.#stopped;
    this.#isReleasing = true;
    try {
      await this.#running;
      const { kind, nodes } = this.#state;
      if (kind === 'waiting' || kind === 'acquiring' || kind === 'lost')
        throw new LeaseAdminError('not-ready', 'This host is still getting its lease: retry');
      if (this.own !== undefined)
        await releaseOwnKey(this.#options.registry, this.own, nodes.current, signal);
      this.stop();
    } finally {
      this.#isReleasing = false;
      this.#loop.wake();
    }
  }

  /** Derives the attributes again and publishes them if they changed. */
  publish(): void {
    this.#send({ kind: 'publish-requested' });
  }

  /** This host has other public addresses from now on. The own key stays and is published again. */
  setIdentity(node: NodeIdentity): void {
    this.#send({ kind: 'identity-changed', node: nodeOf(node) });
  }

  /** Whether one of `keys` is the own key, or another key with this host's public address. */
  isOwnAmong(keys: ReadonlySet<string>): boolean {
    const own = this.own?.key;
    if (own !== undefined && keys.has(own)) return true;
    for (const key of this.duplicates.keys()) if (keys.has(key)) return true;
    return false;
  }

  /** Writes the own key as it is, so that watches report it to another host that has it, too. */
  async touch(): Promise<void> {
    const { own, isHeld } = this;
    if (own === undefined || !isHeld) return;
    const { attributes, key, leaseId, modRevision } = own;
    const entry = { key, value: encodeLeaseValue(attributes), leaseId };
    await this.#options.registry.update(entry, modRevision, this.#stopped.signal);
  }

  /** Addresses of the underlay that this host needs: it leases no subnet that holds one of them. */
  setUnderlay(addresses: readonly IpAddress[]): void {
    this.#send({ kind: 'underlay-changed', addresses });
  }

  /**
   * Another network config is in force from now on. Subnets that it allows stay, each family
   * separately: the key of the new subnets replaces the own one. A host that can keep none gets
   * another subnet before it gives up the one that it has.
   */
  setConfig(config: NetworkConfig): void {
    this.#send({ kind: 'config-changed', config });
  }

  #send(input: LeaseInput): void {
    this.#dispatch(input);
    this.#loop.wake();
  }

  #track(running: Promise<boolean>): Promise<boolean> {
    this.#running = running;
    return running;
  }

  /** Takes one step; returns whether there is more to do. A fault of a listener costs one back-off. */
  async #step(): Promise<boolean> {
    try {
      return await this.#advance();
    } catch (error) {
      if (this.#stopped.signal.aborted) return false;
      this.#dispatch({ kind: 'call-failed', call: 'derive-attributes', error: error as Error });
      return true;
    }
  }

  /** Makes one transition and waits for its call; returns whether that changed anything. */
  async #advance(): Promise<boolean> {
    const before = this.#state;
    const call = this.#dispatch({ kind: 'step', registry: this.#registryView() });
    if (call !== undefined) {
      const result = await performCall(call, { ...this.#options, signal: this.#stopped.signal });
      this.#dispatch(result);
    }
    return this.#state !== before;
  }

  /** Makes one transition and performs its effects; returns the call that it asks for. */
  #dispatch(input: LeaseInput): LeaseCall | undefined {
    const { clock, listener, random } = this.#options;
    const before = this.#state;
    const { state, effects } = next(before, input, { ms: clock.nowMs(), jitter: random() });
    this.#state = state;
    this.setLocalNode(localNodeOf(state));
    if (state.kind !== before.kind) listener.onState(state.kind, before.kind);
    let call: LeaseCall | undefined;
    for (const effect of effects) call = this.#perform(effect) ?? call;
    return call;
  }

  #perform(effect: LeaseEffect): LeaseCall | undefined {
    const { cache, listener, registry } = this.#options;
    switch (effect.kind) {
      case 'emit':
        listener.onEvent(effect.event);
        return undefined;
      case 'notify-own-lease':
        if (this.own) listener.onOwnLease(this.own, effect.change);
        return undefined;
      case 'audit-own-key':
        this.auditOwnKey(effect.key, this.nodeId);
        return undefined;
      case 'revoke':
        registry.revoke(effect.leaseId, this.#stopped.signal).catch(() => undefined);
        return undefined;
      case 'resync': {
        const onDone = (): void => this.#send({ kind: 'resynced' });
        // It fails only if the cache was stopped, and nothing more can be known then.
        cache.resync().then(onDone, () => undefined);
        return undefined;
      }
      case 'derive-attributes':
      case 'grant':
      case 'keep-alive':
      case 'create':
      case 'update':
      case 'move':
      case 'remove':
        return effect;
    }
  }

  #registryView(): RegistryView {
    const { entries, isConnected, leases, revision } = this.#options.cache;
    const { duplicates, overlapping } = this;
    return { entries, isConnected, leases, revision, duplicates, overlapping };
  }
}

function nodeOf({ nodeId, publicIpv6 }: NodeIdentity): NodeIdentity {
  return { nodeId, ...(publicIpv6 !== undefined && { publicIpv6 }) };
}

/** A key that was overwritten is another host's. */
function localNodeOf({ loss, nodes, own }: LeaseState): LocalNode {
  return { ...nodes.current, ...(own && loss !== 'overwritten' && { own }) };
}
