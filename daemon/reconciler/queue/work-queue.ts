// What the reconciler has to do: keys to compare, a full read, a check of settings. The only owner
// of the dirty keys. Requests for a full read are merged into the earliest. Does no work and holds
// no timer.
//
//   resync due ──► resync, which covers all keys
//   resync later, devices may differ ──► nothing until then
//   resync later, after a failed read or batch ──► dirty keys against the last known state
import type { Random } from '../../../lib/backoff.ts';
import type { ObjectKey } from '../../../backends/kernel-state.ts';
import type { ResyncReason } from '../status/counters.ts';
import { retryDelayMs } from './failures.ts';
import { RateLimiter } from './rate-limiter.ts';
import { ResyncSchedule } from './resync-schedule.ts';

export type Work =
  | { readonly kind: 'resync'; readonly reason: ResyncReason }
  | { readonly kind: 'sysctls' }
  | { readonly kind: 'keys'; readonly keys: readonly ObjectKey[] }
  /** The next batch of steps that are planned. */
  | { readonly kind: 'planned' };

/** Interfaces that change all the time must not cause full reads all the time. */
const INTERFACE_LIMIT = { freeCount: 10, windowMs: 2_000, firstMs: 20, capMs: 200 };

/** What else decides which work is next. */
export interface KnownWork {
  /** Whether the kernel's state is known, so that keys can be compared. */
  readonly hasState: boolean;
  /** Whether steps are left of an earlier comparison. */
  readonly hasPlanned: boolean;
  /** Whether every peer has been set once. */
  readonly isComplete: boolean;
}

/** More keys than a batch has steps. */
const MANY_KEYS = 600;

export interface WorkQueueOptions {
  readonly resyncIntervalMs: number;
  readonly random: Random;
}

export class WorkQueue {
  readonly #random: Random;
  readonly #schedule: ResyncSchedule;
  readonly #limiter = new RateLimiter<'interfaces'>(INTERFACE_LIMIT);
  readonly #dirty = new Set<ObjectKey>();
  #resync: { readonly reason: ResyncReason; readonly atMs: number } | undefined;
  #isSysctlCheckDue = false;
  #readFailures = 0;
  #unansweredBatches = 0;

  constructor({ resyncIntervalMs, random }: WorkQueueOptions) {
    this.#random = random;
    this.#schedule = new ResyncSchedule(resyncIntervalMs, random);
  }

  /** Whether neither keys nor a full read, due or later, are queued. */
  get isEmpty(): boolean {
    return this.#resync === undefined && this.#dirty.size === 0;
  }

  /** When a full read is due; unset if none is requested. */
  get resyncAtMs(): number | undefined {
    return this.#resync?.atMs;
  }

  /** When the next periodic check is due; `Infinity` before {@link start}. */
  get checkAtMs(): number {
    return this.#schedule.nextMs;
  }

  /** Starts the periodic checks. */
  start(nowMs: number): void {
    this.#schedule.plan(nowMs);
    this.requestResync('start', nowMs);
  }

  isDirty(key: ObjectKey): boolean {
    return this.#dirty.has(key);
  }

  add(keys: Iterable<ObjectKey>): void {
    for (const key of keys) this.#dirty.add(key);
  }

  /** Requests a full read at `atMs`, or earlier if one is requested. */
  requestResync(reason: ResyncReason, atMs: number): void {
    if (this.#resync === undefined || atMs < this.#resync.atMs) this.#resync = { reason, atMs };
  }

  /** Interfaces changed: requests a full read, later if they keep changing. What a read that is due covers does not count. */
  onInterfaces(nowMs: number): void {
    if (this.#resync?.reason === 'interfaces' || (this.#resync?.atMs ?? Infinity) <= nowMs) return;
    this.requestResync('interfaces', nowMs + this.#limiter.record('interfaces', nowMs));
  }

  /** Queues the periodic check that is due. */
  queueDue(nowMs: number): void {
    const due = this.#schedule.take(nowMs);
    if (due === 'resync') this.requestResync('timer', nowMs);
    if (due === 'sysctls') this.#isSysctlCheckDue = true;
  }

  /** Takes what is to be done next. */
  take(nowMs: number, known: KnownWork): Work | undefined {
    const kind = this.next(nowMs, known);
    switch (kind) {
      case 'resync': {
        const { reason } = this.#resync!;
        this.#resync = undefined;
        return { kind, reason };
      }
      case 'sysctls':
        this.#isSysctlCheckDue = false;
        return { kind };
      case 'keys': {
        const keys = [...this.#dirty];
        this.#dirty.clear();
        return { kind, keys };
      }
      case 'planned':
        return { kind };
      case undefined:
        return undefined;
    }
  }

  /**
   * Whether dirty keys follow what is planned: while peers are set for the first time each turn brings some, and the
   * kernel would wait for the comparison of very many.
   */
  canFollow(isComplete: boolean): boolean {
    return !isComplete || this.#dirty.size > MANY_KEYS;
  }

  /** Takes some `count` dirty keys for which `isWanted` holds; those of an owner that follow one another together. */
  takeKeys(
    count: number,
    isWanted: (key: ObjectKey) => boolean,
    ownerOf: (key: ObjectKey) => string | undefined,
  ): readonly ObjectKey[] {
    const keys: ObjectKey[] = [];
    for (const key of this.#dirty) {
      if (keys.length >= count && ownerOf(key) !== ownerOf(keys.at(-1)!)) break;
      if (isWanted(key)) keys.push(key);
    }
    for (const key of keys) this.#dirty.delete(key);
    return keys;
  }

  /** What {@link take} would return. */
  next(nowMs: number, { hasState, hasPlanned, isComplete }: KnownWork): Work['kind'] | undefined {
    const resync = this.#resync;
    if (resync !== undefined && resync.atMs <= nowMs) return 'resync';
    if (this.#isSysctlCheckDue) return 'sysctls';
    // Devices may have changed: keys wait for the read, unless the kernel does not answer it.
    if (resync !== undefined && resync.reason !== 'unknown') return undefined;
    if (!hasState) return undefined;
    // Keys that changed since the comparison come before what is left of it.
    if (this.#dirty.size > 0 && !(hasPlanned && this.canFollow(isComplete))) return 'keys';
    return hasPlanned ? 'planned' : undefined;
  }

  /** A full read succeeded, after which everything is compared. */
  onRead(nowMs: number): void {
    this.#readFailures = 0;
    this.#limiter.prune(nowMs);
    this.#dirty.clear();
  }

  /** A full read failed: requests another later. Returns the failures in a row. */
  onReadFailure(nowMs: number): number {
    this.#readFailures++;
    this.requestResync('unknown', nowMs + retryDelayMs(this.#readFailures, this.#random));
    return this.#readFailures;
  }

  /** A periodic full read found differences, or none. */
  onPeriodicResync(hasDifferences: boolean): void {
    this.#schedule.onResync(hasDifferences);
  }

  /** The kernel answered every step of a batch. */
  onAnswered(): void {
    this.#unansweredBatches = 0;
  }

  /** Whether a full read follows because steps, or a read, were not answered. */
  get awaitsAnswer(): boolean {
    return this.#resync?.reason === 'unknown';
  }

  /**
   * Steps were not answered. The first time that is probably an overrun, which a read resolves at
   * once; later reads back off. Returns the unanswered batches in a row.
   */
  onUnanswered(nowMs: number): number {
    this.#unansweredBatches++;
    const before = this.#unansweredBatches - 1;
    const delayMs = before === 0 ? 0 : retryDelayMs(before, this.#random);
    this.#resync = { reason: 'unknown', atMs: nowMs + delayMs };
    return this.#unansweredBatches;
  }
}
