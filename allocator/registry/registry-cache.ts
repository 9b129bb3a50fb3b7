// Keeps this host's copy of the registry up to date. It reads everything at revision R, watches from R+1, and reads
// everything again whenever the watch ends, the revision goes back or somebody asks. A watch is only a hint: every few
// minutes it asks what was written meanwhile, and reads everything if the copy is not the same. It must never drop
// anything because the registry cannot be reached.
//
//   read ──ok──► watch ──ended, asked──► read …        read, check or watch fails: back off, then read
//                  ▲  └──time──► check ──differs──► read …
//                  └──same────────┘
import { Backoff } from '../../lib/backoff.ts';
import type { Random } from '../../lib/backoff.ts';
import { delay } from '../../lib/clock.ts';
import type { Clock } from '../../lib/clock.ts';
import { decodeEntry } from './lease-entry.ts';
import type { InvalidEntry, Lease } from '../lease.ts';
import { RegistrySnapshotStore } from './registry-snapshot-store.ts';
import type { DecodeEntry, RegistryChange } from './registry-snapshot-store.ts';
import type {
  ConfigEntry,
  Registry,
  RegistryEntry,
  RegistryEvent,
  RegistrySnapshot,
  Revision,
  WatchEnd,
} from './registry.ts';

/** Why the copy was compared with the registry. */
export type ResyncReason = 'start' | 'periodic' | 'requested' | 'watch-lost' | 'compacted' | 'restored';

/** A change of the copy. `isRestored`: the revision went back, so the registry was restored from a backup. */
export interface RegistryCacheChange extends RegistryChange {
  readonly isRestored: boolean;
}

export interface RegistryCacheListener {
  onChange?(change: RegistryCacheChange): void;
  /** The registry failed to answer, with the cause, or is back. */
  onConnection?(isConnected: boolean, error?: Error): void;
}

export interface RegistryCacheOptions {
  readonly registry: Pick<Registry, 'snapshot' | 'changesSince' | 'watch'>;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Time between looks at up to 1,000 entries, in ms, shortened by up to a fifth at random; default 5 minutes. At more
   * entries it is longer in proportion, at most 12 hours: the registry walks over them all for each host, which in a minute
   * would grow with the square of their number.
   */
  readonly resyncMs?: number;
  /** Default {@link decodeEntry}; simulations of many hosts in one process share the results. */
  readonly decode?: DecodeEntry;
}

const RESYNC_MS = 300_000;
const ENTRIES_PER_RESYNC = 1000;
const MAX_RESYNC_MS = 12 * 3_600_000;
/** Looks in a row that only ask for what was written meanwhile; the next one reads everything. */
const MAX_CHECKS = 11;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 5_000;
/** A watch that lived this long, or brought events, was a success: the next failure starts the back-off anew. */
const HEALTHY_WATCH_MS = 10_000;

export class RegistryCache {
  /** Resolves after the first full read; rejects only if the cache is stopped before. */
  readonly ready: Promise<void>;
  readonly #options: RegistryCacheOptions;
  readonly #copy: RegistrySnapshotStore;
  readonly #backoff: Backoff;
  readonly #resyncs = { start: 0, periodic: 0, requested: 0, 'watch-lost': 0, compacted: 0, restored: 0 };
  readonly #listeners = new Set<RegistryCacheListener>();
  readonly #stopped = new AbortController();
  #waiters: PromiseWithResolvers[] = [];
  #endWatch: ((reason: ResyncReason) => void) | undefined;
  #seenRevision: Revision = 0;
  #lastContactMs: number | undefined;
  #lastError: Error | undefined;
  #isConnected = false;
  #isStarted = false;
  /**
   * How many looks may do with asking. None after a reading for any other cause: where a backup was restored between that and
   * the watch that followed it, numbers of revisions tell nothing.
   */
  #checksLeft = 0;

  constructor(options: RegistryCacheOptions) {
    this.#options = options;
    this.#copy = new RegistrySnapshotStore(options.decode ?? decodeEntry);
    this.#backoff = new Backoff({
      baseMs: BACKOFF_BASE_MS,
      capMs: BACKOFF_CAP_MS,
      random: options.random,
    });
    this.ready = this.resync();
  }

  /** All keys below subnets/, bad ones too. */
  get entries(): ReadonlyMap<string, RegistryEntry> {
    return this.#copy.entries;
  }

  get leases(): ReadonlyMap<string, Lease> {
    return this.#copy.leases;
  }

  get invalidEntries(): ReadonlyMap<string, InvalidEntry> {
    return this.#copy.invalidEntries;
  }

  /** The network config document as last read; unset if the key does not exist or nothing was read yet. */
  get config(): ConfigEntry | undefined {
    return this.#copy.config;
  }

  /** Revision that the copy stands at; 0 before the first full read. */
  get revision(): Revision {
    return this.#copy.revision;
  }

  /** Comparisons so far, by reason: full reads, but for periodic ones that found nothing. */
  get resyncs(): Readonly<Record<ResyncReason, number>> {
    return this.#resyncs;
  }

  /** Whether the last thing heard of the registry was no failure. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** When the registry last answered or sent events, on the clock given; unset before the first time. */
  get lastContactMs(): number | undefined {
    return this.#lastContactMs;
  }

  /** The last failure, kept after the registry is back. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    void this.#run();
  }

  /** Ends timers and calls at once; the copy stays as it is. */
  stop(): void {
    this.#stopped.abort(new Error('The registry cache was stopped'));
    this.#endWatch?.('requested');
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#stopped.signal.reason as Error);
  }

  /** Calls the listener on each change from now on; returns how to end that. */
  subscribe(listener: RegistryCacheListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Reads everything again now. Resolves when a read that began after this call is applied, however long the registry
   * stays away. @throws if the cache is stopped.
   */
  resync(): Promise<void> {
    const waiter = withResolvers();
    // Whoever does not wait any more need not hear of the stop.
    waiter.promise.catch(() => undefined);
    if (this.#stopped.signal.aborted) waiter.reject(this.#stopped.signal.reason as Error);
    else this.#waiters.push(waiter);
    this.#endWatch?.('requested');
    return waiter.promise;
  }

  /** Tells of a revision that a write of this host was answered with: a read that begins later must not be older. */
  noteRevision(revision: Revision): void {
    this.#seenRevision = Math.max(this.#seenRevision, revision);
  }

  async #run(): Promise<void> {
    let reason: ResyncReason = 'start';
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#read(reason);
        reason = await this.#follow();
      } catch (error) {
        if (!this.#stopped.signal.aborted) this.#setConnected(false, error as Error);
      }
      if (!this.#isConnected) await this.#pause();
    }
  }

  async #read(reason: ResyncReason): Promise<void> {
    const waiters = this.#waiters.splice(0);
    // After a failure it may be another registry, restored from a backup.
    const isLook = reason === 'periodic' && waiters.length === 0 && this.#isConnected;
    const mayCheck = isLook && this.#checksLeft > 0;
    try {
      if (mayCheck && (await this.#check())) this.#checksLeft--;
      else {
        await this.#readAll(reason);
        this.#checksLeft = isLook && !mayCheck ? MAX_CHECKS : 0;
      }
    } catch (error) {
      if (this.#stopped.signal.aborted) for (const waiter of waiters) waiter.reject(error as Error);
      this.#waiters.unshift(...waiters);
      throw error;
    }
    for (const waiter of waiters) waiter.resolve();
    this.#setConnected(true);
  }

  async #readAll(reason: ResyncReason): Promise<void> {
    const seenRevision = this.#seenRevision;
    const snapshot = await this.#options.registry.snapshot(this.#stopped.signal);
    this.#stopped.signal.throwIfAborted();
    this.#applySnapshot(snapshot, reason, snapshot.revision < seenRevision);
  }

  /** Whether the copy is still the same as the registry. */
  async #check(): Promise<boolean> {
    const seenRevision = this.#seenRevision;
    const changes = await this.#options.registry.changesSince(
      this.#copy.checkedRevision,
      this.#stopped.signal,
    );
    this.#stopped.signal.throwIfAborted();
    if (changes.revision < seenRevision || !this.#copy.check(changes)) return false;
    this.#resyncs.periodic++;
    this.noteRevision(changes.revision);
    this.#touch();
    return true;
  }

  /** Watches until the copy has to be compared again; returns why. */
  async #follow(): Promise<ResyncReason> {
    // Somebody asked while the last read was under way.
    if (this.#waiters.length > 0) return 'requested';
    const { clock, random } = this.#options;
    const abort = new AbortController();
    let interruption: ResyncReason | undefined;
    this.#endWatch = (reason) => {
      interruption ??= reason;
      abort.abort();
    };
    const startedMs = clock.nowMs();
    const cancelTimer = clock.setTimer(this.#resyncMs * (1 - random() / 5), () =>
      this.#endWatch?.('periodic'),
    );
    const end = await this.#watch(abort.signal);
    cancelTimer();
    this.#endWatch = undefined;
    if (clock.nowMs() - startedMs >= HEALTHY_WATCH_MS) this.#backoff.reset();
    return interruption ?? this.#explain(end);
  }

  /** Until everything is read again for no other reason. */
  get #resyncMs(): number {
    const { resyncMs = RESYNC_MS } = this.#options;
    const periods = Math.max(1, this.entries.size / ENTRIES_PER_RESYNC);
    return Math.min(resyncMs * periods, MAX_RESYNC_MS);
  }

  #watch(signal: AbortSignal): Promise<WatchEnd> {
    return this.#options.registry.watch({
      fromRevision: this.revision + 1,
      onReady: () => this.#touch(),
      onEvents: (events, revision) => {
        if (signal.aborted) return;
        if (revision < this.revision) this.#endWatch?.('restored');
        else this.#applyEvents(events, revision);
      },
      signal,
    });
  }

  async #explain(end: WatchEnd): Promise<ResyncReason> {
    if (end.reason === 'aborted') return 'requested';
    if (end.reason === 'lost') {
      this.#setConnected(false, end.error);
      return 'watch-lost';
    }
    await this.#pause();
    return 'compacted';
  }

  #applySnapshot(snapshot: RegistrySnapshot, reason: ResyncReason, isRestored: boolean): void {
    this.#resyncs[isRestored ? 'restored' : reason]++;
    const change = this.#copy.applySnapshot(snapshot);
    this.#seenRevision = isRestored ? snapshot.revision : Math.max(this.#seenRevision, snapshot.revision);
    this.#touch();
    this.#emit({ ...change, isRestored });
  }

  #applyEvents(events: readonly RegistryEvent[], revision: Revision): void {
    const change = this.#copy.applyEvents(events, revision);
    this.noteRevision(revision);
    this.#touch();
    this.#backoff.reset();
    this.#emit({ ...change, isRestored: false });
  }

  async #pause(): Promise<void> {
    await delay(this.#options.clock, this.#backoff.nextMs(), this.#stopped.signal).catch(() => undefined);
  }

  #touch(): void {
    this.#lastContactMs = this.#options.clock.nowMs();
  }

  #setConnected(isConnected: boolean, error?: Error): void {
    if (error !== undefined) this.#lastError = error;
    const isNews = isConnected !== this.#isConnected || error !== undefined;
    this.#isConnected = isConnected;
    if (isNews) for (const listener of this.#listeners) listener.onConnection?.(isConnected, error);
  }

  #emit(change: RegistryCacheChange): void {
    const { put, removed, isConfigChanged, isRestored } = change;
    if (put.size === 0 && removed.size === 0 && !isConfigChanged && !isRestored) return;
    for (const listener of this.#listeners) listener.onChange?.(change);
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
