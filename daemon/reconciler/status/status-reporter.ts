// What operators learn of the reconciler: the state of the host and of each peer, recomputed for
// the owners that a run concerned; events, gathered so that a thousand repairs are one; counters.
// Takes what the other parts report and changes none of them.
import { defined } from '../../../lib/defined.ts';
import type { PeerState } from '../../../backends/backend.ts';
import { objectKey } from '../../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../../backends/kernel-state.ts';
import type { Step } from '../../kernel/kernel.ts';
import { Counters } from './counters.ts';
import { HOST } from '../desired-state.ts';
import type { Owner } from '../desired-state.ts';
import { DriftReport, firstOf } from './drift-report.ts';
import type { ReconcilerEvent } from '../events.ts';
import { computeStatus, rejectionOf } from './owner-status.ts';
import { Rejections } from './rejections.ts';
import { StatusTable } from './status-table.ts';
import type { PeerStatus, StatusSummary } from './status.ts';
import type { StepOutcome } from '../step-outcome.ts';
import type { DesiredView, View } from '../view.ts';

export interface StatusReporterOptions {
  readonly nowMs: number;
  readonly onChange?: ((summary: StatusSummary) => void) | undefined;
  readonly onEvent?: ((event: ReconcilerEvent) => void) | undefined;
}

export interface Drift {
  /** Key in the cached state; a stray route has a longer one than {@link objectKey} gives. */
  readonly key: ObjectKey;
  readonly object: KernelObject;
  /** Whether repairs of the object are rate-limited from now on. */
  readonly isContested: boolean;
  readonly nowMs: number;
}

export class StatusReporter {
  readonly counters = new Counters();
  readonly #options: StatusReporterOptions;
  readonly #table: StatusTable;
  readonly #peers = new Map<string, PeerState>();
  /** Owners whose state has to be computed again. */
  readonly #stale = new Set<Owner>();
  readonly #rejections = new Rejections();
  readonly #drift = new DriftReport();
  #readError: string | undefined;
  #lastSummary = '';

  constructor(options: StatusReporterOptions) {
    this.#options = options;
    this.#table = new StatusTable(options.nowMs);
  }

  get peers(): ReadonlyMap<string, PeerStatus> {
    return this.#table.peers;
  }

  /** A new peer is pending until its state is computed. */
  setPeer(key: string, state: PeerState, nowMs: number): void {
    if (!this.#peers.has(key)) this.#table.set(key, { state: 'pending', sinceMs: nowMs, mode: state.mode });
    this.#peers.set(key, state);
  }

  removePeer(key: string): void {
    this.#peers.delete(key);
    this.#rejections.forget(key);
    this.#table.delete(key);
  }

  /** The state of `owners` has to be computed again. */
  markStale(owners: Iterable<Owner>): void {
    for (const owner of owners) this.#stale.add(owner);
  }

  /**
   * Everything was read and compared, and owners of what is no longer as desired are stale. If all were in sync, the others still are.
   */
  onCompared(wasKnown: boolean): void {
    const isInSync = this.#table.count('in-sync') === this.#peers.size;
    this.markStale(wasKnown && isInSync ? [HOST] : [HOST, ...this.#peers.keys()]);
  }

  /**
   * Computes the state of `owners` now; removed peers are skipped. Returns the owners that failed
   * before and are programmed now.
   */
  update(owners: Iterable<Owner>, view: View): readonly Owner[] {
    return [...owners].filter((owner) => this.#update(owner, view));
  }

  /** Whether states are to be computed again. */
  get isStale(): boolean {
    return this.#stale.size > 0;
  }

  /**
   * Computes at most `count` stale states; with the last of them emits new rejections, drift and repairs since then. Returns what
   * {@link update} does.
   */
  report(view: View, count = Infinity): readonly Owner[] {
    const owners: Owner[] = [];
    for (const owner of this.#stale) {
      if (owners.length === count) break;
      this.#stale.delete(owner);
      owners.push(owner);
    }
    const recovered = this.update(owners, view);
    if (this.isStale) return recovered;
    this.#emitAll(this.#rejections.take((peer) => this.#rejectionOf(peer, view.desired)));
    this.#emitAll(this.#drift.take(view.nowMs));
    return recovered;
  }

  /** Records what became of a step; `attempts` counts its owner's failures in a row. */
  onOutcome(outcome: StepOutcome, attempts: number): void {
    this.counters.onOutcome(outcome);
    if (outcome.kind === 'applied') return;
    const object = objectKey(outcome.step.object);
    if (outcome.kind === 'link-replaced') {
      this.#emit({ kind: 'link-replaced', object, message: outcome.message });
    } else if (outcome.kind === 'setting-rejected' && outcome.isFirst) {
      this.#emit({ kind: 'setting-rejected', object, message: outcome.message });
    } else if (outcome.kind === 'failed' && attempts === 1) this.#emit(failureEvent(outcome));
  }

  /** Records that another program changed an object. */
  onDrift({ key, object, isContested, nowMs }: Drift): void {
    this.counters.onDrift(object);
    this.#drift.add(key, nowMs);
    if (isContested) this.#emit({ kind: 'object-contested', object: key });
  }

  /** Checks which drifted objects among `keys`, default all, are repaired. */
  checkRepairs(view: View, keys?: readonly ObjectKey[]): void {
    this.#drift.check(view, keys);
  }

  /** Reports steps of a full comparison that remove unwanted objects. */
  onPlanned(steps: readonly Step[], { objects }: DesiredView): void {
    const removes = steps.filter(({ action }) => action === 'remove');
    const orphans = removes.map(({ object }) => objectKey(object)).filter((key) => !objects.has(key));
    if (orphans.length > 0) this.#emit({ kind: 'orphans-removed', ...firstOf(orphans) });
  }

  onRead(): void {
    this.#readError = undefined;
  }

  /** A full read failed; `failures` counts those in a row. */
  onReadFailure(error: unknown, failures: number): void {
    this.#readError = error instanceof Error ? error.message : String(error);
    if (failures === 1) this.#emit({ kind: 'read-failed', error });
  }

  /** The kernel left steps unanswered, `times` batches in a row. */
  onUnanswered(message: string, times: number): void {
    this.#emit({ kind: 'steps-unanswered', message, times });
  }

  summary(contested: readonly ObjectKey[], isComplete: boolean): StatusSummary {
    const { sinceMs: _sinceMs, ...host } = this.#table.host;
    return {
      peers: this.#peers.size,
      inSync: this.#table.count('in-sync'),
      pending: this.#table.count('pending'),
      errors: this.#table.count('error'),
      host,
      contested,
      isComplete,
      ...(this.#readError === undefined ? {} : { readError: this.#readError }),
    };
  }

  /** Emits `summary` if it differs from the last one. */
  emitSummary(summary: StatusSummary): void {
    const text = JSON.stringify(summary);
    if (text === this.#lastSummary) return;
    this.#lastSummary = text;
    this.#options.onChange?.(summary);
  }

  #update(owner: Owner, view: View): boolean {
    const peer = this.#peers.get(owner);
    if (peer === undefined && owner !== HOST) return false;
    const { state, reason, isProgrammed } = computeStatus(owner, peer, view);
    const isRecovered = isProgrammed && view.gate.failureOf(owner) !== undefined;
    if (isRecovered)
      this.#emit(peer === undefined ? { kind: 'host-recovered' } : { kind: 'peer-recovered', peer: owner });
    if (peer === undefined) this.#table.setHost(defined({ state, sinceMs: view.nowMs, reason }));
    else {
      this.#table.set(owner, defined({ state, sinceMs: view.nowMs, reason, mode: peer.mode }));
      this.#rejections.onStatus(owner, state === 'error');
    }
    return isRecovered;
  }

  #rejectionOf(peer: Owner, desired: DesiredView): string | undefined {
    const state = this.#peers.get(peer);
    return state === undefined ? undefined : rejectionOf(peer, state, desired);
  }

  #emitAll(events: readonly ReconcilerEvent[]): void {
    for (const event of events) this.#emit(event);
  }

  #emit(event: ReconcilerEvent): void {
    this.#options.onEvent?.(event);
  }
}

function failureEvent({
  owner,
  step,
  errno,
  message,
}: Extract<StepOutcome, { kind: 'failed' }>): ReconcilerEvent {
  const fields = { object: objectKey(step.object), errno, message };
  if (owner === undefined) return { kind: 'orphan-remove-failed', ...fields };
  if (owner !== HOST) return { kind: 'peer-failed', peer: owner, ...fields };
  if (step.object.kind !== 'link') return { kind: 'host-failed', ...fields };
  return { kind: 'link-failed', device: step.object.name, ...fields };
}
