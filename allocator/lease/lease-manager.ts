// Owns this host's lease: gets it, keeps it, publishes attributes in it, replaces it when it is lost, and says who the
// peers are. Decisions are in `lease-decision.ts`; `lease-claim.ts` and `lease-care.ts` carry them out, one call at a time,
// level-triggered: every change only wakes the one loop, which looks at the cache and does what is next. It must never
// delete the key or the lease that it holds, write without compare, or touch forwarding.
//
//   state      means                                                leaves it
//   waiting    no lease; the registry cannot be read                 read ► acquiring
//   acquiring  no lease; choosing, granting, creating                created or adopted ► held; pool full ► exhausted
//   held       the key is ours and the registry lease is alive       no answer until the deadline ► overdue;
//              (or the key is a reservation)                         key gone, another's, or lease ended ► lost
//   overdue    the deadline passed and the registry is silent;       keep-alive answered ► held; lease ended ► lost
//              the key may be gone, nobody knows
//   lost       the key is not ours any more; taking the same         created or adopted ► held; pool full ► exhausted
//              subnet again, or else another
//   exhausted  no subnet is free; tried again with back-off and      created or adopted ► held
//              when a key goes away
//   stopped    nothing happens any more                              —
import type { IpAddress } from '../../lib/address.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../config/config.ts';
import { Tombstones } from './tombstones.ts';
import { RegistryAuditor } from './registry-auditor.ts';
import { KeyWriter } from './key-writer.ts';
import { LeaseMaintainer } from './lease-maintainer.ts';
import { LeaseAcquirer } from './lease-acquirer.ts';
import type { LeaseManagerState, LeaseListener, OwnLease } from './lease-events.ts';
import { LeaseState } from './lease-state.ts';
import type { NodeIdentity } from './node-identity.ts';
import { PeerIndex } from './peer-index.ts';
import type { InvalidEntry, Lease, LeaseAttributes, LeaseSubnets } from '../lease.ts';
import { PublishGeneration } from './publish-generation.ts';
import { RegistryLease } from '../registry/registry-lease.ts';
import type { RegistryCacheChange, RegistryCache } from '../registry/registry-cache.ts';
import { RegistryError } from '../registry/registry.ts';
import type { Registry } from '../registry/registry.ts';
import { RetryTimer } from '../../lib/retry-timer.ts';
import { ControlLoop } from '../../lib/control-loop.ts';

export interface LeaseManagerOptions extends NodeIdentity {
  readonly registry: Registry;
  /** Started, and read at least once. */
  readonly cache: RegistryCache;
  readonly clock: Clock;
  readonly random: Random;
  readonly config: NetworkConfig;
  /** Subnets of subnet.env. */
  readonly previousSubnets?: LeaseSubnets;
  /** Default 86400. */
  readonly ttlSec?: number;
  /** Renewed at the latest so long before the end; default 3600. */
  readonly renewMarginSec?: number;
  /** What to publish; `previous` is what is published under the own key. May throw: tried again with back-off. */
  readonly attributes: (previous?: LeaseAttributes) => LeaseAttributes;
  readonly listener: LeaseListener;
}

const TTL_SEC = 86_400;
const RENEW_MARGIN_SEC = 3600;
/** Hosts without a subnet come back spread over this time when one becomes free. */
const FREED_SPREAD_MS = 1000;

export class LeaseManager {
  readonly #options: LeaseManagerOptions;
  readonly #lease: RegistryLease;
  readonly #writer: KeyWriter;
  readonly #view: PeerIndex;
  readonly #reporter: RegistryAuditor;
  readonly #disowned = new Tombstones();
  readonly #publication: PublishGeneration;
  readonly #retry: RetryTimer;
  readonly #hold: LeaseState;
  readonly #claim: LeaseAcquirer;
  readonly #care: LeaseMaintainer;
  readonly #loop: ControlLoop;
  readonly #stopped = new AbortController();
  #unsubscribe: (() => void) | undefined;
  #isReading = false;

  constructor(options: LeaseManagerOptions) {
    const { clock, config, cache, previousSubnets, random, registry, listener } = options;
    const { ttlSec = TTL_SEC, renewMarginSec = RENEW_MARGIN_SEC } = options;
    const { signal } = this.#stopped;
    const who = pickIdentity(options);
    this.#options = options;
    this.#lease = new RegistryLease({ registry, clock, random, ttlSec, renewMarginSec, signal });
    this.#writer = new KeyWriter({ registry, cache, lease: this.#lease, signal });
    this.#view = new PeerIndex(cache.leases, who);
    this.#reporter = new RegistryAuditor({
      cache,
      view: this.#view,
      isBackendDefaulted: config.isBackendDefaulted,
      onEvent: (event) => listener.onEvent(event),
    });
    this.#publication = new PublishGeneration(options.attributes);
    this.#retry = new RetryTimer(clock, random);
    const shared = {
      clock,
      cache,
      random,
      listener,
      config,
      ...(previousSubnets && { previousSubnets }),
      who,
      lease: this.#lease,
      writer: this.#writer,
      view: this.#view,
      reporter: this.#reporter,
      disowned: this.#disowned,
      publication: this.#publication,
      retry: this.#retry,
    };
    this.#hold = new LeaseState(shared);
    this.#claim = new LeaseAcquirer({ ...shared, hold: this.#hold });
    this.#care = new LeaseMaintainer({ ...shared, hold: this.#hold, claim: this.#claim });
    this.#loop = new ControlLoop({
      clock,
      step: () => this.#act(),
      deadlinesMs: () => this.#deadlinesMs(),
    });
  }

  /** The lease as last confirmed; kept while it is lost, until another takes its place. */
  get own(): OwnLease | undefined {
    return this.#hold.own;
  }

  /** Whether the lease is known to be ours now: not lost, and its deadline has not passed. */
  get isHeld(): boolean {
    return this.#hold.isHeld;
  }

  get peers(): ReadonlyMap<string, Lease> {
    return this.#view.peers;
  }

  /** Leases under other keys that bear our public address. No peers. */
  get duplicates(): ReadonlyMap<string, Lease> {
    return this.#view.duplicates;
  }

  get invalidEntries(): ReadonlyMap<string, InvalidEntry> {
    return this.#options.cache.invalidEntries;
  }

  get identity(): IpAddress {
    return this.#hold.identities.current.identity;
  }

  get state(): LeaseManagerState {
    return this.#hold.state;
  }

  /** What stands in the way; unset again when the lease is held or renewed. */
  get lastError(): Error | undefined {
    return this.#hold.lastError;
  }

  start(): void {
    const { cache } = this.#options;
    if (this.#unsubscribe !== undefined || this.#stopped.signal.aborted) return;
    this.#unsubscribe = cache.subscribe({
      onChange: (change) => this.#onChange(change),
      onConnection: (isConnected, error) => this.#reporter.onConnection(isConnected, error),
    });
    // The cache may have changed since the constructor looked.
    this.#view.update([...this.peers.keys(), ...this.duplicates.keys(), ...cache.leases.keys()]);
    this.#hold.tellPeers(new Set(this.peers.keys()));
    this.#reporter.lookAt(cache.entries.keys());
    this.#writer.needsResync = !cache.isConnected;
    this.#loop.start();
  }

  /** Ends timers and calls at once. Key and lease stay, for the next start to take over. */
  stop(): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(new Error('The lease manager was stopped'));
    this.#unsubscribe?.();
    this.#hold.setState('stopped');
    void this.#loop.stop();
  }

  /** Asks for attributes again and publishes them if they changed. */
  publish(): void {
    this.#publication.ask();
    this.#loop.wake();
  }

  /** This host has other public addresses from now on. The own key stays ours and is published anew. */
  setIdentity(who: NodeIdentity): void {
    if (this.#hold.setIdentity(who)) this.publish();
  }

  /**
   * Another network config is in force from now on. Subnets that it allows stay, each family for itself; the key of what
   * is held instead takes the place of the own one. A host that can keep nothing takes another subnet before it gives up
   * the one that it has.
   */
  setConfig(config: NetworkConfig): void {
    this.#claim.setConfig(config);
    // What failed for want of room may succeed now.
    this.#retry.reset();
    this.#loop.wake();
  }

  /** Does the one thing that is next; returns whether to look again at once. */
  async #act(): Promise<boolean> {
    try {
      const nowMs = this.#options.clock.nowMs();
      if (this.state === 'held' && !this.isHeld) this.#hold.setExpiring();
      if (this.#hold.isRenewing && nowMs >= this.#lease.renewAtMs) return await this.#renew();
      if (this.#writer.needsResync) return this.#read();
      if (nowMs < this.#retry.dueMs) return false;
      const own = this.#hold.heldKey;
      const isMore = await (own === undefined ? this.#claim.acquire() : this.#care.tend(own));
      // A refused write is read after at once, but not answered at once: whoever fights us does not get faster.
      if (this.#writer.needsResync) this.#retry.pause();
      return isMore;
    } catch (error) {
      return !this.#stopped.signal.aborted && this.#fail(error as Error);
    }
  }

  #deadlinesMs(): number[] {
    const pointsMs = [this.#retry.dueMs, this.#care.answerDueMs];
    if (this.#hold.isRenewing) pointsMs.push(this.#lease.renewAtMs);
    if (this.#hold.isRenewing && this.state === 'held') pointsMs.push(this.#lease.expiresAtMs);
    return pointsMs;
  }

  /** A fresh read comes before any decision: what the cache shows may be old, or a request may have been done unseen. */
  #read(): false {
    if (this.#hold.key === undefined && this.state !== 'exhausted') this.#hold.setState('waiting');
    if (this.#isReading) return false;
    this.#isReading = true;
    const onRead = (): void => {
      this.#isReading = false;
      this.#writer.needsResync = false;
      this.#loop.wake();
    };
    // It fails only if the cache was stopped, and then nothing more can be known.
    this.#options.cache.resync().then(onRead, () => undefined);
    return false;
  }

  /** Returns whether to look again at once. */
  #fail(error: Error): boolean {
    const isFirst = this.#retry.failures === 0;
    this.#retry.pause();
    if (error instanceof RegistryError && error.code === 'REGISTRY_LEASE_NOT_FOUND') {
      this.#lease.forget();
      this.#lease.renewSoon();
      // A definite answer that a new registry lease mends; our peers drop us meanwhile.
      if (isFirst) this.#retry.expedite(0);
      if (isFirst) return true;
    }
    this.#hold.fail(error);
    return false;
  }

  async #renew(): Promise<true> {
    try {
      if (await this.#lease.renew()) this.#hold.confirm();
      else this.#onExpired();
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#hold.fail(error as Error);
    }
    return true;
  }

  #onExpired(): void {
    this.#writer.needsResync = true;
    if (this.#hold.key !== undefined) this.#hold.lose(this.#hold.key, 'expired');
  }

  #onChange({ put, removed, isRestored }: RegistryCacheChange): void {
    const { clock, cache, random } = this.#options;
    this.#disowned.onChange(removed, cache.revision);
    if (isRestored) this.#onRestored();
    this.#hold.tellPeers(this.#view.update([...put, ...removed]));
    this.#reporter.lookAt([...put, ...removed]);
    if (this.state === 'exhausted' && removed.size > 0)
      this.#retry.expedite(clock.nowMs() + random() * FREED_SPREAD_MS);
    this.#loop.wake();
  }

  #onRestored(): void {
    this.#hold.tell({ level: 'warn', code: 'registry-restored' });
    this.#disowned.clear();
    this.#claim.forgetTaken();
    this.#hold.onRestored();
  }
}

function pickIdentity({ identity, publicIpv6 }: NodeIdentity): NodeIdentity {
  return { identity, ...(publicIpv6 !== undefined && { publicIpv6 }) };
}
