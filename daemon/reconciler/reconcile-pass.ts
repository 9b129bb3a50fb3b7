// Passes over the work queue: reads, plans, applies one batch, and passes the outcomes to the
// parts. Each part owns its data; they meet here only, as arguments and results.
//
//   queue ──work──► cache (read) ──view──► planner ──steps──► executor ──outcomes──► cache, gate, status
//     ▲                                                          │
//     └───────── drift, retries, resync requests ◄───────────────┘
//
// Comparing thousands of objects, the steps of such a comparison and the states that follow are cut in slices and batches.
// A key that changes between two of them is in the queue, which comes first: its planned step is dropped, and it is compared
// again. A full read replaces what is planned. While the reconciler is held nothing is planned, as what is desired is not whole.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SettingObject, SysctlObject } from '../../backends/kernel-state.ts';
import type { Step } from '../kernel/kernel.ts';
import type { CachedState } from './cache/cached-state.ts';
import type { ResyncReason } from './status/counters.ts';
import type { Owner } from './desired-state.ts';
import { findDrift } from './drift-detector.ts';
import { firstBatch, hasOrphans, plan, planInSlices } from './planner.ts';
import type { PlanOptions } from './planner.ts';
import { OutcomeRecorder, viewOf, type SentBatch } from './outcome-recorder.ts';
import { PlannedSteps } from './queue/planned-steps.ts';
import { UrgentKeys } from './queue/urgent-keys.ts';
import { readRequestOf, wantedSettings } from './cache/read-request.ts';
import type { ReconcilerParts } from './reconciler-parts.ts';
import type { KnownView, View } from './view.ts';
import type { Work } from './queue/work-queue.ts';

export class ReconcilePass {
  readonly #parts: ReconcilerParts;
  readonly #recorder: OutcomeRecorder;
  /** Steps that are left of the last comparison of many keys. */
  #planned: PlannedSteps | undefined;
  readonly #urgent = new UrgentKeys();
  #hold: { readonly released: Promise<void>; readonly release: () => void } | undefined;
  /** The last batch that was sent: the kernel does it while the next is made. */
  #sent: SentBatch | undefined;
  /** Start of the current run, that is since the queue was last empty. */
  #startedMs: number | undefined;
  /** Earliest deadline when the queue was last empty. */
  #wakeAtMs = Infinity;

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
    this.#recorder = new OutcomeRecorder(parts);
  }

  /** Does one item of work. Resolves to whether there was one. */
  async step(): Promise<boolean> {
    const { cache, clock, desired, queue, scope, slices, status } = this.#parts;
    this.#queueDue();
    // An owner's objects are in several batches of a plan.
    if (!this.#hasPlanned) this.#onRecovered(status.report(this.#view(), slices.owners));
    const known = {
      hasState: cache.state !== undefined,
      hasPlanned: this.#hasPlanned,
      isComplete: desired.isComplete,
    };
    const nextKind = queue.next(clock.nowMs(), known);
    // Nothing but the next batch of a plan is done while one is at the kernel.
    if (this.#hold !== undefined || nextKind !== 'planned') await this.#receive();
    // Before the first `setHost` there is nothing to read.
    if (scope.ownership === undefined || this.#hold !== undefined) return false;
    const work = queue.take(clock.nowMs(), { ...known, hasPlanned: this.#hasPlanned });
    if (work === undefined) return this.#hasReport();
    if (work.kind !== 'sysctls') this.#startedMs ??= clock.nowMs();
    await this.#do(work);
    return true;
  }

  /** The objects of a peer that left: removed while a full read or a long comparison goes on, not after it. */
  hurry(keys: Iterable<ObjectKey>): void {
    this.#urgent.add(keys);
  }

  /** States that are left to compute have a turn of their own. */
  async #hasReport(): Promise<boolean> {
    if (this.#hasPlanned || !this.#parts.status.isStale) return false;
    await nextTurn();
    return true;
  }

  /** Whether {@link hold} is in force. */
  get isHeld(): boolean {
    return this.#hold !== undefined;
  }

  /** What is desired is being changed as a whole: nothing of it is planned until {@link release}. */
  hold(): void {
    if (this.#hold !== undefined) return;
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    this.#hold = { released, release };
  }

  release(): void {
    this.#hold?.release();
    this.#hold = undefined;
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
    this.#recorder.onChanged(keys);
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
    this.#recorder.onChanged(cache.takeOverdue());
    queue.queueDue(nowMs);
  }

  /** Whether steps of a plan are to be sent, or were sent and have no outcome yet. */
  get #hasPlanned(): boolean {
    return this.#planned !== undefined || this.#sent !== undefined;
  }

  #do(work: Work): Promise<void> {
    switch (work.kind) {
      case 'resync':
        return this.#resync(work.reason);
      case 'sysctls':
        return this.#checkSysctls();
      case 'keys':
        return this.#syncKeys(work.keys);
      case 'planned':
        return nextTurn().then(() => this.#applyPlanned());
    }
  }

  async #syncKeys(keys: readonly ObjectKey[]): Promise<void> {
    this.#urgent.clear();
    this.#recorder.markStale(keys);
    const view = this.#view();
    if (!isKnown(view)) return;
    this.#planned?.supersede(keys);
    if (keys.length <= this.#parts.slices.steps)
      return this.#apply(view, firstBatch(plan(view, { ...this.#planOptions, keys })));
    const steps = await this.#serving(planInSlices(view, { ...this.#planOptions, keys }));
    if (this.#planned !== undefined && steps[0]?.object.kind !== 'link') return this.#planned.append(steps);
    await this.#begin(view, steps);
  }

  /**
   * Compares some of the keys that follow what is planned, and appends their steps, so that the kernel is never without work.
   * What is at the kernel is compared later.
   */
  #planMore(view: KnownView, planned: PlannedSteps): void {
    const { clock, desired, queue, slices } = this.#parts;
    if (!queue.canFollow(desired.isComplete)) return;
    const sent = new Set(this.#sent?.steps.map(({ object }) => objectKey(object)));
    const ownerOf = (key: ObjectKey): Owner | undefined => desired.ownerOf(key);
    const keys = queue.takeKeys(2 * slices.steps, (key) => !sent.has(key), ownerOf);
    this.#recorder.markStale(keys);
    const steps = plan(view, { ...this.#planOptions, keys });
    planned.supersede(keys);
    if (steps[0]?.object.kind !== 'link') return planned.append(steps);
    // A device comes before what is on it, and a full read plans all of it again, once there is one.
    this.#planned = undefined;
    queue.add(keys);
    queue.requestResync('link', clock.nowMs());
  }

  #serving<Result>(work: Promise<Result>): Promise<Result> {
    return this.#urgent.during(work, (keys) => this.#removeNow(keys));
  }

  /** The keys stay dirty, so that planned steps of theirs are dropped, and they are compared again. */
  async #removeNow(keys: readonly ObjectKey[]): Promise<void> {
    const view = this.#view();
    if (!isKnown(view) || this.#hold !== undefined || keys.length > this.#parts.slices.steps) return;
    const steps = plan(view, { ...this.#planOptions, keys });
    await this.#apply(
      view,
      steps.filter(({ action, object }) => action === 'remove' && object.kind !== 'link'),
    );
  }

  /** Takes the steps of a comparison of many keys. Links go first, and a full read follows them. */
  async #begin(view: KnownView, steps: readonly Step[]): Promise<void> {
    const batch = firstBatch(steps);
    if (steps[0]?.object.kind === 'link') return this.#applyLinks(view, batch);
    const ownerOf = (key: ObjectKey): Owner | undefined => view.desired.ownerOf(key);
    this.#planned = new PlannedSteps(batch, this.#parts.slices.steps, ownerOf);
    await this.#applyPlanned();
  }

  /** A full read follows steps on links. If none is left, or while held, it is requested, and plans all again. */
  async #applyLinks(view: KnownView, steps: readonly Step[]): Promise<void> {
    const { clock, queue } = this.#parts;
    const batch = this.isHeld ? [] : steps.filter(({ object }) => !queue.isDirty(objectKey(object)));
    if (batch.some(({ object }) => object.kind === 'link')) return this.#apply(view, batch);
    queue.requestResync('link', clock.nowMs());
  }

  /** Sends the next batch, then records the one before. Only entries overlap: nothing else depends on the order of outcomes. */
  async #applyPlanned(): Promise<void> {
    const view = this.#view();
    const planned = this.#planned;
    const { queue } = this.#parts;
    // A hold may have begun while they were planned.
    if (planned === undefined || !isKnown(view) || this.#hold !== undefined) return this.#receive();
    this.#planMore(view, planned);
    const { areEntries } = planned;
    // What takes the place of an entry may be among the keys that are not compared yet.
    const mustPlan = planned.areRemovals && queue.canFollow(true);
    if (this.#planned === undefined || mustPlan || (!areEntries && this.#sent !== undefined))
      return this.#receive();
    const former = this.#sent;
    this.#sent = this.#send(
      view,
      planned.take((key) => queue.isDirty(key)),
      planned.failed,
    );
    if (planned.isEmpty) this.#planned = undefined;
    await this.#recorder.record(former);
    if (!areEntries || this.#planned === undefined) await this.#receive();
  }

  async #checkSysctls(): Promise<void> {
    const { cache, desired, executor } = this.#parts;
    const isWritable = (setting: SettingObject): setting is SysctlObject =>
      setting.kind === 'sysctl' && !executor.isReadOnly(setting);
    this.#recorder.onChanged(await cache.readSysctls(wantedSettings(desired).filter(isWritable)));
  }

  async #resync(reason: ResyncReason): Promise<void> {
    const { cache, clock, desired, gate, queue, scope, slices, status } = this.#parts;
    status.counters.onResync(reason);
    const state = await this.#read();
    if (state === undefined) return;
    const before = this.#view();
    this.#planned = undefined;
    // At once: notifications that arrive from now on change what was read.
    cache.replace(state);
    const drift = findDrift(before, state, slices.objects, (key) => {
      if (queue.isDirty(key)) this.#recorder.markStale([key]);
      else this.#recorder.onDrift(key);
    });
    await this.#serving(drift);
    // It may have begun in any turn so far. Nothing is awaited between here and the plan.
    while (this.#hold !== undefined) await this.#hold.released;
    // All keys are compared from now on, those that are dirty among them.
    queue.onRead(clock.nowMs());
    gate.prune(state.objects, desired.objects, clock.nowMs());
    status.onCompared(before.cached !== undefined);
    const view: KnownView = { ...this.#view(), cached: state };
    status.checkRepairs(view);
    const steps = await this.#serving(planInSlices(view, this.#planOptions));
    status.onPlanned(steps, desired);
    if (reason === 'timer') queue.onPeriodicResync(steps.length > 0);
    // What an earlier ownership covered is empty once a read of it finds nothing that is to go, now or after a wait.
    if (steps.length === 0 && desired.isComplete && scope.hasFormer && !hasOrphans(view))
      scope.forgetFormer(desired.objects.values());
    await this.#begin(view, steps);
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
      const state = await this.#serving(cache.read(request));
      status.onRead();
      return state;
    } catch (error) {
      status.onReadFailure(error, queue.onReadFailure(clock.nowMs()));
      return undefined;
    }
  }

  #apply(view: KnownView, batch: readonly Step[], failed?: Set<string>): Promise<void> {
    return this.#recorder.record(this.#send(view, batch, failed));
  }

  #send(view: KnownView, steps: readonly Step[], failed?: Set<string>): SentBatch | undefined {
    const { cache, executor } = this.#parts;
    if (steps.length === 0) return undefined;
    cache.beginBatch(steps);
    return { view, steps, outcomes: executor.execute(steps, view, failed) };
  }

  /** Waits for the batch that was sent, if there is one. */
  #receive(): Promise<void> {
    const sent = this.#sent;
    this.#sent = undefined;
    return this.#recorder.record(sent);
  }

  #onRecovered(owners: readonly Owner[]): void {
    for (const owner of owners) this.#parts.gate.forgetFailure(owner);
  }

  get #planOptions(): Pick<PlanOptions, 'replaceLinks' | 'size'> {
    const { executor, slices } = this.#parts;
    return { replaceLinks: executor.replaceLinks, size: slices.objects };
  }

  #view(): View {
    return viewOf(this.#parts);
  }
}

function isKnown(view: View): view is KnownView {
  return view.cached !== undefined;
}
