// Passes over the work queue: reads, plans, applies one batch, and passes the outcomes to the
// parts. Each part owns its data; they meet here only, as arguments and results.
//
//   queue ──work──► cache (read) ──view──► planner ──steps──► executor ──outcomes──► cache, gate, status
//     ▲                                                          │
//     └───────── drift, retries, resync requests ◄───────────────┘
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SettingObject, SysctlObject } from '../../backends/kernel-state.ts';
import type { Step } from '../kernel/kernel.ts';
import type { CachedState } from './cache/cached-state.ts';
import type { ResyncReason } from './status/counters.ts';
import type { Owner } from './desired-state.ts';
import { findDrift, isAsDesired } from './drift-detector.ts';
import { firstBatch, obsoleteLeads, obsoleteRules, plan } from './planner.ts';
import { readRequestOf, wantedSettings } from './cache/read-request.ts';
import type { ReconcilerParts } from './reconciler-parts.ts';
import type { StepOutcome } from './step-outcome.ts';
import type { KnownView, View } from './view.ts';
import type { Work } from './queue/work-queue.ts';

export class ReconcilePass {
  readonly #parts: ReconcilerParts;
  /** Start of the current run, that is since the queue was last empty. */
  #startedMs: number | undefined;
  /** Earliest deadline when the queue was last empty. */
  #wakeAtMs = Infinity;

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
  }

  /** Does one item of work. Resolves to whether there was one. */
  async step(): Promise<boolean> {
    const { cache, clock, queue, scope, status } = this.#parts;
    this.#queueDue();
    this.#onRecovered(status.report(this.#view()));
    // Before the first `setHost` there is nothing to read.
    if (scope.ownership === undefined) return false;
    const work = queue.take(clock.nowMs(), cache.state !== undefined);
    if (work === undefined) return false;
    if (work.kind !== 'sysctls') this.#startedMs ??= clock.nowMs();
    await this.#do(work);
    return true;
  }

  /** The queue is empty: counts the run, if there was one. */
  endRun(): void {
    const { clock, status } = this.#parts;
    if (this.#startedMs !== undefined) status.counters.onRun(this.#startedMs, clock.nowMs());
    this.#startedMs = undefined;
    this.#wakeAtMs = Math.min(...this.deadlinesMs());
  }

  /**
   * Points on the clock at which {@link step} has work without a change: later than now, as a
   * deadline may pass between the last step and the sleep.
   */
  deadlinesMs(): readonly number[] {
    const { cache, clock, gate, queue, scope } = this.#parts;
    const soonMs = clock.nowMs() + 1;
    const resyncAtMs = scope.ownership === undefined ? undefined : queue.resyncAtMs;
    const atMs = [queue.checkAtMs, resyncAtMs, gate.nextDueMs, cache.nextDueMs];
    return atMs.filter((each) => each !== undefined).map((each) => Math.max(each, soonMs));
  }

  /** Recomputes the state of `owners` at once. */
  updateStatus(owners: Iterable<Owner>): void {
    this.#onRecovered(this.#parts.status.update(owners, this.#view()));
  }

  /** Queues the repair of those of `keys`, changed by other programs, that are not as desired. */
  onChanged(keys: Iterable<ObjectKey>): void {
    const view = this.#view();
    for (const key of keys)
      if (!this.#parts.queue.isDirty(key) && !isAsDesired(view, key)) this.#onDrift(key);
  }

  /** Queues whatever the retry gate lets through now. */
  queueRetries(): void {
    const { clock, desired, gate, queue } = this.#parts;
    const { owners, keys } = gate.takeDue(clock.nowMs());
    queue.add(keys);
    for (const owner of owners) queue.add(desired.objectsOf(owner).keys());
  }

  // ---- work ----------------------------------------------------------------------------------

  #queueDue(): void {
    const { cache, clock, queue } = this.#parts;
    const nowMs = clock.nowMs();
    // At any deadline: a retry that was due earlier may have met a failed read.
    if (this.#wakeAtMs <= nowMs) {
      this.#wakeAtMs = Infinity;
      this.queueRetries();
    }
    this.onChanged(cache.takeOverdue());
    queue.queueDue(nowMs);
  }

  #do(work: Work): Promise<void> {
    switch (work.kind) {
      case 'resync':
        return this.#resync(work.reason);
      case 'sysctls':
        return this.#checkSysctls();
      case 'keys':
        return this.#syncKeys(work.keys);
    }
  }

  async #syncKeys(keys: readonly ObjectKey[]): Promise<void> {
    this.#markStale(keys);
    const view = this.#view();
    if (isKnown(view)) await this.#apply(view, plan(view, { ...this.#planOptions, keys }));
  }

  async #checkSysctls(): Promise<void> {
    const { cache, desired, executor } = this.#parts;
    const isWritable = (setting: SettingObject): setting is SysctlObject =>
      setting.kind === 'sysctl' && !executor.isReadOnly(setting);
    this.onChanged(await cache.readSysctls(wantedSettings(desired).filter(isWritable)));
  }

  async #resync(reason: ResyncReason): Promise<void> {
    const { cache, clock, desired, gate, queue, scope, status } = this.#parts;
    status.counters.onResync(reason);
    const state = await this.#read();
    if (state === undefined) return;
    for (const key of findDrift(this.#view(), state)) if (!queue.isDirty(key)) this.#onDrift(key);
    cache.replace(state);
    queue.onRead(clock.nowMs());
    gate.prune(state.objects, desired.objects, clock.nowMs());
    status.markAllStale();
    const view: KnownView = { ...this.#view(), cached: state };
    status.checkRepairs(view);
    const steps = plan(view, this.#planOptions);
    status.onPlanned(steps, desired);
    if (reason === 'timer') queue.onPeriodicResync(steps.length > 0);
    // What an earlier ownership covered is empty once a read of it needs no steps.
    if (steps.length === 0 && desired.isComplete) scope.forgetFormer(desired.objects.values());
    await this.#apply(view, steps);
  }

  /** Everything as it is now; `undefined` if the read failed. */
  async #read(): Promise<CachedState | undefined> {
    const { cache, clock, executor, queue, scope, status } = this.#parts;
    const { ownership } = scope;
    if (ownership === undefined) return undefined;
    const request = readRequestOf(ownership, this.#view(), {
      isRejected: (setting) => executor.isRejected(setting),
      isReadOnly: (setting) => executor.isReadOnly(setting),
    });
    try {
      const state = await cache.read(request);
      status.onRead();
      return state;
    } catch (error) {
      status.onReadFailure(error, queue.onReadFailure(clock.nowMs()));
      return undefined;
    }
  }

  async #apply(view: KnownView, steps: readonly Step[]): Promise<void> {
    const { cache, clock, executor, queue, status } = this.#parts;
    const batch = firstBatch(steps);
    if (batch.length === 0) return;
    cache.beginBatch(batch);
    const outcomes = await executor.execute(batch, view);
    const changed = cache.endBatch(outcomes);
    this.#recordOutcomes(outcomes);
    const keys = batch.map(({ object }) => objectKey(object));
    this.#markStale(keys);
    this.onChanged(changed);
    queue.add([...obsoleteRules(view, batch), ...obsoleteLeads(view, batch)]);
    status.checkRepairs(this.#view(), keys);
    const isMissing = outcomes.some(({ kind }) => kind === 'device-missing');
    if (isMissing || batch.some(({ object }) => object.kind === 'link'))
      queue.requestResync('link', clock.nowMs());
    this.#recordAnswers(outcomes);
  }

  #recordOutcomes(outcomes: readonly StepOutcome[]): void {
    const { clock, gate, status } = this.#parts;
    for (const outcome of outcomes) status.onOutcome(outcome, gate.recordOutcome(outcome, clock.nowMs()));
  }

  #recordAnswers(outcomes: readonly StepOutcome[]): void {
    const { clock, queue, status } = this.#parts;
    const open = outcomes.find((outcome) => outcome.kind === 'unanswered');
    if (open === undefined) queue.onAnswered();
    else status.onUnanswered(open.message, queue.onUnanswered(clock.nowMs()));
  }

  // ---- marking -------------------------------------------------------------------------------

  #onDrift(key: ObjectKey): void {
    const { cache, clock, desired, executor, gate, queue, status } = this.#parts;
    const object = desired.objects.get(key) ?? cache.state?.objects.get(key);
    if (object === undefined) return;
    // Its device got the file only now: the kernel's own value, and no other program's.
    if (isSetting(object) && executor.isRejected(object)) return queue.add([key]);
    const nowMs = clock.nowMs();
    const { mustWait, isFirst } = gate.recordDrift(key, nowMs);
    status.onDrift({ key, object, isContested: isFirst, nowMs });
    this.#markStale([key]);
    if (!mustWait) queue.add([key]);
  }

  #markStale(keys: Iterable<ObjectKey>): void {
    for (const key of keys) this.#parts.status.markStale(this.#parts.desired.claimantsOf(key));
  }

  #onRecovered(owners: readonly Owner[]): void {
    for (const owner of owners) this.#parts.gate.forgetFailure(owner);
  }

  get #planOptions(): { readonly replaceLinks: ReadonlySet<ObjectKey> } {
    return { replaceLinks: this.#parts.executor.replaceLinks };
  }

  #view(): View {
    const { cache, clock, desired, gate } = this.#parts;
    return { desired, cached: cache.state, gate, nowMs: clock.nowMs() };
  }
}

function isKnown(view: View): view is KnownView {
  return view.cached !== undefined;
}
