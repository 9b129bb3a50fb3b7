// This host's copy of the registry, kept up to date: lists everything at revision R, watches from
// R+1, and lists again when the watch ends, the revision goes back or a caller asks. The watch is
// advisory: every few minutes the cache reads what was written meanwhile, and lists everything if
// it differs. It never drops an entry because the registry does not answer.
//
//   list ──ok──► watch ──ended, asked──► list …        any failure: back off, then list
//                 ▲  └──time──► incremental resync ──differs──► list …
//                 └──same─────────────┘
import { Backoff, type Random } from '../../lib/backoff.ts';
import { delay, type Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import type { InvalidEntry, Lease } from '../lease.ts';
import { CacheListeners, type RegistryCacheListener } from './cache-listeners.ts';
import { CacheRecall, type LastKnown } from './cache-recall.ts';
import { CacheWatch, resyncPeriodMs, type ResyncReason } from './cache-watch.ts';
import { decodeEntry } from './lease-entry.ts';
import {
  NO_REVISION,
  type ConfigEntry,
  type RegistryReader,
  type RegistryEntry,
  type RegistryEvent,
  type RegistrySnapshot,
  type Revision,
} from './registry.ts';
import { RegistrySnapshotStore, type DecodeEntry } from './registry-snapshot-store.ts';
import { ResyncRequests } from './resync-requests.ts';

export interface RegistryCacheOptions {
  readonly registry: RegistryReader;
  readonly clock: Clock;
  readonly random: Random;
  /** Base of {@link resyncPeriodMs}; default 5 minutes. */
  readonly resyncMs?: number;
  /** Default {@link decodeEntry}; simulations of many hosts in one process share the results. */
  readonly decode?: DecodeEntry;
  /**
   * What an earlier process knew, for registries in which nothing expires: used while the first list
   * is not answered. Must not reject.
   */
  readonly recall?: () => Promise<LastKnown | undefined>;
}

const RESYNC_MS = 300_000;
/** Incremental resyncs between two full lists. */
const MAX_INCREMENTAL = 11;
const BACKOFF = { baseMs: 500, capMs: 5000 };
/** A watch that lives this long, or brings events, resets the back-off. */
const HEALTHY_WATCH_MS = 10_000;

interface FollowedConfig {
  readonly config: ConfigEntry | undefined;
}

export class RegistryCache {
  /**
   * Resolves after the first full list, or once what an earlier process knew takes its place; rejects
   * only if the cache is stopped before.
   */
  readonly ready: Promise<void>;
  readonly #options: RegistryCacheOptions;
  readonly #store: RegistrySnapshotStore;
  readonly #backoff: Backoff;
  readonly #loop: ControlLoop;
  readonly #resyncs = { start: 0, periodic: 0, requested: 0, 'watch-lost': 0, compacted: 0, restored: 0 };
  readonly #listeners = new CacheListeners();
  readonly #requests = new ResyncRequests();
  readonly #stopped = new AbortController();
  readonly #recall: CacheRecall | undefined;
  #onRecalled: () => void = () => undefined;
  #endConfig: (() => void) | undefined;
  #lastKnownAt: string | undefined;
  #watch: CacheWatch | undefined;
  #reason: ResyncReason = 'start';
  #seenRevision: Revision = NO_REVISION;
  #lastContactMs: number | undefined;
  #lastError: Error | undefined;
  /**
   * Incremental resyncs left before the next full list. 0 after any list that is not periodic: a
   * backup restored between that list and its watch makes revisions incomparable.
   */
  #incrementalLeft = 0;
  /** The config as it changed apart from lists and watches, since the last list was answered. */
  #followed: FollowedConfig | undefined;

  constructor(options: RegistryCacheOptions) {
    const { clock, decode, random, recall: read } = options;
    this.#options = options;
    this.#store = new RegistrySnapshotStore(decode ?? decodeEntry);
    this.#backoff = new Backoff({ ...BACKOFF, random });
    this.#loop = new ControlLoop({ clock, step: () => this.#cycle() });
    this.#recall = read && new CacheRecall({ clock, read, apply: (known) => this.#apply(known) });
    const recalled = new Promise<void>((resolve) => (this.#onRecalled = resolve));
    this.ready = Promise.race([this.resync(), recalled]);
    // A caller that does not wait ignores the rejection.
    this.ready.catch(() => undefined);
  }

  /** All keys below subnets/, bad ones too. */
  get entries(): ReadonlyMap<string, RegistryEntry> {
    return this.#store.entries;
  }

  get leases(): ReadonlyMap<string, Lease> {
    return this.#store.leases;
  }

  get invalidEntries(): ReadonlyMap<string, InvalidEntry> {
    return this.#store.invalidEntries;
  }

  /**
   * The network config document as last read; unset if the key does not exist, or before the first
   * list.
   */
  get config(): ConfigEntry | undefined {
    return this.#store.config;
  }

  /** Revision that the cache stands at; 0 before the first list. */
  get revision(): Revision {
    return this.#store.revision;
  }

  /**
   * Comparisons so far, by reason: full lists, and periodic incremental ones that found no
   * difference.
   */
  get resyncs(): Readonly<Record<ResyncReason, number>> {
    return this.#resyncs;
  }

  /** The last call or watch did not fail. */
  get isConnected(): boolean {
    return this.#listeners.isConnected;
  }

  /**
   * When the registry last answered or sent events, on the clock given; unset before the first
   * time.
   */
  get lastContactMs(): number | undefined {
    return this.#lastContactMs;
  }

  /**
   * When the registry said what the cache shows, in ISO 8601, if it said so to an earlier process: this one
   * has had no answer yet. Unset otherwise.
   */
  get lastKnownAt(): string | undefined {
    return this.#lastKnownAt;
  }

  /** The last failure; kept after the registry answers again. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  start(): void {
    this.#recall?.start();
    this.#endConfig = this.#options.registry.followConfig?.((config) => this.#applyConfig(config));
    this.#loop.start();
  }

  /** Ends timers and calls at once; the cache stays as it is. */
  stop(): void {
    const error = new Error('The registry cache was stopped');
    this.#stopped.abort(error);
    this.#recall?.end();
    this.#endConfig?.();
    this.#watch?.end('requested');
    this.#requests.rejectAll(error);
    void this.#loop.stop();
  }

  /** Calls the listener on each change from now on; returns how to end that. */
  subscribe(listener: RegistryCacheListener): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Lists everything again now. Resolves when a list that began after this call is applied, however
   * long the registry does not answer. @throws if the cache is stopped.
   */
  resync(): Promise<void> {
    const resynced = this.#requests.add();
    if (this.#stopped.signal.aborted) this.#requests.rejectAll(this.#stopped.signal.reason as Error);
    this.#watch?.end('requested');
    return resynced;
  }

  /**
   * Records the revision of an answer to a write of this host: a list that begins later must not be
   * older.
   */
  noteRevision(revision: Revision): void {
    if (revision > this.#seenRevision) this.#seenRevision = revision;
  }

  /** Compares with the registry and follows it until it has to be compared again. */
  async #cycle(): Promise<boolean> {
    const { signal } = this.#stopped;
    try {
      await this.#requests.serve(async (isRequested) => {
        await this.#compare(this.#reason, isRequested);
        // Before callers go on: a cache that they waited for is connected.
        this.#setConnected(true);
      });
      this.#reason = await this.#follow();
    } catch (error) {
      if (signal.aborted) this.#requests.rejectAll(error as Error);
      else this.#setConnected(false, error as Error);
      void this.#recall?.recall();
    }
    if (!this.isConnected && !signal.aborted) await this.#pause();
    return !signal.aborted;
  }

  async #compare(reason: ResyncReason, isRequested: boolean): Promise<void> {
    // After a failure it may be another registry, restored from a backup.
    const isPeriodic = reason === 'periodic' && !isRequested && this.isConnected;
    const canBeIncremental = isPeriodic && this.#incrementalLeft > 0;
    if (canBeIncremental && (await this.#resyncIncrementally())) {
      this.#incrementalLeft--;
      return;
    }
    await this.#list(reason);
    this.#incrementalLeft = isPeriodic && !canBeIncremental ? MAX_INCREMENTAL : 0;
  }

  async #list(reason: ResyncReason): Promise<void> {
    const { signal } = this.#stopped;
    const seenRevision = this.#seenRevision;
    const snapshot = await this.#options.registry.snapshot(signal, this.entries);
    signal.throwIfAborted();
    this.#recall?.end();
    this.#followed = undefined;
    const comparison = await this.#store.compare(snapshot.entries, signal);
    signal.throwIfAborted();
    this.#lastKnownAt = undefined;
    const isRestored = snapshot.revision < seenRevision;
    this.#resyncs[isRestored ? 'restored' : reason]++;
    const change = this.#store.applySnapshot(withConfig(snapshot, this.#followed), comparison);
    if (isRestored) this.#seenRevision = snapshot.revision;
    this.noteRevision(snapshot.revision);
    this.#lastContactMs = this.#options.clock.nowMs();
    this.#listeners.notifyChange({ ...change, isRestored });
  }

  #apply(known: LastKnown): void {
    this.#lastKnownAt = known.savedAt;
    const change = this.#store.applySnapshot(known, this.#store.compareNow(known.entries));
    this.#listeners.notifyChange({ ...change, isRestored: false });
    this.#onRecalled();
  }

  /** The first list brings the config with the entries. */
  #applyConfig(config: ConfigEntry | undefined): void {
    this.#followed = { config };
    if (this.revision === NO_REVISION) return;
    this.#listeners.notifyChange({ ...this.#store.applyConfig(config), isRestored: false });
  }

  /** Whether the cache still equals the registry. */
  async #resyncIncrementally(): Promise<boolean> {
    const { signal } = this.#stopped;
    const seenRevision = this.#seenRevision;
    const changes = await this.#options.registry.changesSince(this.#store.checkedRevision, signal);
    signal.throwIfAborted();
    if (changes.revision < seenRevision || !this.#store.confirm(changes)) return false;
    this.#resyncs.periodic++;
    this.noteRevision(changes.revision);
    this.#lastContactMs = this.#options.clock.nowMs();
    return true;
  }

  /** Watches until the cache has to be compared again; returns why. */
  async #follow(): Promise<ResyncReason> {
    // A request came during the last list.
    if (!this.#requests.isEmpty) return 'requested';
    const { clock, random, registry, resyncMs = RESYNC_MS } = this.#options;
    this.#watch = new CacheWatch({
      registry,
      clock,
      revision: () => this.revision,
      periodMs: resyncPeriodMs(resyncMs, this.entries.size, random()),
      onReady: () => (this.#lastContactMs = clock.nowMs()),
      onEvents: (events, revision) => this.#applyEvents(events, revision),
    });
    const outcome = await this.#watch.run();
    this.#watch = undefined;
    if (outcome.durationMs >= HEALTHY_WATCH_MS) this.#backoff.reset();
    if (outcome.error !== undefined) this.#setConnected(false, outcome.error);
    if (outcome.reason === 'compacted') await this.#pause();
    return outcome.reason;
  }

  #applyEvents(events: readonly RegistryEvent[], revision: Revision): void {
    const change = this.#store.applyEvents(events, revision);
    this.noteRevision(revision);
    this.#lastContactMs = this.#options.clock.nowMs();
    this.#backoff.reset();
    this.#listeners.notifyChange({ ...change, isRestored: false });
  }

  #pause(): Promise<void> {
    const { signal } = this.#stopped;
    return delay(this.#options.clock, this.#backoff.nextMs(), signal).catch(() => undefined);
  }

  #setConnected(isConnected: boolean, error?: Error): void {
    if (error !== undefined) this.#lastError = error;
    this.#listeners.notifyConnection(isConnected, error);
  }
}

/** A config that changed while the answer was decoded is newer than the one in it. */
function withConfig(snapshot: RegistrySnapshot, followed: FollowedConfig | undefined): RegistrySnapshot {
  if (followed === undefined) return snapshot;
  const { entries, revision } = snapshot;
  return { entries, revision, ...(followed.config && { config: followed.config }) };
}
