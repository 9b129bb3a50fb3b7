// Owns this host's lease: gets it, keeps it, publishes attributes in it, replaces it when it is lost, and says who the
// peers are. Decisions are in `lease-decision.ts`; this file carries them out, one call at a time, level-triggered: every
// change only wakes the one loop, which looks at the mirror and does what is next. It must never delete the key or the
// lease that it holds, write without compare, or touch forwarding.
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
import type { IpAddress } from './address.ts';
import { Backoff } from './backoff.ts';
import type { Random } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { NetworkConfig } from './config.ts';
import { KeeperReporter } from './keeper-reporter.ts';
import { KeyWriter } from './key-writer.ts';
import type { HeldKey } from './key-writer.ts';
import { chooseMove, chooseSubnet, isRenumbered, judgeOwnKey } from './lease-decision.ts';
import type { ChoiceInput } from './lease-decision.ts';
import type { KeeperEvent, KeeperState, LeaseKeeperListener, LossReason, OwnLease } from './lease-events.ts';
import { isSameHost } from './lease-identity.ts';
import type { HostIdentity } from './lease-identity.ts';
import { LeasePeers } from './lease-peers.ts';
import { sameAttributes } from './lease-value.ts';
import type { BadEntry, Lease, LeaseAttributes, LeaseSubnets } from './lease.ts';
import { OverwriteGuard } from './overwrite-guard.ts';
import { PoolExhaustedError } from './pool-exhausted-error.ts';
import { RegistryLease } from './registry-lease.ts';
import type { MirrorChange, RegistryMirror } from './registry-mirror.ts';
import { NO_LEASE, RegistryError } from './registry.ts';
import type { Registry, RegistryEntry, Revision } from './registry.ts';
import { SubnetPool } from './subnet-pool.ts';
import { WakeLoop } from './wake-loop.ts';

export interface LeaseKeeperOptions extends HostIdentity {
  readonly registry: Registry;
  /** Started, and read at least once. */
  readonly mirror: RegistryMirror;
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
  readonly listener: LeaseKeeperListener;
}

const TTL_SEC = 86_400;
const RENEW_MARGIN_SEC = 3600;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 60_000;
/** Hosts without a subnet come back spread over this time when one becomes free. */
const FREED_SPREAD_MS = 1000;
/** A race is lost only because another host won, so hosts retry at once; this many in a row are suspicious. */
const RACES_BEFORE_PAUSE = 16;
/** Overwrites in a row that make a fight. */
const CONTEST_COUNT = 3;

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #config: NetworkConfig;
  #pool: SubnetPool;
  readonly #lease: RegistryLease;
  readonly #writer: KeyWriter;
  readonly #view: LeasePeers;
  readonly #reporter: KeeperReporter;
  readonly #retry: Backoff;
  readonly #overwrites: OverwriteGuard;
  readonly #loop: WakeLoop;
  readonly #stopped = new AbortController();
  /** Keys of ours that we removed or gave up, with their revision: the mirror may show them for a while. */
  readonly #disowned = new Map<string, Revision>();
  /** Those that are gone for sure from this revision on: whoever has such a key later made it anew, or took it from a backup. */
  readonly #goneAt = new Map<string, Revision>();
  #unsubscribe: (() => void) | undefined;
  #who: HostIdentity;
  #formerly: readonly HostIdentity[] = [];
  #state: KeeperState = 'waiting';
  #own: HeldKey | undefined;
  #previous: LeaseSubnets | undefined;
  #loss: LossReason | undefined;
  #lastError: Error | undefined;
  #taken: { readonly revision: Revision; readonly keys: readonly string[] } | undefined;
  #races = 0;
  #retryAtMs = 0;
  #isReading = false;
  // publish() may be called while a write is under way, so its calls are counted: asked, seen by attributes(), written.
  #publish = { asked: 0, seen: 0, written: 0 };

  constructor(options: LeaseKeeperOptions) {
    const { clock, config, mirror, random, registry, listener } = options;
    const { ttlSec = TTL_SEC, renewMarginSec = RENEW_MARGIN_SEC } = options;
    const { signal } = this.#stopped;
    this.#options = options;
    this.#who = pickIdentity(options);
    this.#previous = options.previousSubnets;
    this.#config = config;
    this.#pool = new SubnetPool(config);
    this.#lease = new RegistryLease({ registry, clock, random, ttlSec, renewMarginSec, signal });
    this.#writer = new KeyWriter({ registry, mirror, lease: this.#lease, signal });
    this.#view = new LeasePeers(mirror.leases, this.#who);
    this.#reporter = new KeeperReporter({
      mirror,
      view: this.#view,
      isBackendImplied: config.isBackendImplied,
      onEvent: (event) => listener.onEvent(event),
    });
    this.#retry = new Backoff({ baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS, random });
    this.#overwrites = new OverwriteGuard(random);
    this.#loop = new WakeLoop({
      clock,
      signal,
      act: () => this.#act(),
      wakePointsMs: () => this.#wakePointsMs(),
    });
  }

  /** The lease as last confirmed; kept while it is lost, until another takes its place. */
  get own(): OwnLease | undefined {
    if (this.#own === undefined) return undefined;
    const { key, subnets, attributes, leaseId, modRevision } = this.#own;
    const isReservation = leaseId === NO_LEASE;
    const expiresAtMs = isReservation ? Infinity : this.#lease.expiresAtMs;
    return { key, subnets, attributes, leaseId, modRevision, isReservation, expiresAtMs };
  }

  /** Whether the lease is known to be ours now: not lost, and its deadline has not passed. */
  get isHeld(): boolean {
    const { own } = this;
    return own !== undefined && this.#loss === undefined && this.#options.clock.nowMs() < own.expiresAtMs;
  }

  get peers(): ReadonlyMap<string, Lease> {
    return this.#view.peers;
  }

  /** Leases under other keys that bear our public address. No peers. */
  get duplicates(): ReadonlyMap<string, Lease> {
    return this.#view.duplicates;
  }

  get badEntries(): ReadonlyMap<string, BadEntry> {
    return this.#options.mirror.badEntries;
  }

  get identity(): IpAddress {
    return this.#who.identity;
  }

  get state(): KeeperState {
    return this.#state;
  }

  /** What stands in the way; unset again when the lease is held or renewed. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  start(): void {
    const { mirror } = this.#options;
    if (this.#unsubscribe !== undefined || this.#stopped.signal.aborted) return;
    this.#unsubscribe = mirror.subscribe({
      onChange: (change) => this.#onChange(change),
      onConnection: (isConnected, error) => this.#reporter.onConnection(isConnected, error),
    });
    // The mirror may have changed since the constructor looked.
    this.#view.update([...this.peers.keys(), ...this.duplicates.keys(), ...mirror.leases.keys()]);
    this.#tellPeers(new Set(this.peers.keys()));
    this.#reporter.lookAt(mirror.entries.keys());
    this.#writer.isUnsure = !mirror.isConnected;
    void this.#loop.run();
  }

  /** Ends timers and calls at once. Key and lease stay, for the next start to take over. */
  stop(): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(new Error('The lease keeper was stopped'));
    this.#unsubscribe?.();
    this.#setState('stopped');
    this.#loop.wake();
  }

  /** Asks for attributes again and publishes them if they changed. */
  publish(): void {
    this.#publish.asked++;
    this.#loop.wake();
  }

  /** This host has other public addresses from now on. The own key stays ours and is published anew. */
  setIdentity(who: HostIdentity): void {
    const before = this.#who;
    if (isSameHost(who, before)) return;
    this.#formerly = [...this.#formerly.filter((one) => !isSameHost(one, who)), before];
    this.#who = who;
    this.#updateSelf();
    this.publish();
  }

  /**
   * Another network config is in force from now on. Subnets that it allows stay, each family for itself; the key of what
   * is held instead takes the place of the own one. A host that can keep nothing takes another subnet before it gives up
   * the one that it has.
   */
  setConfig(config: NetworkConfig): void {
    this.#config = config;
    this.#pool = new SubnetPool(config);
    // What failed for want of room may succeed now.
    this.#retry.reset();
    this.#retryAtMs = 0;
    this.#loop.wake();
  }

  /** Does the one thing that is next; returns whether to look again at once. */
  async #act(): Promise<boolean> {
    try {
      const nowMs = this.#options.clock.nowMs();
      if (this.#state === 'held' && !this.isHeld) this.#setOverdue();
      if (this.#isRenewing && nowMs >= this.#lease.renewAtMs) return await this.#renew();
      if (this.#writer.isUnsure) return this.#read();
      if (nowMs < this.#retryAtMs) return false;
      const own = this.#loss === undefined ? this.#own : undefined;
      const isMore = await (own === undefined ? this.#acquire() : this.#tend(own));
      // A refused write is read after at once, but not answered at once: whoever fights us does not get faster.
      if (this.#writer.isUnsure) this.#pause();
      return isMore;
    } catch (error) {
      return !this.#stopped.signal.aborted && this.#fail(error as Error);
    }
  }

  /** A subnet that the config has no room for is kept alive until there is another: peers reach this host by it. */
  get #isRenewing(): boolean {
    const isKept = this.#loss === undefined || this.#loss === 'unfit';
    return this.#own !== undefined && this.#own.leaseId !== NO_LEASE && isKept;
  }

  #wakePointsMs(): number[] {
    const pointsMs = [this.#retryAtMs, this.#overwrites.dueMs];
    if (this.#isRenewing) pointsMs.push(this.#lease.renewAtMs);
    if (this.#isRenewing && this.#state === 'held') pointsMs.push(this.#lease.expiresAtMs);
    return pointsMs;
  }

  /** A fresh read comes before any decision: what the mirror shows may be old, or a request may have been done unseen. */
  #read(): false {
    if (this.#own === undefined && this.#state !== 'exhausted') this.#setState('waiting');
    if (this.#isReading) return false;
    this.#isReading = true;
    const onRead = (): void => {
      this.#isReading = false;
      this.#writer.isUnsure = false;
      this.#loop.wake();
    };
    // It fails only if the mirror was stopped, and then nothing more can be known.
    this.#options.mirror.resync().then(onRead, () => undefined);
    return false;
  }

  /** Returns whether to look again at once. */
  #fail(error: Error): boolean {
    const isFirst = this.#retry.failures === 0;
    this.#pause();
    if (error instanceof RegistryError && error.code === 'REGISTRY_LEASE_NOT_FOUND') {
      this.#lease.forget();
      this.#lease.renewSoon();
      // A definite answer that a new registry lease mends; our peers drop us meanwhile.
      if (isFirst) this.#retryAtMs = 0;
      if (isFirst) return true;
    }
    this.#noteError(error);
    return false;
  }

  #pause(): void {
    this.#retryAtMs = this.#options.clock.nowMs() + this.#retry.nextMs();
  }

  async #acquire(): Promise<boolean> {
    const { mirror } = this.#options;
    if (!mirror.isConnected) {
      this.#writer.isUnsure = true;
      return true;
    }
    if (this.#state !== 'exhausted') this.#setState(this.#own === undefined ? 'acquiring' : 'lost');
    const choice = chooseSubnet(this.#choiceInput());
    if (choice.do === 'adopt') await this.#adopt(choice.entry, choice.subnets);
    else if (choice.do === 'move') await this.#move(choice.entry, choice.subnets);
    else if (choice.do === 'remove') await this.#removeOwn(choice.entry);
    else if (choice.do === 'create') await this.#create(choice.subnets, choice.isPreferred);
    else this.#despair();
    return choice.do !== 'despair';
  }

  #choiceInput(): ChoiceInput {
    const { mirror } = this.#options;
    const isNewer = this.#taken !== undefined && this.#taken.revision > mirror.revision;
    return {
      ...this.#who,
      pool: this.#pool,
      entries: mirror.entries,
      leases: mirror.leases,
      disowned: this.#disowned,
      attempt: this.#races,
      ...(this.#own === undefined ? {} : { lost: this.#own }),
      ...(this.#previous === undefined ? {} : { previous: this.#previous }),
      ...(isNewer ? { takenKeys: this.#taken?.keys ?? [] } : {}),
    };
  }

  async #create(choices: readonly LeaseSubnets[], isPreferred: boolean): Promise<void> {
    const outcome = await this.#writer.create(choices, this.#attributes(this.#own?.attributes));
    if ('held' in outcome) {
      this.#tell({ level: 'info', code: 'lease-created', key: outcome.held.key });
      return this.#hold(outcome.held);
    }
    this.#races++;
    this.#taken = outcome.lostTo;
    // The winner may be a request of our own whose answer was lost.
    if (isPreferred) this.#writer.isUnsure = true;
    if (this.#races % RACES_BEFORE_PAUSE === 0) this.#pause();
  }

  async #adopt(entry: RegistryEntry, subnets: LeaseSubnets): Promise<void> {
    const published = this.#options.mirror.leases.get(entry.key)?.attributes;
    // Should the key vanish before it is ours, its subnet is the one to ask for.
    this.#previous = subnets;
    const attributes = this.#attributes(published ?? this.#own?.attributes);
    const held = await this.#writer.adopt(entry, subnets, attributes, published);
    if (held === undefined) return;
    const code = held.leaseId === NO_LEASE ? 'lease-reserved' : 'lease-adopted';
    this.#tell({ level: 'info', code, key: held.key });
    this.#hold(held);
  }

  /** Puts the key of `subnets` in the place of a key of ours. */
  async #move(
    entry: Pick<RegistryEntry, 'key' | 'leaseId' | 'modRevision'>,
    subnets: LeaseSubnets,
  ): Promise<void> {
    const published = this.#options.mirror.leases.get(entry.key)?.attributes ?? this.#own?.attributes;
    const held = await this.#writer.move(entry, subnets, this.#attributes(published));
    if (held === undefined) return;
    this.#disown(entry, held.modRevision);
    this.#tell({ level: 'info', code: 'lease-moved', key: held.key, from: entry.key });
    this.#hold(held);
  }

  async #removeOwn(entry: RegistryEntry): Promise<void> {
    const goneAt = await this.#writer.remove(entry);
    if (goneAt === undefined) return;
    this.#disown(entry, goneAt);
    this.#tell({ level: 'info', code: 'own-key-removed', key: entry.key });
  }

  #disown({ key, modRevision }: Pick<RegistryEntry, 'key' | 'modRevision'>, goneAt: Revision): void {
    if (this.#options.mirror.revision >= goneAt) return;
    this.#disowned.set(key, modRevision);
    this.#goneAt.set(key, goneAt);
  }

  #despair(): void {
    this.#pause();
    this.#lease.revokeUnused();
    if (this.#state === 'exhausted') return;
    this.#setState('exhausted');
    this.#tellExhausted();
  }

  #tellExhausted(): void {
    const error = new PoolExhaustedError(this.#config, this.#pool.size);
    this.#lastError = error;
    this.#tell({ level: 'error', code: 'pool-exhausted', error });
  }

  /** The key is ours from here on, with what we published in it. */
  #hold(held: HeldKey): void {
    const before = this.#own;
    const from = before?.subnets ?? this.#options.previousSubnets;
    const isNews = this.#loss !== undefined || before === undefined || !isSameHold(before, held);
    // A key given up to an earlier one still hangs on our lease: it may be removed now.
    const isGivenUp = this.#loss === 'overlap' || this.#loss === 'unfit';
    if (isGivenUp && before !== undefined) this.#disowned.delete(before.key);
    this.#own = held;
    this.#loss = undefined;
    this.#lastError = undefined;
    this.#taken = undefined;
    this.#races = 0;
    this.#retryAtMs = 0;
    this.#retry.reset();
    this.#publish.written = this.#publish.seen;
    if (held.leaseId === NO_LEASE) this.#lease.revokeUnused();
    else this.#lease.markUsed(true);
    this.#updateSelf();
    this.#setState('held');
    const isMoved = from !== undefined && isRenumbered(from, held.subnets);
    if (isMoved) this.#tell({ level: 'error', code: 'subnet-changed', from, to: held.subnets });
    const { own } = this;
    const change = before === undefined ? 'acquired' : isMoved ? 'subnet-changed' : 'updated';
    if (isNews && own !== undefined) this.#options.listener.onOwnLease(own, change);
  }

  async #tend(own: HeldKey): Promise<boolean> {
    const { mirror } = this.#options;
    // Until the mirror has seen our last write, what it shows of the key is older than what we know.
    if (mirror.revision >= own.modRevision) {
      const entry = mirror.entries.get(own.key);
      const lease = mirror.leases.get(own.key);
      const identities = { current: this.#who, former: this.#formerly };
      const verdict = judgeOwnKey(own, entry, lease, identities);
      if (entry === undefined) return this.#lose(own, 'deleted');
      if (verdict === 'theirs') return this.#lose(own, 'overwritten');
      if (verdict === 'altered') return this.#repair(own, entry, lease);
      if (verdict === 'relinked') await this.#adopt(entry, own.subnets);
      if (verdict === 'touched') this.#own = { ...own, modRevision: entry.modRevision };
      if (verdict !== 'intact') return true;
    }
    if (await this.#moveOrLeave(own)) return true;
    if (this.#publish.written !== this.#publish.asked) return this.#publishNow(own);
    const leaked = this.#findLeak(own);
    if (leaked !== undefined) {
      await this.#removeOwn(leaked);
      return true;
    }
    // What the mirror does not show yet may be a key that our last write removed.
    if (mirror.revision >= own.modRevision) this.#reporter.lookAtSelf(own.key, this.identity);
    return false;
  }

  /** Sees to it that what is held fits config and peers; returns whether that changed anything. */
  async #moveOrLeave(own: HeldKey): Promise<boolean> {
    const rivals = this.#earlierRivals(own);
    if (rivals.length > 0) this.#reporter.lookAtSelf(own.key, this.identity);
    const choice = chooseMove(this.#choiceInput(), own, rivals);
    if (choice.do === 'move') await this.#move(own, choice.subnets);
    if (choice.do === 'leave') {
      this.#previous = undefined;
      return this.#lose(own, rivals.length > 0 ? 'overlap' : 'unfit');
    }
    // What is held works; the rest comes when a subnet is free.
    if (choice.do === 'wait' && this.#lastError === undefined) this.#tellExhausted();
    return choice.do === 'move';
  }

  async #publishNow(own: HeldKey): Promise<true> {
    const attributes = this.#attributes(own.attributes);
    if (sameAttributes(attributes, own.attributes)) {
      this.#publish.written = this.#publish.seen;
      return true;
    }
    const held = await this.#writer.update({ ...own, attributes });
    if (held === undefined) return true;
    this.#tell({ level: 'info', code: 'lease-published', key: held.key });
    this.#hold(held);
    return true;
  }

  /** Writes our data again over somebody else's. A key that has no registry lease stays a reservation. */
  async #repair(own: HeldKey, entry: RegistryEntry, lease: Lease | undefined): Promise<boolean> {
    const { clock } = this.#options;
    if (this.#overwrites.note(entry.modRevision, clock.nowMs())) this.#reportOverwrite(own, lease);
    if (clock.nowMs() < this.#overwrites.dueMs) return false;
    const attributes = this.#attributes(own.attributes);
    const isReserved = entry.leaseId === NO_LEASE || own.leaseId === NO_LEASE;
    const leaseId = isReserved ? NO_LEASE : await this.#lease.ensure();
    const { modRevision } = entry;
    const held = await this.#writer.update({ ...own, attributes, leaseId, modRevision });
    if (held !== undefined) this.#hold(held);
    return true;
  }

  #reportOverwrite({ key }: HeldKey, lease: Lease | undefined): void {
    const { count } = this.#overwrites;
    const by = lease === undefined ? {} : { by: lease.attributes };
    this.#tell({ level: 'warn', code: 'key-overwritten', key, count, ...by });
    if (count !== CONTEST_COUNT || lease === undefined) return;
    this.#tell({ level: 'error', code: 'public-ip-contested', key, identity: this.identity, count });
  }

  /** A second key on our own registry lease: a create that was done after its answer was given up. */
  #findLeak(own: HeldKey): RegistryEntry | undefined {
    const { entries } = this.#options.mirror;
    for (const key of this.duplicates.keys()) {
      const entry = entries.get(key);
      if (entry === undefined || entry.leaseId === NO_LEASE || entry.leaseId !== own.leaseId) continue;
      if (this.#disowned.get(key) !== entry.modRevision) return entry;
    }
    return undefined;
  }

  /** Subnets of peers that had addresses of ours before we made our key: one key guards one pair of subnets only. */
  #earlierRivals({ createdAt }: HeldKey): readonly LeaseSubnets[] {
    const { entries, leases } = this.#options.mirror;
    if (createdAt === undefined) return [];
    const earlier = [...this.#view.overlapping].filter(
      (key) => (entries.get(key)?.modRevision ?? Infinity) < createdAt,
    );
    return earlier.map((key) => leases.get(key)?.subnets ?? {});
  }

  async #renew(): Promise<true> {
    try {
      if (!(await this.#lease.renew())) {
        this.#writer.isUnsure = true;
        return this.#own === undefined || this.#lose(this.#own, 'expired');
      }
      if (this.#loss !== undefined) return true;
      this.#lastError = undefined;
      this.#setState('held');
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#noteError(error as Error);
    }
    return true;
  }

  #lose(own: HeldKey, reason: LossReason): true {
    const entry = this.#options.mirror.entries.get(own.key);
    this.#loss = reason;
    // Another host lives on this lease now: it is not ours to renew, reuse or revoke.
    const isTheirsToo = reason === 'overwritten' && entry?.leaseId === own.leaseId;
    if (reason === 'expired' || isTheirsToo) this.#lease.forget();
    else if (reason !== 'overlap' && reason !== 'unfit') this.#lease.markUsed(false);
    else if (entry !== undefined) this.#disowned.set(own.key, entry.modRevision);
    this.#updateSelf();
    this.#tell({ level: 'warn', code: 'lease-lost', key: own.key, reason });
    this.#setState('lost');
    return true;
  }

  #setOverdue(): void {
    if (this.#own !== undefined) this.#tell({ level: 'warn', code: 'lease-overdue', key: this.#own.key });
    this.#setState('overdue');
  }

  #onChange({ put, removed, isRestored }: MirrorChange): void {
    const { clock, mirror, random } = this.#options;
    for (const key of removed) this.#disowned.delete(key);
    for (const [key, goneAt] of this.#goneAt)
      if (mirror.revision >= goneAt) {
        this.#goneAt.delete(key);
        this.#disowned.delete(key);
      }
    if (isRestored) this.#onRestored();
    this.#tellPeers(this.#view.update([...put, ...removed]));
    this.#reporter.lookAt([...put, ...removed]);
    if (this.#state === 'exhausted' && removed.size > 0)
      this.#retryAtMs = Math.min(this.#retryAtMs, clock.nowMs() + random() * FREED_SPREAD_MS);
    this.#loop.wake();
  }

  /** Revisions known before mean nothing any more, and nobody knows whether the lease was in the backup. */
  #onRestored(): void {
    this.#tell({ level: 'warn', code: 'registry-restored' });
    this.#disowned.clear();
    this.#goneAt.clear();
    this.#taken = undefined;
    if (this.#own === undefined) return;
    const { key, subnets, attributes, leaseId } = this.#own;
    this.#own = { key, subnets, attributes, leaseId, modRevision: 0 };
    this.#lease.renewSoon();
  }

  #attributes(previous: LeaseAttributes | undefined): LeaseAttributes {
    this.#publish.seen = this.#publish.asked;
    return this.#options.attributes(previous);
  }

  #updateSelf(): void {
    const own = this.#loss === 'overwritten' ? undefined : this.#own;
    this.#tellPeers(this.#view.setSelf({ ...this.#who, ...(own && { own }) }));
  }

  #tellPeers(changedKeys: ReadonlySet<string>): void {
    if (changedKeys.size > 0) this.#options.listener.onPeers(changedKeys);
  }

  #tell(event: KeeperEvent): void {
    this.#options.listener.onEvent(event);
  }

  #noteError(error: Error): void {
    this.#lastError = error;
    this.#tell({ level: 'warn', code: 'attempt-failed', error });
  }

  #setState(state: KeeperState): void {
    const before = this.#state;
    if (state === before || before === 'stopped') return;
    this.#state = state;
    this.#options.listener.onState(state, before);
  }
}

function pickIdentity({ identity, publicIpv6 }: HostIdentity): HostIdentity {
  return { identity, ...(publicIpv6 !== undefined && { publicIpv6 }) };
}

function isSameHold(a: HeldKey, b: HeldKey): boolean {
  return a.key === b.key && a.leaseId === b.leaseId && sameAttributes(a.attributes, b.attributes);
}
