// The store of leases as the allocator sees it: a small ordered key-value store with transactions,
// expiry and notifications. Implemented by `etcd/` and `memory/`; one compliance suite holds for
// both. Values are opaque text here; `subnet-key.ts` and `lease-value.ts` know what is inside.

import { WeftError } from '../../api/errors.ts';
import type { ErrorCode } from '../../api/errors.ts';
import type { LeaseAttributes, LeaseSubnets } from '../lease.ts';

declare const brand: unique symbol;

/**
 * Point in the registry's history. Larger is later; a smaller one than seen before means a restored
 * backup.
 */
export type Revision = number & { readonly [brand]: 'Revision' };

/** Registry-side lease id as decimal text; `'0'` means that no lease is attached. */
export type LeaseId = string & { readonly [brand]: 'LeaseId' };

export const NO_LEASE = '0' as LeaseId;
/** Before every revision of a registry. */
export const NO_REVISION = 0 as Revision;

/** Brands a number that a registry gave, as etcd writes it. */
export function toRevision(value: number | string): Revision {
  return Number(value) as Revision;
}

/** The first revision after `revision`. */
export function revisionAfter(revision: Revision): Revision {
  return (revision + 1) as Revision;
}

/** Brands a lease id that a registry gave. */
export function toLeaseId(text: string): LeaseId {
  return text as LeaseId;
}

/**
 * Key below `<prefix>/weft/` that confirms a network config which gives hosts other subnets, if it
 * was written with that config or later. Its value means nothing.
 */
export const RENUMBER_KEY = 'renumber';

/** One key below `<prefix>/subnets/`. */
export interface RegistryEntry {
  /** Text below `<prefix>/subnets/`; any program may have written it. */
  readonly key: string;
  readonly value: string;
  readonly leaseId: LeaseId;
  /** Revision of the last write to this key; the handle for compare-and-swap. */
  readonly modRevision: Revision;
}

/** The `<prefix>/config` document. */
export interface ConfigEntry {
  readonly text: string;
  readonly modRevision: Revision;
}

/**
 * Everything at one revision, read in one round trip. `config` is unset if the key does not exist.
 */
export interface RegistrySnapshot {
  readonly revision: Revision;
  readonly config?: ConfigEntry;
  readonly entries: readonly RegistryEntry[];
}

/**
 * The entries written after some revision; the config whenever it was written. `count`: entries
 * there are, older ones too.
 */
export interface RegistryChanges extends RegistrySnapshot {
  readonly count: number;
}

export type CreateResult =
  /** `key` is the first of the request's keys that was free. */
  | { readonly created: true; readonly key: string; readonly revision: Revision }
  /**
   * All of the keys exist. `takenKeys` is every key below subnets/ at `revision`, for the next
   * choice.
   */
  | { readonly created: false; readonly revision: Revision; readonly takenKeys: readonly string[] };

export type WriteResult =
  | { readonly written: true; readonly revision: Revision }
  /**
   * The key was changed or removed since `expectedModRevision`; `current` is the present entry, if
   * there is one.
   */
  | { readonly written: false; readonly revision: Revision; readonly current?: RegistryEntry };

export type RegistryEvent =
  | { readonly type: 'put'; readonly entry: RegistryEntry }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'config'; readonly config?: ConfigEntry };

/** Why a watch ended. None is an error of the caller: list again, diff, watch again. */
export type WatchEnd =
  | { readonly reason: 'aborted' }
  /** History before `fromRevision` is gone. */
  | { readonly reason: 'compacted' }
  /** The server cancelled, the stream broke or no sign of life came; `error` says which. */
  | { readonly reason: 'lost'; readonly error: Error };

export interface WatchOptions {
  /** First revision to report. */
  readonly fromRevision: Revision;
  /** Called once the server has accepted the watch. */
  readonly onReady?: () => void;
  /** All events of one response, in order, with the revision that they bring the reader to. */
  readonly onEvents: (events: readonly RegistryEvent[], revision: Revision) => void;
  readonly signal: AbortSignal;
}

/** Entries that a reader has, by key. */
export type KnownEntries = ReadonlyMap<string, RegistryEntry>;

/** Reads leases and config, and follows them. */
export interface RegistryReader {
  /** Reads config and all entries at one revision. An entry that equals one of `known` may be that very object. */
  snapshot(signal?: AbortSignal, known?: KnownEntries): Promise<RegistrySnapshot>;
  /** As {@link snapshot}, but only entries last written after `since`. */
  changesSince(since: Revision, signal?: AbortSignal): Promise<RegistryChanges>;
  /** Reports changes until the watch ends; resolves, never rejects. */
  watch(options: WatchOptions): Promise<WatchEnd>;
  /**
   * Where the config is apart from the entries: reports changes of it, which no watch does then,
   * whether the registry answers or not. Returns how to end that.
   */
  followConfig?(onChange: (config: ConfigEntry | undefined) => void): () => void;
}

/** Registry leases, for registries whose keys expire. */
export interface RegistryLeases {
  /** Makes a registry lease that expires `ttlSec` seconds after the last keep-alive. */
  grant(ttlSec: number, signal?: AbortSignal): Promise<LeaseId>;
  /**
   * Extends a registry lease. Resolves with the seconds left from now, 0 if the lease does not
   * exist any more.
   */
  keepAlive(leaseId: LeaseId, signal?: AbortSignal): Promise<number>;
  /** Ends a registry lease and removes its keys; absence is success. */
  revoke(leaseId: LeaseId, signal?: AbortSignal): Promise<void>;
}

/** Writes of subnet keys, for registries in which each host chooses its subnet. */
export interface SubnetKeys {
  /** Writes the first of several keys that does not exist yet, in one transaction. */
  create(request: CreateRequest, signal?: AbortSignal): Promise<CreateResult>;
  /** Replaces a key's value and lease if it was not written since `expectedModRevision`. */
  update(entry: NewEntry, expectedModRevision: Revision, signal?: AbortSignal): Promise<WriteResult>;
  /**
   * Replaces the key `from` by a key that does not exist yet, in one transaction: no reader sees
   * both, or neither. Rejected if `from` was written since `expectedModRevision`, or the other key
   * exists; then `current` is `from`.
   */
  move(
    from: string,
    expectedModRevision: Revision,
    entry: NewEntry,
    signal?: AbortSignal,
  ): Promise<WriteResult>;
  /** Removes a key if it was not written since `expectedModRevision`. Absence counts as written. */
  remove(key: string, expectedModRevision: Revision, signal?: AbortSignal): Promise<WriteResult>;
}

/** Keys of weft's own, below `<prefix>/weft/`, which flannel does not read. */
export interface MetaKeys {
  /** `undefined` if the key does not exist. */
  readMeta(key: string, signal?: AbortSignal): Promise<ConfigEntry | undefined>;
  /** Values of all keys below `folder`, which ends with a slash, by the rest of the key. */
  listMeta(folder: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** Writes a key, whatever it held. It is removed with the registry lease, if it has one. */
  writeMeta(entry: NewEntry, signal?: AbortSignal): Promise<Revision>;
  /**
   * Reports keys below `folder` that are written or removed from now on, by the rest of the key; keys
   * that exist are not reported. Costs nothing while none is. Rejects when it ends, and what was
   * written between two calls is missed.
   */
  followMeta(folder: string, onChange: MetaListener, signal: AbortSignal): Promise<never>;
}

/** @param text - `undefined` if the key was removed */
export type MetaListener = (key: string, text: string | undefined) => void;

/**
 * A registry in which hosts choose their subnets and keep them with leases. The parts are what may
 * be absent elsewhere: a registry that assigns subnets itself has no {@link SubnetKeys}, one
 * without expiry no {@link RegistryLeases}. Operators edit the config through a `ConfigStore`, so
 * that its source may be another.
 *
 * All calls carry a deadline of their own and reject with a {@link RegistryError}; none waits
 * forever. `signal` ends a call early with the signal's reason.
 */
export interface Registry extends RegistryReader, RegistryLeases, SubnetKeys, MetaKeys, RegistryConnection {
  readonly allocation: 'claimed';
  /** Keys that exist and were perhaps meant for the config; none if this user may not read them. */
  configNearMisses(signal?: AbortSignal): Promise<readonly string[]>;
}

/**
 * A registry whose control plane gives each host its subnets, like Kubernetes. A host publishes
 * attributes beside them, and nothing expires.
 */
export interface AssigningRegistry extends RegistryReader, SubnetAssignments, RegistryConnection {
  readonly allocation: 'assigned';
}

export interface RegistryConnection {
  /**
   * Drops the connections, which may use an address that this host lost; calls and watches on them
   * fail.
   */
  reconnect(): void;
  /** Ends every call and frees the connections. */
  close(): void;
}

/** Of either kind; `allocation` distinguishes them. */
export type AnyRegistry = Registry | AssigningRegistry;

/** What this host reads and writes of its own assignment. */
export interface SubnetAssignments {
  /** Key of this host's own entry. */
  readonly ownKey: string;
  /** What `entry`, the entry of {@link ownKey}, assigns to this host. */
  assignmentOf(entry: RegistryEntry): Assignment;
  /** Publishes attributes in the own entry. @throws RegistryError; `REGISTRY_REJECTED` if the entry was replaced */
  publish(entry: RegistryEntry, attributes: LeaseAttributes, signal?: AbortSignal): Promise<void>;
  /** Says to the control plane whether this host's network works, if it wants to hear that. */
  setReady(isReady: boolean, reason: string, signal?: AbortSignal): Promise<void>;
  /** Shows administrators of the cluster what happened on this host. */
  report(report: NodeReport, signal?: AbortSignal): Promise<void>;
}

/** One occurrence, for administrators. */
export interface NodeReport {
  readonly isWarning: boolean;
  /** In the form of Kubernetes, like `SubnetChanged`. */
  readonly reason: string;
  /** At most 1,024 characters are kept. */
  readonly message: string;
}

export interface Assignment {
  /** Changes if the entry was deleted and made again. */
  readonly uid: string;
  /** A text says why there are none. */
  readonly subnets: LeaseSubnets | string;
  /** Whether peers see exactly these attributes. */
  isPublished(attributes: LeaseAttributes): boolean;
}

export interface CreateRequest {
  /** Keys to try, best first, 1..{@link MAX_CREATE_KEYS}. */
  readonly keys: readonly string[];
  readonly value: string;
  readonly leaseId: LeaseId;
}

/** Each further key is one more level of nesting in the transaction, so there are few. */
export const MAX_CREATE_KEYS = 4;

export interface NewEntry {
  readonly key: string;
  readonly value: string;
  readonly leaseId: LeaseId;
}

/** `REGISTRY_LEASE_NOT_FOUND`: the lease given does not exist (any more). */
export type RegistryErrorCode = Extract<ErrorCode, `REGISTRY_${string}`>;

/**
 * What a registry call rejects with. The message names the endpoint, the call, the cause and the
 * remedy if known.
 */
export class RegistryError extends WeftError {
  declare readonly code: RegistryErrorCode;

  constructor(code: RegistryErrorCode, message: string, options: ErrorOptions = {}) {
    super(code, message, options);
  }

  /** Whether the same call may succeed later without a change by an operator. */
  get isTransient(): boolean {
    return this.code === 'REGISTRY_UNAVAILABLE';
  }
}
