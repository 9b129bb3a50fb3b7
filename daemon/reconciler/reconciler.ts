// Makes the kernel equal to what is desired, and keeps it so. Level-triggered: what comes in (host, peers, notices, a slow
// timer) only marks keys dirty or asks for a full read; one run at a time takes what is dirty, compares desired objects
// with the cached of the kernel, applies the steps and records what the kernel confirmed.
//
//   idle ──dirty key──► diff of those keys ──► apply ──► record results ──► idle, or again
//   idle ──start, overrun, interfaces, link step, no answer, timer──► read all ──► diff of everything ──► apply …
//
// It knows no backend and reads no lease. Stopping removes nothing.
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Ownership, PeerState } from '../../backends/backend.ts';
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey, SettingObject } from '../../backends/kernel-state.ts';
import type { ActualObject } from '../kernel/actual.ts';
import type { Kernel, KernelNotification, Step } from '../kernel/kernel.ts';
import { DesiredState, HOST } from './desired-state.ts';
import type { DesiredChange, Owner } from './desired-state.ts';
import { DriftDetector } from './drift-detector.ts';
import { RetryGate } from './retry-gate.ts';
import { KernelCache } from './kernel-cache.ts';
import type { CachedState } from './cached-state.ts';
import { ManagedScope } from './managed-scope.ts';
import { ResyncSchedule } from './resync-schedule.ts';
import { ResyncQueue } from './resync-queue.ts';
import { StatusReporter } from './status-reporter.ts';
import { newCounters } from './status.ts';
import type {
  PeerStatus,
  ReconcilerEvent,
  ReconcilerStatus,
  ResyncReason,
  StatusSummary,
  Emit,
} from './status.ts';
import { firstBatch, Planner } from './planner.ts';
import { Executor } from './executor.ts';
import type { BatchOutcome } from './executor.ts';

export interface ReconcilerOptions {
  readonly kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'readFeature' | 'apply'>;
  readonly clock: Clock;
  /** Default `Math.random`. */
  readonly random?: Random;
  /**
   * Mean time between looks without any other cause, in ms; default 60 000; each is up to 10 % earlier or later. A look
   * reads everything, or, while that finds nothing, sysctls alone, of which there are no notices, and everything at
   * every second look, fourth, and so on up to the tenth.
   */
  readonly resyncIntervalMs?: number;
  /** Called after each run that changed the sums. Must not throw. */
  readonly onChange?: (summary: StatusSummary) => void;
  /** Called after each run that left nothing to do. Must not throw. */
  readonly onSettled?: () => void;
  /** What is worth a log line. Must not throw. */
  readonly onEvent?: (event: ReconcilerEvent) => void;
}

const RESYNC_INTERVAL_MS = 60_000;
/** Longest wait of {@link Reconciler.stop} for steps on devices, in ms: far from the second that ending may take. */
const STOP_GRACE_MS = 300;
/** A failed step on a device may itself cause a notice of that device, which is no reason to try again. */
const SELF_NOTIFICATION_MS = 250;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #clock: Clock;
  readonly #desired = new DesiredState();
  readonly #scope = new ManagedScope();
  readonly #gate: RetryGate;
  readonly #counters = newCounters();
  readonly #reads: ResyncQueue;
  readonly #periodic: ResyncSchedule;
  readonly #planner: Planner;
  readonly #drift: DriftDetector;
  readonly #dirty = new Set<ObjectKey>();
  readonly #cache: KernelCache;
  readonly #reporter: StatusReporter;
  readonly #recorder: Executor;
  #readError: string | undefined;
  #phase: 'new' | 'started' | 'stopped' = 'new';
  #isComplete = false;
  #isScheduled = false;
  #isRunning = false;
  #run: Promise<void> = Promise.resolve();
  #cancelTimer: () => void = () => {};

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#clock = options.clock;
    const { random = Math.random, resyncIntervalMs = RESYNC_INTERVAL_MS } = options;
    this.#gate = new RetryGate(this.#desired, random);
    this.#reads = new ResyncQueue(this.#clock, random);
    this.#periodic = new ResyncSchedule(resyncIntervalMs, random);
    this.#cache = new KernelCache(options);
    const { onChange, onEvent } = options;
    const shared = { desired: this.#desired, gate: this.#gate, clock: this.#clock };
    this.#reporter = new StatusReporter({ ...shared, cache: this.#cache, onChange, onEvent });
    const emit: Emit = (...event) => this.#reporter.emit(...event);
    this.#recorder = new Executor({ ...shared, counters: this.#counters, emit });
    this.#planner = new Planner({ ...shared, recorder: this.#recorder });
    this.#drift = new DriftDetector({
      ...shared,
      kernel: options.kernel,
      cache: this.#cache,
      reporter: this.#reporter,
      counters: this.#counters,
      dirty: this.#dirty,
    });
  }

  /** What notices and reads must cover; unset before the first {@link setHost}. The same object while nothing changed. */
  get ownership(): Ownership | undefined {
    return this.#scope.ownership;
  }

  // ---- inputs -----------------------------------------------------------------------------------------------------

  /**
   * Sets the host's own objects and what is this daemon's in the kernel. To be called again whenever facts about the host
   * changed: whatever failed before is tried again at once. What an earlier ownership covered is still cleaned up.
   */
  setHost(ownership: Ownership, objects: readonly KernelObject[]): void {
    if (this.#scope.set(ownership) && this.#phase === 'started') this.#requestRead('ownership');
    this.#gate.expedite(this.#clock.nowMs());
    for (const key of this.#gate.takeDue(this.#clock.nowMs())) this.#dirty.add(key);
    const change = this.#desired.set(HOST, objects);
    if (this.#isOtherDevice(this.#gate.failureOf(HOST)?.object)) this.#gate.forgetFailure(HOST);
    this.#mark(HOST, change);
  }

  /** Sets what leads to one peer, or why nothing can. */
  setPeer(key: string, state: PeerState): void {
    this.#reporter.setPeer(key, state);
    const change = this.#desired.set(key, state.objects);
    // Another wish is another try.
    if (change.keys.size > 0) this.#gate.forgetFailure(key);
    this.#mark(key, change);
  }

  removePeer(key: string): void {
    this.#reporter.removePeer(key);
    this.#gate.forgetFailure(key);
    this.#mark(key, this.#desired.set(key, []));
  }

  /** Declares that every peer has been set once; from now on what nobody wants is removed. */
  markComplete(): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    if (this.#phase === 'started') this.#requestRead('start');
  }

  /** Takes a notice of the kernel; for `Kernel.subscribe`. */
  handleNotification(notification: KernelNotification): void {
    if (this.#phase !== 'started') return;
    switch (notification.kind) {
      case 'object':
        return this.#noticeObject(notification.key, notification.object);
      case 'interfaces':
        return this.#noticeInterfaces(notification.names);
      case 'overrun':
        this.#counters.overruns++;
        this.#cache.onOverrun();
        return this.#requestRead('overrun');
      case 'underlay-route':
      case 'forward-policy':
        // Whoever derives the desired state asks for other objects, if that changes any.
        return undefined;
    }
  }

  /** Reads everything and repairs what differs. */
  resync(reason: ResyncReason = 'request'): void {
    if (this.#phase === 'started') this.#requestRead(reason);
  }

  // ---- life cycle -------------------------------------------------------------------------------------------------

  /** Begins to work; the kernel's notices should be subscribed to before. */
  start(): void {
    if (this.#phase !== 'new') return;
    this.#phase = 'started';
    this.#periodic.plan(this.#clock.nowMs());
    this.#requestRead('start');
  }

  /**
   * Ends timers. Waits for steps on devices, but not for ever: half-done they would leave the host without its device.
   * Entries that are missing only wait for the next start. Removes nothing.
   */
  async stop(): Promise<void> {
    this.#phase = 'stopped';
    this.#cancelTimer();
    if (!this.#cache.isChangingLinks) return;
    let cancelGrace = (): void => {};
    const grace = new Promise<void>((resolve) => {
      cancelGrace = this.#clock.setTimer(STOP_GRACE_MS, resolve);
    });
    await Promise.race([this.#run, grace]);
    cancelGrace();
  }

  /** Nothing is dirty and no run is under way: everything is in the kernel or reported as an error. */
  get isSettled(): boolean {
    return (
      this.#phase === 'started' &&
      this.#cache.cached !== undefined &&
      !this.#isRunning &&
      !this.#isScheduled &&
      this.#reads.reason === undefined &&
      this.#dirty.size === 0 &&
      !this.#gate.hasContestedWaits
    );
  }

  // ---- reports ----------------------------------------------------------------------------------------------------

  status(): ReconcilerStatus {
    return {
      ...this.summary(),
      peerStatus: this.#reporter.peers,
      counters: structuredClone(this.#counters),
    };
  }

  /** What the kernel should hold. */
  get desired(): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#desired.objects;
  }

  /** What the kernel holds as far as known; unset before the first read. */
  get known(): Pick<CachedState, 'objects' | 'foreignLinks'> | undefined {
    return this.#cache.cached;
  }

  /** Who wants what the kernel should hold under `key`. */
  ownerOf(key: ObjectKey): Owner | undefined {
    return this.#desired.ownerOf(key);
  }

  /** What `owner` ({@link HOST}, or a peer's key) wants. */
  objectsOf(owner: Owner): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#desired.objectsOf(owner);
  }

  peerStatus(key: string): PeerStatus | undefined {
    return this.#reporter.peers.get(key);
  }

  summary(): StatusSummary {
    return this.#reporter.summary(this.#isComplete, this.#readError);
  }

  // ---- marking ----------------------------------------------------------------------------------------------------

  #mark(owner: Owner, change: DesiredChange): void {
    for (const key of change.keys) this.#dirty.add(key);
    this.#reporter.computeStatus(owner);
    for (const other of change.owners) this.#reporter.computeStatus(other);
    this.#schedule();
  }

  /** Whether a device of another type is wanted in the place of `failed`: another wish is another try. */
  #isOtherDevice(failed: KernelObject | undefined): boolean {
    if (failed?.kind !== 'link') return false;
    const want = this.#desired.objects.get(objectKey(failed));
    return want?.kind === 'link' && want.type !== failed.type;
  }

  #noticeObject(key: ObjectKey, object: ActualObject | undefined): void {
    if (!this.#cache.record(key, object)) return;
    this.#drift.markIfChanged(key);
    this.#schedule();
  }

  #noticeInterfaces(names: readonly string[]): void {
    const isRelevant = (name: string): boolean =>
      this.#scope.concerns(name) || this.#desired.usesDevice(name);
    if (this.#cache.isChangingLinks || (names.length > 0 && !names.some(isRelevant))) return;
    const nowMs = this.#clock.nowMs();
    this.#gate.expedite(nowMs, SELF_NOTIFICATION_MS);
    this.#reads.requestForInterfaces();
    this.#schedule();
  }

  #requestRead(reason: ResyncReason): void {
    this.#reads.request(reason);
    this.#schedule();
  }

  // ---- the loop ---------------------------------------------------------------------------------------------------

  #schedule(): void {
    if (this.#phase !== 'started' || this.#isScheduled || this.#isRunning) return;
    this.#isScheduled = true;
    // Later than the caller's own loop over peers, earlier than any timer.
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#phase === 'started') this.#run = this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isRunning = true;
    const startedMs = this.#clock.nowMs();
    let hasWorked = false;
    while (this.#phase === 'started' && this.#hasWork()) {
      hasWorked = true;
      this.#reporter.report();
      const { isDue, reason } = this.#reads;
      if (isDue && reason !== undefined) await this.#workOnAll(reason);
      else await this.#workOnDirty();
    }
    this.#reporter.report();
    if (hasWorked) this.#countRun(startedMs);
    this.#isRunning = false;
    if (this.#phase !== 'started') return;
    this.#armTimer();
    this.#reporter.emitSummary(this.summary());
    if (this.isSettled) this.#options.onSettled?.();
  }

  #hasWork(): boolean {
    if (this.#scope.ownership === undefined) return false;
    const { isDue, reason } = this.#reads;
    if (isDue) return true;
    // Devices may have changed: what is dirty waits for the read, unless that is not to be had.
    if (reason !== undefined && reason !== 'unknown') return false;
    return this.#cache.cached !== undefined && this.#dirty.size > 0;
  }

  #countRun(startedMs: number): void {
    this.#counters.runs++;
    this.#counters.lastRunMs = this.#clock.nowMs();
    this.#counters.lastDurationMs = this.#clock.nowMs() - startedMs;
    this.#counters.busyMs += this.#counters.lastDurationMs;
  }

  async #workOnDirty(): Promise<void> {
    const cached = this.#cache.cached;
    if (cached === undefined) return;
    const keys = [...this.#dirty];
    this.#dirty.clear();
    for (const key of keys) this.#reporter.markStale(key);
    await this.#apply(cached, this.#plan(cached, keys));
  }

  async #workOnAll(reason: ResyncReason): Promise<void> {
    this.#reads.take();
    this.#counters.resyncs[reason]++;
    const cached = await this.#readAll();
    if (cached === undefined) return;
    this.#drift.find(cached);
    this.#cache.replace(cached);
    this.#dirty.clear();
    this.#gate.prune(cached, this.#clock.nowMs());
    this.#reporter.markAllStale();
    this.#reporter.checkRepairs();
    const steps = this.#plan(cached);
    this.#reporter.reportOrphans(steps);
    if (reason === 'timer') this.#periodic.onResult(steps.length > 0);
    // What an earlier ownership covered is empty once a read of it asks for nothing.
    if (steps.length === 0 && this.#isComplete) this.#scope.forgetFormer(this.#desired.objects.values());
    await this.#apply(cached, steps);
  }

  /** Everything as it is now; `undefined` if the kernel would not tell. */
  async #readAll(): Promise<CachedState | undefined> {
    const { ownership } = this.#scope;
    if (ownership === undefined) return undefined;
    const wanted = [...this.#desired.objectsOf(HOST).values()].filter(isSetting);
    try {
      const cached = await this.#cache.read(ownership, [...wanted, ...this.#obsoleteFeatures()]);
      for (const setting of wanted) this.#recorder.skipRejectedSetting(cached, setting);
      this.#reads.onSuccess();
      this.#readError = undefined;
      return cached;
    } catch (error) {
      this.#onReadFailure(error);
      return undefined;
    }
  }

  /** Features that nobody wants any more and that were not given back yet: no table tells of them. */
  #obsoleteFeatures(): readonly SettingObject[] {
    const known = [...(this.#cache.cached?.objects.values() ?? [])];
    return known.filter(
      (object) => object.kind === 'feature' && !this.#desired.objects.has(objectKey(object)),
    ) as SettingObject[];
  }

  #onReadFailure(error: unknown): void {
    this.#readError = error instanceof Error ? error.message : String(error);
    if (this.#reads.onFailure()) this.#reporter.emit('KERNEL_READ_FAILED', 'error', { error });
    this.#schedule();
  }

  #plan(cached: CachedState, keys?: readonly ObjectKey[]): Step[] {
    return this.#planner.plan(cached, this.#clock.nowMs(), this.#isComplete, keys);
  }

  // ---- applying ---------------------------------------------------------------------------------------------------

  async #apply(cached: CachedState, steps: readonly Step[]): Promise<void> {
    const batch = firstBatch(steps);
    if (batch.length === 0) return;
    let answer: BatchOutcome = {};
    const changed = await this.#cache.apply(batch, (results) => {
      answer = this.#recorder.record(cached, results);
    });
    const keys = batch.map(({ object }) => objectKey(object));
    for (const key of keys) this.#reporter.markStale(key);
    for (const key of changed) this.#drift.markIfChanged(key);
    for (const key of this.#planner.obsoleteRules(cached, batch)) this.#dirty.add(key);
    this.#reporter.checkRepairs(keys);
    if (answer.isDeviceGone === true || batch.some(({ object }) => object.kind === 'link'))
      this.#requestRead('link');
    this.#onNoAnswer(answer.open);
  }

  #onNoAnswer(message: string | undefined): void {
    if (message === undefined) return this.#reads.onAnswers();
    const times = this.#reads.onNoAnswer();
    this.#reporter.emit('KERNEL_NO_ANSWER', 'warn', { message, times });
    this.#schedule();
  }

  // ---- timers -------------------------------------------------------------------------------------------------------

  #armTimer(): void {
    this.#cancelTimer();
    const nowMs = this.#clock.nowMs();
    const dueMs = Math.min(
      this.#periodic.nextMs,
      // Before the first `setHost` there is nothing to read, however long it has been due.
      (this.#scope.ownership && this.#reads.atMs) ?? Infinity,
      this.#gate.nextDueMs ?? Infinity,
      this.#cache.nextDueMs ?? Infinity,
    );
    this.#cancelTimer = this.#clock.setTimer(Math.max(0, dueMs - nowMs), () => this.#onTimer());
  }

  #onTimer(): void {
    const nowMs = this.#clock.nowMs();
    for (const key of this.#gate.takeDue(nowMs)) this.#dirty.add(key);
    for (const key of this.#cache.takeOverdue()) this.#drift.markIfChanged(key);
    const due = this.#periodic.take(nowMs);
    if (due === 'everything') this.#reads.request('timer');
    if (due === 'sysctls') void this.#drift.checkSysctls().then(() => this.#schedule());
    this.#schedule();
  }
}
