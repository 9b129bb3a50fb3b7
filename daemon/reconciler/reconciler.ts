// Makes the kernel equal to what is desired, and keeps it so. Level-triggered: what comes in (host, peers, notices, a slow
// timer) only marks keys dirty or asks for a full read; one run at a time takes what is dirty, compares desired objects
// with the mirror of the kernel, applies the steps and records what the kernel confirmed.
//
//   idle ──dirty key──► diff of those keys ──► apply ──► record results ──► idle, or again
//   idle ──start, overrun, interfaces, link step, no answer, timer──► read all ──► diff of everything ──► apply …
//
// It knows no backend and reads no lease. Stopping removes nothing.
import type { Random } from '../../allocator/backoff.ts';
import type { Clock } from '../../allocator/clock.ts';
import type { Ownership, PeerState } from '../../backends/backend.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { ActualObject } from '../kernel/actual.ts';
import type { Kernel, KernelNotice, Step, StepResult } from '../kernel/kernel.ts';
import { Damper } from './damper.ts';
import { DesiredState, HOST } from './desired-state.ts';
import type { DesiredChange, Owner } from './desired-state.ts';
import { diff, isInSync } from './diff.ts';
import { retryDelayMs } from './failures.ts';
import { Holds } from './holds.ts';
import { judgeOwner } from './judge-owner.ts';
import { Mirror } from './mirror.ts';
import { OwnedScope } from './owned-scope.ts';
import { newCounters } from './reports.ts';
import type {
  EventCode,
  PeerStatus,
  ReconcilerEvent,
  ReconcilerStatus,
  ResyncReason,
  StatusSummary,
} from './reports.ts';
import { StatusBook } from './status-book.ts';
import { StepRecorder } from './step-recorder.ts';
import { Waiters } from './waiters.ts';

export interface ReconcilerOptions {
  readonly kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'apply'>;
  readonly clock: Clock;
  /** Default `Math.random`. */
  readonly random?: Random;
  /** Mean time between full reads without any other cause, in ms; default 60 000; each is up to 10 % earlier or later. */
  readonly resyncIntervalMs?: number;
  /** Called after each run that changed the sums. Must not throw. */
  readonly onChange?: (summary: StatusSummary) => void;
  /** What is worth a log line. Must not throw. */
  readonly onEvent?: (event: ReconcilerEvent) => void;
}

const RESYNC_INTERVAL_MS = 60_000;
const RESYNC_JITTER = 0.1;
/** Longest wait of {@link Reconciler.stop} for a run under way, in ms. */
const STOP_GRACE_MS = 1_000;
/** Interfaces that change all the time must not make the daemon read all tables all the time. */
const READ_DAMPING = { freeCount: 8, windowMs: 2_000, firstMs: 20, capMs: 500 };
/** Objects that a log line names; there may be thousands. */
const NAMED_OBJECTS = 5;

/** Keys that are being read or changed just now, and what notices said about them meanwhile. */
interface InFlight {
  /** Unset while everything is being read. */
  readonly keys?: ReadonlySet<ObjectKey>;
  readonly notices: Map<ObjectKey, ActualObject | undefined>;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #desired = new DesiredState();
  readonly #peers = new Map<string, PeerState>();
  readonly #scope = new OwnedScope();
  readonly #holds: Holds;
  readonly #counters = newCounters();
  readonly #book: StatusBook;
  readonly #readDamper = new Damper(READ_DAMPING);
  readonly #dirty = new Set<ObjectKey>();
  /** Owners whose state has to be judged anew at the end of the run. */
  readonly #touched = new Set<Owner>();
  readonly #waiters = new Waiters();
  readonly #recorder: StepRecorder;
  #mirror: Mirror | undefined;
  #inFlight: InFlight | undefined;
  #drifted: ObjectKey[] = [];
  #read: { readonly reason: ResyncReason; readonly atMs: number } | undefined;
  #readFailures = 0;
  #noAnswers = 0;
  #readError: string | undefined;
  #nextResyncMs = Infinity;
  #phase: 'new' | 'started' | 'stopped' = 'new';
  #isComplete = false;
  #isScheduled = false;
  #isRunning = false;
  #run: Promise<void> = Promise.resolve();
  #cancelTimer: () => void = () => {};
  #lastSummary = '';

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.#holds = new Holds(this.#desired, this.#random);
    this.#book = new StatusBook(this.#clock.nowMs());
    this.#recorder = new StepRecorder({
      desired: this.#desired,
      holds: this.#holds,
      counters: this.#counters,
      clock: this.#clock,
      tell: (...event) => this.#tell(...event),
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
    this.#holds.hurry(this.#clock.nowMs());
    for (const key of this.#holds.takeDue(this.#clock.nowMs())) this.#dirty.add(key);
    this.#mark(HOST, this.#desired.set(HOST, objects));
  }

  /** Sets what leads to one peer, or why nothing can. */
  setPeer(key: string, state: PeerState): void {
    this.#peers.set(key, state);
    const change = this.#desired.set(key, state.objects);
    // Another wish is another try.
    if (change.keys.size > 0) this.#holds.forgetFailure(key);
    this.#mark(key, change);
  }

  removePeer(key: string): void {
    this.#peers.delete(key);
    this.#book.delete(key);
    this.#holds.forgetFailure(key);
    this.#mark(key, this.#desired.set(key, []));
  }

  /** Declares that every peer has been set once; from now on what nobody wants is removed. */
  markComplete(): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    if (this.#phase === 'started') this.#requestRead('start');
  }

  /** Takes a notice of the kernel; for `Kernel.subscribe`. */
  notice(notice: KernelNotice): void {
    if (this.#phase !== 'started') return;
    switch (notice.type) {
      case 'object':
        return this.#noticeObject(notice.key, notice.object);
      case 'interfaces':
        return this.#noticeInterfaces(notice.names);
      case 'overrun':
        return this.#requestRead('overrun');
      case 'underlay-route':
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
    this.#planResync();
    this.#requestRead('start');
  }

  /** Ends timers and waits a moment for a run under way. Removes nothing. */
  async stop(): Promise<void> {
    this.#phase = 'stopped';
    this.#cancelTimer();
    this.#waiters.rejectAll(new Error('The reconciler has been stopped'));
    if (!this.#isRunning) return;
    let cancelGrace = (): void => {};
    const grace = new Promise<void>((resolve) => {
      cancelGrace = this.#clock.setTimer(STOP_GRACE_MS, resolve);
    });
    await Promise.race([this.#run, grace]);
    cancelGrace();
  }

  /**
   * Resolves when nothing is dirty and no run is under way: everything is in the kernel or reported as an error.
   * @throws the signal's reason as soon as it aborts, or an Error when the reconciler stops.
   */
  whenSettled(signal?: AbortSignal): Promise<void> {
    return this.isSettled ? Promise.resolve() : this.#waiters.wait(signal);
  }

  get isSettled(): boolean {
    return (
      this.#phase === 'started' &&
      this.#mirror !== undefined &&
      !this.#isRunning &&
      !this.#isScheduled &&
      this.#read === undefined &&
      this.#dirty.size === 0 &&
      !this.#holds.hasContestedWaits
    );
  }

  // ---- reports ----------------------------------------------------------------------------------------------------

  status(): ReconcilerStatus {
    return { ...this.summary(), peerStatus: this.#book.peers, counters: structuredClone(this.#counters) };
  }

  peerStatus(key: string): PeerStatus | undefined {
    return this.#book.peers.get(key);
  }

  summary(): StatusSummary {
    const { sinceMs: _sinceMs, ...host } = this.#book.host;
    return {
      peers: this.#peers.size,
      inSync: this.#book.count('in-sync'),
      pending: this.#book.count('pending'),
      errors: this.#book.count('error'),
      host,
      contested: this.#holds.contested(this.#clock.nowMs()),
      isComplete: this.#isComplete,
      ...(this.#readError === undefined ? {} : { readError: this.#readError }),
    };
  }

  // ---- marking ----------------------------------------------------------------------------------------------------

  #mark(owner: Owner, change: DesiredChange): void {
    for (const key of change.keys) this.#dirty.add(key);
    this.#judge(owner);
    for (const other of change.owners) this.#judge(other);
    this.#schedule();
  }

  #noticeObject(key: ObjectKey, object: ActualObject | undefined): void {
    const { keys, notices } = this.#inFlight ?? {};
    if (notices !== undefined && (keys === undefined || keys.has(key))) {
      // The answer to our own step may overtake or follow it; judged when that answer is here.
      notices.set(key, object);
      return;
    }
    this.#takeNotice(key, object);
    this.#schedule();
  }

  /** Records what a notice said, and marks the key if that is not what is desired. */
  #takeNotice(key: ObjectKey, object: ActualObject | undefined): void {
    if (this.#mirror === undefined) return;
    this.#mirror.record(key, object);
    if (!this.#isAsDesired(key) && !this.#dirty.has(key)) this.#recordDrift(key);
  }

  #noticeInterfaces(names: readonly string[]): void {
    const isRelevant = (name: string): boolean =>
      this.#scope.concerns(name) || this.#desired.usesDevice(name);
    if (names.length > 0 && !names.some(isRelevant)) return;
    const nowMs = this.#clock.nowMs();
    this.#holds.hurry(nowMs);
    this.#requestRead('interfaces', this.#readDamper.record('interfaces', nowMs));
  }

  #recordDrift(key: ObjectKey): void {
    const object = this.#desired.objects.get(key) ?? this.#mirror?.objects.get(key);
    if (object === undefined) return;
    this.#counters.drift[object.kind]++;
    this.#drifted.push(key);
    const { mustWait, isNews } = this.#holds.recordDrift(key, this.#clock.nowMs());
    if (isNews) this.#tell('KERNEL_CONTESTED', 'warn', { object: key });
    if (!mustWait) this.#dirty.add(key);
    for (const owner of this.#desired.claimantsOf(key)) this.#touched.add(owner);
  }

  #isAsDesired(key: ObjectKey): boolean {
    const want = this.#desired.objects.get(key);
    const have = this.#mirror?.objects.get(key);
    return want === undefined ? have === undefined : isInSync(want, have);
  }

  #requestRead(reason: ResyncReason, delayMs = 0): void {
    const atMs = this.#clock.nowMs() + delayMs;
    if (this.#read === undefined || atMs < this.#read.atMs) this.#read = { reason, atMs };
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
      this.#reportDrift();
      const read = this.#read;
      if (read !== undefined && read.atMs <= this.#clock.nowMs()) await this.#workOnAll(read.reason);
      else await this.#workOnDirty();
      this.#judgeTouched();
    }
    this.#reportDrift();
    this.#judgeTouched();
    if (hasWorked) this.#countRun(startedMs);
    this.#isRunning = false;
    if (this.#phase !== 'started') return;
    this.#armTimer();
    this.#tellSummary();
    if (this.isSettled) this.#waiters.resolveAll();
  }

  #hasWork(): boolean {
    if (this.#scope.ownership === undefined) return false;
    if (this.#read !== undefined && this.#read.atMs <= this.#clock.nowMs()) return true;
    // Devices may have changed: what is dirty waits for the read, unless that is not to be had.
    if (this.#read !== undefined && this.#read.reason !== 'unknown') return false;
    return this.#mirror !== undefined && this.#dirty.size > 0;
  }

  #countRun(startedMs: number): void {
    this.#counters.runs++;
    this.#counters.lastRunMs = this.#clock.nowMs();
    this.#counters.lastDurationMs = this.#clock.nowMs() - startedMs;
  }

  async #workOnDirty(): Promise<void> {
    const mirror = this.#mirror;
    if (mirror === undefined) return;
    const keys = [...this.#dirty];
    this.#dirty.clear();
    for (const key of keys) for (const owner of this.#desired.claimantsOf(key)) this.#touched.add(owner);
    await this.#apply(mirror, this.#diff(mirror, keys));
  }

  async #workOnAll(reason: ResyncReason): Promise<void> {
    this.#read = undefined;
    this.#counters.resyncs[reason]++;
    const mirror = await this.#readAll();
    if (mirror === undefined) return;
    this.#findDrift(mirror);
    this.#mirror = mirror;
    this.#dirty.clear();
    this.#holds.prune(mirror, this.#clock.nowMs());
    this.#readDamper.prune(this.#clock.nowMs());
    for (const owner of this.#peers.keys()) this.#touched.add(owner);
    this.#touched.add(HOST);
    const steps = this.#diff(mirror);
    this.#reportOrphans(steps);
    // What an earlier ownership covered is empty once a read of it asks for nothing.
    if (steps.length === 0 && this.#isComplete) this.#scope.forgetFormer();
    await this.#apply(mirror, steps);
  }

  /** Everything as it is now, notices of the time of reading included; `undefined` if the kernel would not tell. */
  async #readAll(): Promise<Mirror | undefined> {
    const { ownership } = this.#scope;
    if (ownership === undefined) return undefined;
    const inFlight: InFlight = { notices: new Map() };
    this.#inFlight = inFlight;
    try {
      const mirror = new Mirror(await this.#options.kernel.readState(ownership));
      await this.#readSysctls(mirror);
      for (const [key, object] of inFlight.notices) mirror.record(key, object);
      this.#readFailures = 0;
      this.#readError = undefined;
      return mirror;
    } catch (error) {
      this.#onReadFailure(error);
      return undefined;
    } finally {
      this.#inFlight = undefined;
    }
  }

  /** Sysctls are in no table: the few that are wanted are asked for by name. */
  async #readSysctls(mirror: Mirror): Promise<void> {
    for (const [key, object] of this.#desired.objectsOf(HOST)) {
      if (object.kind !== 'sysctl') continue;
      const value = await this.#options.kernel.readSysctl(object.path).catch(() => undefined);
      if (value !== undefined) mirror.record(key, { ...object, value });
      else if (this.#recorder.isSysctlRefused(key)) mirror.record(key, object);
    }
  }

  #onReadFailure(error: unknown): void {
    this.#readFailures++;
    this.#readError = error instanceof Error ? error.message : String(error);
    if (this.#readFailures === 1) this.#tell('KERNEL_READ_FAILED', 'error', { error });
    this.#requestRead('unknown', retryDelayMs(this.#readFailures, this.#random));
  }

  /** What was in place when last looked at and is not any more. */
  #findDrift(mirror: Mirror): void {
    const before = this.#mirror;
    if (before === undefined) return;
    for (const [key, want] of this.#desired.objects)
      if (!this.#dirty.has(key) && !isInSync(want, mirror.objects.get(key)))
        if (isInSync(want, before.objects.get(key))) this.#recordDrift(key);
  }

  #diff(mirror: Mirror, keys?: readonly ObjectKey[]): Step[] {
    const nowMs = this.#clock.nowMs();
    const isHeld = (object: KernelObject, key: ObjectKey): boolean =>
      (!this.#isComplete && !this.#desired.objects.has(key)) ||
      this.#holds.isHeld(object, key, mirror, nowMs);
    const { foreignLinks, objects } = mirror;
    const options = { foreignLinks, replaceLinks: this.#recorder.replaceLinks, isHeld };
    return diff(this.#desired.objects, objects, keys === undefined ? options : { ...options, keys });
  }

  // ---- applying ---------------------------------------------------------------------------------------------------

  async #apply(mirror: Mirror, steps: readonly Step[]): Promise<void> {
    const batch = firstBatch(steps);
    if (batch.length === 0) return;
    const inFlight: InFlight = {
      keys: new Set(batch.map(({ object }) => objectKey(object))),
      notices: new Map(),
    };
    this.#inFlight = inFlight;
    const results = await this.#send(batch);
    this.#inFlight = undefined;
    const open = this.#recorder.record(mirror, results);
    for (const { object } of batch)
      for (const owner of this.#desired.claimantsOf(objectKey(object))) this.#touched.add(owner);
    for (const [key, object] of inFlight.notices) this.#takeNotice(key, object);
    if (batch.some(({ object }) => object.kind === 'link')) this.#requestRead('link');
    this.#onNoAnswer(open);
  }

  async #send(batch: readonly Step[]): Promise<readonly StepResult[]> {
    try {
      return await this.#options.kernel.apply(batch);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return batch.map((step) => ({ step, ok: 'unknown', message }));
    }
  }

  /** Once is an overrun, which reading cures at once; again and again is something else. */
  #onNoAnswer(message: string | undefined): void {
    this.#noAnswers = message === undefined ? 0 : this.#noAnswers + 1;
    if (message === undefined) return;
    this.#tell('KERNEL_NO_ANSWER', 'warn', { message, times: this.#noAnswers });
    const delayMs = this.#noAnswers === 1 ? 0 : retryDelayMs(this.#noAnswers - 1, this.#random);
    this.#read = undefined;
    this.#requestRead('unknown', delayMs);
  }

  // ---- judging and telling ------------------------------------------------------------------------------------------

  #judgeTouched(): void {
    for (const owner of this.#touched) this.#judge(owner);
    this.#touched.clear();
  }

  #judge(owner: Owner): void {
    const nowMs = this.#clock.nowMs();
    const peer = this.#peers.get(owner);
    if (peer === undefined && owner !== HOST) return;
    const verdict = judgeOwner(owner, peer, {
      desired: this.#desired,
      holds: this.#holds,
      mirror: this.#mirror,
      nowMs,
    });
    if (verdict.isProgrammed && this.#holds.forgetFailure(owner))
      this.#tell(owner === HOST ? 'HOST_RECOVERED' : 'PEER_RECOVERED', 'info', peer ? { peer: owner } : {});
    const { state, reason } = verdict;
    const status = { state, sinceMs: nowMs, ...(reason === undefined ? {} : { reason }) };
    if (peer !== undefined) this.#book.set(owner, { ...status, mode: peer.mode });
    else this.#book.setHost(status);
  }

  #reportDrift(): void {
    if (this.#drifted.length === 0) return;
    const objects = this.#drifted.slice(0, NAMED_OBJECTS);
    this.#tell('KERNEL_DRIFT', 'warn', { count: this.#drifted.length, objects });
    this.#drifted = [];
  }

  #reportOrphans(steps: readonly Step[]): void {
    const orphans = steps.filter(
      ({ action, object }) => action === 'remove' && !this.#desired.objects.has(objectKey(object)),
    );
    if (orphans.length === 0) return;
    const objects = orphans.slice(0, NAMED_OBJECTS).map(({ object }) => objectKey(object));
    this.#tell('ORPHANS_REMOVED', 'info', { count: orphans.length, objects });
  }

  #tell(code: EventCode, level: ReconcilerEvent['level'], fields: ReconcilerEvent['fields']): void {
    this.#options.onEvent?.({ code, level, fields });
  }

  #tellSummary(): void {
    const summary = this.summary();
    const text = JSON.stringify(summary);
    if (text === this.#lastSummary) return;
    this.#lastSummary = text;
    this.#options.onChange?.(summary);
  }

  // ---- timers -------------------------------------------------------------------------------------------------------

  #planResync(): void {
    const intervalMs = this.#options.resyncIntervalMs ?? RESYNC_INTERVAL_MS;
    const jitter = 1 + RESYNC_JITTER * (2 * this.#random() - 1);
    this.#nextResyncMs = this.#clock.nowMs() + intervalMs * jitter;
  }

  #armTimer(): void {
    this.#cancelTimer();
    const nowMs = this.#clock.nowMs();
    const dueMs = Math.min(
      this.#nextResyncMs,
      this.#read?.atMs ?? Infinity,
      this.#holds.nextDueMs(nowMs) ?? Infinity,
    );
    this.#cancelTimer = this.#clock.setTimer(Math.max(0, dueMs - nowMs), () => this.#onTimer());
  }

  #onTimer(): void {
    const nowMs = this.#clock.nowMs();
    for (const key of this.#holds.takeDue(nowMs)) this.#dirty.add(key);
    if (nowMs >= this.#nextResyncMs) {
      this.#planResync();
      this.#requestRead('timer');
    }
    this.#schedule();
  }
}

/**
 * Links go first and alone, with the addresses and sysctls that follow them: nothing can be put on a device that could
 * not be made, and what a link step did to the rest is known only after reading.
 */
function firstBatch(steps: readonly Step[]): readonly Step[] {
  const firstEntry = steps.findIndex(({ object }) => !isHostKind(object));
  const head = firstEntry < 0 ? steps : steps.slice(0, firstEntry);
  return head.some(({ object }) => object.kind === 'link') ? head : steps;
}

function isHostKind({ kind }: KernelObject): boolean {
  return kind === 'link' || kind === 'address' || kind === 'sysctl';
}
