// The cached of the kernel and how it is kept true: full reads, acknowledged steps, and notices, also those that arrive
// while a read or a batch of steps is under way. Decides nothing about what should be.
import type { Clock } from '../../lib/clock.ts';
import type { Ownership } from '../../backends/backend.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SettingObject } from '../../backends/kernel-state.ts';
import type { ActualObject } from '../kernel/actual.ts';
import { readSetting, type Kernel, type Step, type StepResult } from '../kernel/kernel.ts';
import { Expectations } from './expectations.ts';
import type { Notified } from './expectations.ts';
import { CachedState } from './cached-state.ts';

export interface KernelCacheDeps {
  readonly kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'readFeature' | 'apply'>;
  readonly clock: Clock;
}

export class KernelCache {
  readonly #deps: KernelCacheDeps;
  readonly #expectations = new Expectations();
  #cached: CachedState | undefined;
  /** What notices told while everything is being read. */
  #notifiedWhileReading: Map<ObjectKey, Notified> | undefined;
  #isChangingLinks = false;

  constructor(parts: KernelCacheDeps) {
    this.#deps = parts;
  }

  /** Unset before the first read. */
  get cached(): CachedState | undefined {
    return this.#cached;
  }

  /** Whether steps on devices are under way; a full read must follow them. */
  get isChangingLinks(): boolean {
    return this.#isChangingLinks;
  }

  /** When {@link takeOverdue} is due, on the reconciler's clock. */
  get nextDueMs(): number | undefined {
    return this.#expectations.nextDueMs;
  }

  /** Notices were lost; a full read must follow. */
  onOverrun(): void {
    this.#expectations.onOverrun(this.#deps.clock.nowMs());
  }

  /** From now on `cached` is what the kernel gate. */
  replace(cached: CachedState): void {
    this.#cached = cached;
  }

  /** Records a notification. Returns whether it is news now; else it is an echo, or counts when a read or a batch has ended. */
  record(key: ObjectKey, object: ActualObject | undefined): boolean {
    // Entries come and go with their device, and the full read that follows tells what is left.
    if (this.#isChangingLinks || this.#expectations.take(key, object)) return false;
    if (this.#notifiedWhileReading !== undefined) {
      this.#notifiedWhileReading.set(key, { object });
      return false;
    }
    this.#cached?.record(key, object);
    return this.#cached !== undefined;
  }

  /** Records what was taken for an old notice and was none. Returns the keys. */
  takeOverdue(): readonly ObjectKey[] {
    return this.#recordNotified(this.#expectations.takeOverdue(this.#deps.clock.nowMs()));
  }

  /**
   * Reads all that `ownership` covers, and the `settings`, which are in no table. What notices said meanwhile is later
   * than what was read, or the same. @throws what the kernel door throws.
   */
  async read(ownership: Ownership, settings: readonly SettingObject[]): Promise<CachedState> {
    const { kernel } = this.#deps;
    const told = new Map<ObjectKey, Notified>();
    this.#notifiedWhileReading = told;
    try {
      const cached = new CachedState(await kernel.readState(ownership));
      for (const setting of settings) {
        const found = await readSetting(kernel, setting).catch(() => undefined);
        if (found !== undefined) cached.record(objectKey(setting), found);
      }
      for (const [key, { object }] of told) cached.record(key, object);
      return cached;
    } finally {
      this.#notifiedWhileReading = undefined;
    }
  }

  /** Applies `steps`, hands over the results, and returns the keys that others changed since the kernel did its step. */
  async apply(
    steps: readonly Step[],
    onResults: (results: readonly StepResult[]) => void,
  ): Promise<readonly ObjectKey[]> {
    this.#isChangingLinks = steps.some(({ object }) => object.kind === 'link');
    for (const step of steps) if (hasNotices(step)) this.#expectations.expect(objectKey(step.object), step);
    const results = await this.#send(steps);
    this.#isChangingLinks = false;
    onResults(results);
    return this.#recordNotified(this.#takeAnswers(results));
  }

  #takeAnswers(results: readonly StepResult[]): ReadonlyMap<ObjectKey, Notified> {
    const told = new Map<ObjectKey, Notified>();
    for (const { step, status } of results) {
      const key = objectKey(step.object);
      const since =
        status === 'done'
          ? this.#expectations.onDone(key, this.#deps.clock.nowMs())
          : this.#expectations.onNotDone(key);
      if (since !== undefined) told.set(key, since);
    }
    return told;
  }

  #recordNotified(told: ReadonlyMap<ObjectKey, Notified>): readonly ObjectKey[] {
    for (const [key, { object }] of told) this.#cached?.record(key, object);
    return [...told.keys()];
  }

  async #send(steps: readonly Step[]): Promise<readonly StepResult[]> {
    try {
      return await this.#deps.kernel.apply(steps);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return steps.map((step) => ({ step, status: 'unknown', message }));
    }
  }
}

/** Only table entries have notices of their own. */
function hasNotices({ object }: Step): boolean {
  return object.kind === 'route' || object.kind === 'neighbour' || object.kind === 'fdb';
}
