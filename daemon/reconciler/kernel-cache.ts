// The mirror of the kernel and how it is kept true: full reads, acknowledged steps, and notices, also those that arrive
// while a read or a batch of steps is under way. Decides nothing about what should be.
import type { Clock } from '../../lib/clock.ts';
import type { Ownership } from '../../backends/backend.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey, SettingObject } from '../../backends/kernel-state.ts';
import type { ActualObject } from '../kernel/actual.ts';
import { readSetting, type Kernel, type Step, type StepResult } from '../kernel/kernel.ts';
import { Expectations } from './expectations.ts';
import type { Told } from './expectations.ts';
import { Mirror } from './cached-state.ts';

export interface KernelViewParts {
  readonly kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'readFeature' | 'apply'>;
  readonly clock: Clock;
}

export class KernelCache {
  readonly #parts: KernelViewParts;
  readonly #expectations = new Expectations();
  #mirror: Mirror | undefined;
  /** What notices told while everything is being read. */
  #toldWhileReading: Map<ObjectKey, Told> | undefined;
  #isChangingLinks = false;

  constructor(parts: KernelViewParts) {
    this.#parts = parts;
  }

  /** Unset before the first read. */
  get mirror(): Mirror | undefined {
    return this.#mirror;
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
    this.#expectations.onOverrun(this.#parts.clock.nowMs());
  }

  /** From now on `mirror` is what the kernel holds. */
  replace(mirror: Mirror): void {
    this.#mirror = mirror;
  }

  /** Records a notice. Returns whether it is news now; else it is an echo, or counts when a read or a batch has ended. */
  record(key: ObjectKey, object: ActualObject | undefined): boolean {
    // Entries come and go with their device, and the full read that follows tells what is left.
    if (this.#isChangingLinks || this.#expectations.take(key, object)) return false;
    if (this.#toldWhileReading !== undefined) {
      this.#toldWhileReading.set(key, { object });
      return false;
    }
    this.#mirror?.record(key, object);
    return this.#mirror !== undefined;
  }

  /** Records what was taken for an old notice and was none. Returns the keys. */
  takeOverdue(): readonly ObjectKey[] {
    return this.#recordTold(this.#expectations.takeOverdue(this.#parts.clock.nowMs()));
  }

  /**
   * Reads all that `ownership` covers, and the `settings`, which are in no table. What notices said meanwhile is later
   * than what was read, or the same. @throws what the kernel door throws.
   */
  async read(ownership: Ownership, settings: readonly SettingObject[]): Promise<Mirror> {
    const { kernel } = this.#parts;
    const told = new Map<ObjectKey, Told>();
    this.#toldWhileReading = told;
    try {
      const mirror = new Mirror(await kernel.readState(ownership));
      for (const setting of settings) {
        const found = await readSetting(kernel, setting).catch(() => undefined);
        if (found !== undefined) mirror.record(objectKey(setting), found);
      }
      for (const [key, { object }] of told) mirror.record(key, object);
      return mirror;
    } finally {
      this.#toldWhileReading = undefined;
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
    return this.#recordTold(this.#takeAnswers(results));
  }

  #takeAnswers(results: readonly StepResult[]): ReadonlyMap<ObjectKey, Told> {
    const told = new Map<ObjectKey, Told>();
    for (const { step, status } of results) {
      const key = objectKey(step.object);
      const since =
        status === 'done'
          ? this.#expectations.onDone(key, this.#parts.clock.nowMs())
          : this.#expectations.onNotDone(key);
      if (since !== undefined) told.set(key, since);
    }
    return told;
  }

  #recordTold(told: ReadonlyMap<ObjectKey, Told>): readonly ObjectKey[] {
    for (const [key, { object }] of told) this.#mirror?.record(key, object);
    return [...told.keys()];
  }

  async #send(steps: readonly Step[]): Promise<readonly StepResult[]> {
    try {
      return await this.#parts.kernel.apply(steps);
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
