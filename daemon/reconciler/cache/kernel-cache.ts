// What the kernel holds, as known from full reads, acknowledged steps and notifications. Orders the
// three: a notification that arrives before what is read is in force, or during a batch, counts from
// then on, and one that is older than an acknowledged step is dropped. Decides nothing about what should be.
import type { Clock } from '../../../lib/clock.ts';
import { objectKey } from '../../../backends/kernel-state.ts';
import type { ObjectKey, SysctlObject } from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../../kernel/actual-state.ts';
import { readSetting, type Kernel, type KnownState, type Step } from '../../kernel/kernel.ts';
import { isEntry } from '../diff.ts';
import { CachedState } from './cached-state.ts';
import { Expectations } from './expectations.ts';
import type { Notified } from './expectations.ts';
import type { ReadRequest } from './read-request.ts';
import { isDone, type StepOutcome } from '../step-outcome.ts';
import type { CachedView } from '../view.ts';

export interface KernelCacheDeps {
  readonly kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'readFeature'>;
  readonly clock: Pick<Clock, 'nowMs'>;
}

const NOTHING_KNOWN: KnownState = { objects: new Map(), isAsRead: () => false };

export class KernelCache {
  readonly #deps: KernelCacheDeps;
  readonly #expectations = new Expectations();
  #state: CachedState | undefined;
  /** Notifications and acknowledged steps since a read began that is not in force yet. */
  #newerThanRead: Map<ObjectKey, Notified> | undefined;
  #isChangingLinks = false;

  constructor(deps: KernelCacheDeps) {
    this.#deps = deps;
  }

  /** Unset before the first read. */
  get state(): CachedView | undefined {
    return this.#state;
  }

  /** Whether a batch with steps on devices is being applied; a full read follows it. */
  get isChangingLinks(): boolean {
    return this.#isChangingLinks;
  }

  /** When {@link takeOverdue} is due, on the reconciler's clock. */
  get nextDueMs(): number | undefined {
    return this.#expectations.nextDueMs;
  }

  /** Notifications were lost; a full read must follow. */
  onOverrun(): void {
    this.#expectations.onOverrun(this.#deps.clock.nowMs());
  }

  /** Records a notification. Returns whether it changes the state now. */
  record(key: ObjectKey, object: ActualObject | undefined): boolean {
    // Entries come and go with their device; the full read that follows finds what is left.
    if (this.#isChangingLinks || this.#expectations.take(key, object)) return false;
    if (this.#newerThanRead !== undefined) {
      this.#newerThanRead.set(key, { object });
      return false;
    }
    this.#state?.record(key, object);
    return this.#state !== undefined;
  }

  /** Records notifications that were taken for old and were not. Returns their keys. */
  takeOverdue(): readonly ObjectKey[] {
    return this.#recordNotified(this.#expectations.takeOverdue(this.#deps.clock.nowMs()));
  }

  /**
   * Reads everything, for {@link replace}. Notifications received from now until then are as new as
   * what is read, or newer.
   * @throws KernelReadError as `Kernel.readState` does.
   */
  async read({ ownership, settings, assumed }: ReadRequest): Promise<CachedState> {
    const { kernel } = this.#deps;
    this.#newerThanRead = new Map<ObjectKey, Notified>();
    try {
      const state = new CachedState(await kernel.readState(ownership, this.#state ?? NOTHING_KNOWN));
      for (const setting of settings) {
        const found = await readSetting(kernel, setting).catch(() => undefined);
        if (found !== undefined) state.record(objectKey(setting), found);
      }
      for (const setting of assumed)
        if (!state.objects.has(objectKey(setting))) state.record(objectKey(setting), setting);
      return state;
    } catch (error) {
      this.#newerThanRead = undefined;
      throw error;
    }
  }

  /** Puts what was read in force. Steps may have ended since the read did. */
  replace(state: CachedState): void {
    for (const [key, { object }] of this.#newerThanRead ?? []) state.record(key, object);
    this.#newerThanRead = undefined;
    this.#state = state;
  }

  /**
   * Reads `sysctls`, of which the kernel sends no notifications. Returns the keys of those read; an
   * unreadable one is left to the next full read.
   */
  async readSysctls(sysctls: readonly SysctlObject[]): Promise<readonly ObjectKey[]> {
    const keys: ObjectKey[] = [];
    for (const sysctl of sysctls) {
      const value = await this.#deps.kernel.readSysctl(sysctl.path).catch(() => undefined);
      const key = objectKey(sysctl);
      if (value !== undefined && this.record(key, { ...sysctl, value })) keys.push(key);
    }
    return keys;
  }

  /**
   * To be called before `steps` are sent: notifications about them may arrive before the answer.
   */
  beginBatch(steps: readonly Step[]): void {
    this.#isChangingLinks = steps.some(({ object }) => object.kind === 'link');
    for (const step of steps)
      if (isEntry(step.object)) this.#expectations.expect(objectKey(step.object), step);
  }

  /** Records what became of the batch. Returns the keys that other programs changed since. */
  endBatch(outcomes: readonly StepOutcome[]): readonly ObjectKey[] {
    this.#isChangingLinks = false;
    for (const outcome of outcomes)
      if (isDone(outcome)) this.#recordStep(outcome.step);
      else this.#state?.recordFailure(outcome.step);
    const notified = new Map<ObjectKey, Notified>();
    for (const { kind, step } of outcomes) {
      const key = objectKey(step.object);
      const since =
        kind === 'applied'
          ? this.#expectations.onDone(key, this.#deps.clock.nowMs())
          : this.#expectations.onNotDone(key);
      if (since !== undefined) notified.set(key, since);
    }
    return this.#recordNotified(notified);
  }

  /** What is being read may be older, as with notifications. */
  #recordStep(step: Step): void {
    const { action, object } = step;
    this.#state?.recordStep(step);
    if (this.#newerThanRead === undefined || object.kind === 'link') return;
    const done = action === 'set' ? (object as ActualObject) : undefined;
    this.#newerThanRead.set(objectKey(object), { object: done });
  }

  #recordNotified(notified: ReadonlyMap<ObjectKey, Notified>): readonly ObjectKey[] {
    for (const [key, each] of notified) {
      this.#state?.record(key, each.object);
      this.#newerThanRead?.set(key, each);
    }
    return [...notified.keys()];
  }
}
