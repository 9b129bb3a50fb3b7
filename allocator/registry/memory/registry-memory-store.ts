// The data behind in-memory registries: keys, leases with expiry, revisions, history. It behaves as
// etcd does and knows no client; faults between a client and the store are in `registry-memory.ts`.
import type { Clock } from '../../../lib/clock.ts';
import { NO_LEASE, RegistryError, revisionAfter, toLeaseId, toRevision } from '../registry.ts';
import type {
  ConfigEntry,
  CreateRequest,
  CreateResult,
  NewEntry,
  RegistryEntry,
  RegistryEvent,
  LeaseId,
  MetaListener,
  RegistryChanges,
  RegistrySnapshot,
  Revision,
  WriteResult,
} from '../registry.ts';

interface StoredLease {
  readonly ttlSec: number;
  expiresAtMs: number;
  cancelTimer: () => void;
}

/** A watcher of the store. Each method may be called once per turn of the event loop. */
export interface StoreWatcher {
  onEvents(events: readonly RegistryEvent[], revision: Revision): void;
  /** History before the next revision is gone; nothing more comes. */
  onCompacted(): void;
  /** The store was restored from a backup; nothing more comes. */
  onLost(): void;
}

/** A copy of a store at one revision, for {@link MemoryStore.restore}. */
export interface StoreBackup {
  readonly snapshot: RegistrySnapshot;
  readonly ttlSecByLease: ReadonlyMap<LeaseId, number>;
}

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /**
   * Writes to remember for watches from the past; default 100,000. Older ones count as compacted.
   */
  readonly maxHistory?: number;
}

export class MemoryStore {
  readonly clock: Clock;
  readonly #maxHistory: number;
  readonly #entries = new Map<string, RegistryEntry>();
  readonly #leases = new Map<LeaseId, StoredLease>();
  readonly #watchers = new Map<StoreWatcher, Revision>();
  /** Keys of weft's own, which watches do not report. */
  readonly #own = new Map<string, ConfigEntry & { readonly leaseId: LeaseId }>();
  readonly #ownListeners = new Set<MetaListener>();
  #config: ConfigEntry | undefined;
  // A write is one revision, so the events of revision r are #history[r - #historyFrom].
  #history: (readonly RegistryEvent[])[] = [];
  #historyFrom: Revision = toRevision(2);
  #revision: Revision = toRevision(1);
  #lastLeaseId = 7_587_800_000_000_000;
  #snapshot: RegistrySnapshot | undefined;
  #isFlushDue = false;

  constructor(options: MemoryStoreOptions) {
    this.clock = options.clock;
    this.#maxHistory = options.maxHistory ?? 100_000;
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** Everything, in key order. The same object until the next write. */
  snapshot(): RegistrySnapshot {
    this.#snapshot ??= {
      revision: this.#revision,
      ...(this.#config === undefined ? {} : { config: this.#config }),
      entries: [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
    };
    return this.#snapshot;
  }

  changesSince(since: Revision): RegistryChanges {
    const { entries, ...rest } = this.snapshot();
    return {
      ...rest,
      entries: entries.filter(({ modRevision }) => modRevision > since),
      count: entries.length,
    };
  }

  get(key: string): RegistryEntry | undefined {
    return this.#entries.get(key);
  }

  /** Writes without any condition, as an operator does. */
  put(key: string, value: string, leaseId: LeaseId = NO_LEASE): Revision {
    this.#requireLease(leaseId, `put of ${key}`);
    const entry = { key, value, leaseId, modRevision: revisionAfter(this.#revision) };
    this.#entries.set(key, entry);
    return this.#commit([{ type: 'put', entry }]);
  }

  /** Removes without any condition. */
  delete(key: string): void {
    if (this.#entries.delete(key)) this.#commit([{ type: 'delete', key }]);
  }

  putConfig(text: string | undefined): void {
    this.#config = text === undefined ? undefined : { text, modRevision: revisionAfter(this.#revision) };
    this.#commit([{ type: 'config', ...(this.#config === undefined ? {} : { config: this.#config }) }]);
  }

  create(request: CreateRequest): CreateResult {
    this.#requireLease(request.leaseId, `create of ${request.keys.join(', ')}`);
    const key = request.keys.find((candidate) => !this.#entries.has(candidate));
    if (key === undefined)
      return {
        created: false,
        revision: this.#revision,
        takenKeys: this.snapshot().entries.map((e) => e.key),
      };
    return { created: true, key, revision: this.put(key, request.value, request.leaseId) };
  }

  update({ key, value, leaseId }: NewEntry, expectedModRevision: Revision): WriteResult {
    if (this.#entries.get(key)?.modRevision !== expectedModRevision) return this.#refused(key);
    return { written: true, revision: this.put(key, value, leaseId) };
  }

  move(from: string, expectedModRevision: Revision, { key, value, leaseId }: NewEntry): WriteResult {
    this.#requireLease(leaseId, `move of ${from} to ${key}`);
    const isRefused = this.#entries.get(from)?.modRevision !== expectedModRevision || this.#entries.has(key);
    if (isRefused) return this.#refused(from);
    const entry = { key, value, leaseId, modRevision: revisionAfter(this.#revision) };
    this.#entries.delete(from);
    this.#entries.set(key, entry);
    const revision = this.#commit([
      { type: 'delete', key: from },
      { type: 'put', entry },
    ]);
    return { written: true, revision };
  }

  remove(key: string, expectedModRevision: Revision): WriteResult {
    const current = this.#entries.get(key);
    if (current !== undefined && current.modRevision !== expectedModRevision) return this.#refused(key);
    this.delete(key);
    return { written: true, revision: this.#revision };
  }

  readMeta(key: string): ConfigEntry | undefined {
    const entry = this.#own.get(key);
    return entry && { text: entry.text, modRevision: entry.modRevision };
  }

  listMeta(folder: string): ReadonlyMap<string, string> {
    const found = [...this.#own].filter(([key]) => key.startsWith(folder));
    return new Map(found.map(([key, { text }]) => [key.slice(folder.length), text]));
  }

  writeMeta({ key, value, leaseId }: NewEntry): Revision {
    this.#requireLease(leaseId, `put of ${key}`);
    this.#own.set(key, { text: value, leaseId, modRevision: revisionAfter(this.#revision) });
    this.#reportOwn(key, value);
    return this.#commit([]);
  }

  /** Reports keys of weft's own below `folder`, soon; returns how to stop. */
  followMeta(folder: string, onChange: MetaListener): () => void {
    const listener: MetaListener = (key, text) => {
      if (key.startsWith(folder)) onChange(key.slice(folder.length), text);
    };
    this.#ownListeners.add(listener);
    return () => this.#ownListeners.delete(listener);
  }

  #reportOwn(key: string, text: string | undefined): void {
    for (const listener of this.#ownListeners) queueMicrotask(() => listener(key, text));
  }

  grant(ttlSec: number): LeaseId {
    const id = String(++this.#lastLeaseId);
    this.#addLease(toLeaseId(id), ttlSec);
    return toLeaseId(id);
  }

  keepAlive(id: LeaseId): number {
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0;
    lease.expiresAtMs = this.clock.nowMs() + lease.ttlSec * 1000;
    return lease.ttlSec;
  }

  revoke(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.cancelTimer();
    this.#leases.delete(id);
    for (const [key, own] of this.#own)
      if (own.leaseId === id) {
        this.#own.delete(key);
        this.#reportOwn(key, undefined);
      }
    const keys = [...this.#entries.values()]
      .filter((entry) => entry.leaseId === id)
      .map((entry) => entry.key);
    for (const key of keys) this.#entries.delete(key);
    if (keys.length > 0) this.#commit(keys.sort().map((key) => ({ type: 'delete', key })));
  }

  /** Ids of the leases that exist, for leak checks. */
  get leaseIds(): LeaseId[] {
    return [...this.#leases.keys()];
  }

  /** Forgets the history up to the newest revision. */
  compact(): void {
    this.#history = [];
    this.#historyFrom = revisionAfter(this.#revision);
  }

  save(): StoreBackup {
    return {
      snapshot: this.snapshot(),
      ttlSecByLease: new Map([...this.#leases].map(([id, lease]) => [id, lease.ttlSec])),
    };
  }

  /**
   * Goes back to a backup. Leases in it start their full time again, as after an etcd restore; all
   * watches end.
   */
  restore({ snapshot, ttlSecByLease }: StoreBackup): void {
    for (const lease of this.#leases.values()) lease.cancelTimer();
    this.#leases.clear();
    for (const [id, ttlSec] of ttlSecByLease) this.#addLease(id, ttlSec);
    this.#entries.clear();
    for (const entry of snapshot.entries) this.#entries.set(entry.key, entry);
    this.#config = snapshot.config;
    this.#revision = snapshot.revision;
    this.#snapshot = undefined;
    this.compact();
    for (const watcher of this.#watchers.keys()) this.#end(watcher, () => watcher.onLost());
  }

  /**
   * Reports every write from `fromRevision` on; returns how to stop. Nothing is reported before
   * this returns.
   */
  watch(fromRevision: Revision, watcher: StoreWatcher): () => void {
    this.#watchers.set(watcher, fromRevision);
    this.#flushSoon();
    return () => this.#watchers.delete(watcher);
  }

  #commit(events: readonly RegistryEvent[]): Revision {
    this.#revision++;
    this.#history.push(events);
    this.#snapshot = undefined;
    this.#flushSoon();
    return this.#revision;
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    const revision = this.#revision;
    for (const [watcher, fromRevision] of this.#watchers) {
      if (fromRevision > revision) continue;
      if (fromRevision < this.#historyFrom) {
        this.#end(watcher, () => watcher.onCompacted());
        continue;
      }
      this.#watchers.set(watcher, revisionAfter(revision));
      watcher.onEvents(this.#history.slice(fromRevision - this.#historyFrom).flat(), revision);
    }
    const excess = this.#history.length - this.#maxHistory;
    if (excess > 0) {
      this.#history.splice(0, excess);
      this.#historyFrom = toRevision(this.#historyFrom + excess);
    }
  }

  #end(watcher: StoreWatcher, notify: () => void): void {
    this.#watchers.delete(watcher);
    notify();
  }

  #refused(key: string): WriteResult {
    const current = this.#entries.get(key);
    return { written: false, revision: this.#revision, ...(current === undefined ? {} : { current }) };
  }

  #requireLease(id: LeaseId, what: string): void {
    if (id === NO_LEASE || this.#leases.has(id)) return;
    throw new RegistryError('REGISTRY_LEASE_NOT_FOUND', `In-memory registry: ${what}: no lease ${id}`);
  }

  #addLease(id: LeaseId, ttlSec: number): void {
    const lease: StoredLease = {
      ttlSec,
      expiresAtMs: this.clock.nowMs() + ttlSec * 1000,
      cancelTimer: () => undefined,
    };
    this.#leases.set(id, lease);
    this.#armExpiry(id, lease);
  }

  /** A keep-alive only moves `expiresAtMs`; the timer finds out when it fires. */
  #armExpiry(id: LeaseId, lease: StoredLease): void {
    lease.cancelTimer = this.clock.setTimer(lease.expiresAtMs - this.clock.nowMs(), () => {
      if (lease.expiresAtMs > this.clock.nowMs()) this.#armExpiry(id, lease);
      else this.revoke(id);
    });
  }
}
