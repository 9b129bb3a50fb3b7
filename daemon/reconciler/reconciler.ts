// Makes the kernel equal to the desired state, and keeps it so. Level-triggered: inputs (host,
// peers, notifications, a slow timer) only queue work; one pass at a time does it.
//
//   idle ──dirty key──► diff of those keys ──► apply ──► record outcomes ──► idle, or the next pass
//   idle ──start, overrun, interfaces, link step, no answer, timer──► read all ──► diff all ──► apply …
//
// It knows no backend and reads no lease. Stopping removes nothing.
import { ControlLoop } from '../../lib/control-loop.ts';
import type { Ownership, PeerState } from '../../backends/backend.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { KernelNotification } from '../kernel/kernel.ts';
import type { ResyncReason } from './status/counters.ts';
import { HOST } from './desired-state.ts';
import type { DesiredChange, Owner } from './desired-state.ts';
import { hasOrphans } from './planner.ts';
import { ReconcilePass } from './reconcile-pass.ts';
import { createParts } from './reconciler-parts.ts';
import type { ReconcilerOptions, ReconcilerParts } from './reconciler-parts.ts';
import type { PeerStatus, ReconcilerStatus, StatusSummary } from './status/status.ts';
import type { CachedView } from './view.ts';

/**
 * Longest wait of {@link Reconciler.stop} for steps on devices, in ms; a stop may take a second.
 */
const STOP_GRACE_MS = 300;
/**
 * Age of a failure from which an interface notification ends its back-off: the failed step itself
 * may cause one.
 */
const SELF_NOTIFICATION_MS = 250;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #parts: ReconcilerParts;
  readonly #pass: ReconcilePass;
  readonly #loop: ControlLoop;
  #phase: 'new' | 'started' | 'stopped' = 'new';
  #isPassing = false;

  constructor(options: ReconcilerOptions) {
    const { clock } = options;
    this.#options = options;
    this.#parts = createParts(options);
    this.#pass = new ReconcilePass(this.#parts);
    const deadlinesMs = (): readonly number[] => this.#pass.deadlinesMs();
    this.#loop = new ControlLoop({ clock, step: () => this.#step(), deadlinesMs });
  }

  /**
   * What notifications and reads must cover; unset before the first {@link setHost}. The same
   * object while it is unchanged.
   */
  get ownership(): Ownership | undefined {
    return this.#parts.scope.ownership;
  }

  // ---- inputs --------------------------------------------------------------------------------

  /**
   * Sets the host's own objects and what this daemon manages in the kernel. To be called again
   * after each change of facts about the host, which also ends all back-offs. What an earlier
   * ownership covered is still cleaned up.
   */
  setHost(ownership: Ownership, objects: readonly KernelObject[]): void {
    const { clock, desired, gate, scope } = this.#parts;
    if (scope.set(ownership) && this.#phase === 'started') this.#requestResync('ownership');
    gate.retryNow(clock.nowMs());
    this.#pass.queueRetries();
    const change = desired.set(HOST, objects);
    if (this.#takenName(gate.failureOf(HOST)?.object)) gate.forgetFailure(HOST);
    this.#onDesired(HOST, change);
  }

  /**
   * Host and peers are being set as a whole, in several turns: until {@link release} nothing of it goes to the kernel. Part of it
   * could take away what the rest needs, such as a device under the entries of peers that are still to be set.
   */
  hold(): void {
    this.#pass.hold();
  }

  release(): void {
    if (!this.#pass.isHeld) return;
    this.#pass.release();
    this.#loop.wake();
  }

  /** Sets the objects that lead to one peer, or why there are none. */
  setPeer(key: string, state: PeerState): void {
    const { clock, desired, gate, queue, status } = this.#parts;
    status.setPeer(key, state, clock.nowMs());
    const change = desired.set(key, state.objects);
    // Another desired state is another first try, of what failed too.
    if (change.keys.size > 0 && gate.failureOf(key) !== undefined) {
      gate.forgetFailure(key);
      queue.add(desired.objectsOf(key).keys());
    }
    this.#onDesired(key, change);
  }

  removePeer(key: string): void {
    const { desired, gate, status } = this.#parts;
    status.removePeer(key);
    gate.forgetFailure(key);
    const change = desired.set(key, []);
    this.#pass.hurry(change.keys);
    this.#onDesired(key, change);
  }

  /** Declares that every peer has been set once; from now on unwanted objects are removed. */
  markComplete(): void {
    const { cache, desired } = this.#parts;
    if (desired.isComplete) return;
    desired.markComplete();
    if (this.#phase !== 'started') return;
    if (cache.state === undefined || hasOrphans({ desired, cached: cache.state }))
      this.#requestResync('start');
    else this.#loop.wake();
  }

  /** Takes a notification of the kernel; for `Kernel.subscribe`. */
  handleNotification(notification: KernelNotification): void {
    if (this.#phase !== 'started') return;
    const { cache, status } = this.#parts;
    switch (notification.kind) {
      case 'object':
        if (!cache.record(notification.key, notification.object)) return;
        this.#pass.onChanged([notification.key]);
        return this.#loop.wake();
      case 'interfaces':
        return this.#onInterfaces(notification.names);
      case 'overrun':
        status.counters.onOverrun();
        cache.onOverrun();
        return this.#requestResync('overrun');
      case 'underlay-route':
      case 'forward-policy':
        // These change the desired state, if anything, which is set from outside.
        return undefined;
    }
  }

  /** Reads everything and repairs what differs. */
  resync(reason: ResyncReason = 'request'): void {
    if (this.#phase === 'started') this.#requestResync(reason);
  }

  // ---- life cycle ----------------------------------------------------------------------------

  /** Starts the loop; notifications should be subscribed to before. */
  start(): void {
    if (this.#phase !== 'new') return;
    this.#phase = 'started';
    this.#parts.queue.start(this.#parts.clock.nowMs());
    // After the caller's own loop over peers.
    queueMicrotask(() => this.#loop.start());
  }

  /**
   * Ends timers. Waits briefly for steps on devices, which half-done would leave the host without
   * its device. Missing entries wait for the next start. Removes nothing.
   */
  async stop(): Promise<void> {
    this.#phase = 'stopped';
    const stopped = this.#loop.stop();
    if (!this.#parts.cache.isChangingLinks) return;
    let cancelGrace = (): void => {};
    const grace = new Promise<void>((resolve) => {
      cancelGrace = this.#options.clock.setTimer(STOP_GRACE_MS, resolve);
    });
    await Promise.race([stopped, grace]);
    cancelGrace();
  }

  /**
   * Nothing is queued and no pass runs: everything is in the kernel or reported as an
   * error.
   */
  get isSettled(): boolean {
    const { cache, gate, queue } = this.#parts;
    if (this.#phase !== 'started' || this.#isPassing || this.#pass.isHeld) return false;
    return cache.state !== undefined && queue.isEmpty && !gate.hasContestedWaits;
  }

  /** Whether the kernel is known to hold nothing that is to be removed, be it after a wait. */
  get hasRemovedAll(): boolean {
    const { cache, desired } = this.#parts;
    return cache.state !== undefined && !hasOrphans({ desired, cached: cache.state });
  }

  // ---- reports -------------------------------------------------------------------------------

  status(): ReconcilerStatus {
    const { status } = this.#parts;
    return { ...this.summary(), peerStatus: status.peers, counters: status.counters.snapshot() };
  }

  /** What the kernel should hold. */
  get desired(): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#parts.desired.objects;
  }

  /** What the kernel holds as far as known; unset before the first read. */
  get known(): CachedView | undefined {
    return this.#parts.cache.state;
  }

  /** The owner of the desired object under `key`. */
  ownerOf(key: ObjectKey): Owner | undefined {
    return this.#parts.desired.ownerOf(key);
  }

  /** What `owner` ({@link HOST}, or a peer's key) wants. */
  objectsOf(owner: Owner): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#parts.desired.objectsOf(owner);
  }

  peerStatus(key: string): PeerStatus | undefined {
    return this.#parts.status.peers.get(key);
  }

  summary(): StatusSummary {
    const { clock, desired, gate, status } = this.#parts;
    return status.summary(gate.contested(clock.nowMs()), desired.isComplete);
  }

  // ---- the loop ------------------------------------------------------------------------------

  async #step(): Promise<boolean> {
    this.#isPassing = true;
    if (await this.#pass.step()) return true;
    this.#isPassing = false;
    if (this.#pass.isHeld) return false;
    this.#pass.endRun();
    this.#parts.status.emitSummary(this.summary());
    if (this.isSettled) this.#options.onSettled?.();
    return false;
  }

  #onDesired(owner: Owner, change: DesiredChange): void {
    const { desired, queue, status } = this.#parts;
    queue.add(change.keys);
    const owners = [owner, ...change.owners];
    // While peers are set for the first time, their states are computed once the kernel has them.
    if (desired.isComplete) this.#pass.updateStatus(owners);
    else status.markStale(owners);
    this.#loop.wake();
  }

  /**
   * Whether a device of another type is wanted in place of `failed`, which is another first try.
   */
  #takenName(failed: KernelObject | undefined): boolean {
    if (failed?.kind !== 'link') return false;
    const want = this.desired.get(objectKey(failed));
    return want?.kind === 'link' && want.type !== failed.type;
  }

  #onInterfaces(names: readonly string[]): void {
    const { cache, clock, desired, gate, queue, scope } = this.#parts;
    const isRelevant = (name: string): boolean => scope.concerns(name) || desired.usesDevice(name);
    if (cache.isChangingLinks || (names.length > 0 && !names.some(isRelevant))) return;
    gate.retryNow(clock.nowMs(), SELF_NOTIFICATION_MS);
    queue.onInterfaces(clock.nowMs());
    this.#loop.wake();
  }

  #requestResync(reason: ResyncReason): void {
    this.#parts.queue.requestResync(reason, this.#parts.clock.nowMs());
    this.#loop.wake();
  }
}
