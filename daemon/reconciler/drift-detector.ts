// What somebody else made other than desired: counts it, tells it, and marks it dirty, at once or, where it keeps happening,
// later. It repairs nothing.
import type { Clock } from '../../lib/clock.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { HOST } from './desired-state.ts';
import type { DesiredState } from './desired-state.ts';
import { isInSync } from './diff.ts';
import type { RetryGate } from './retry-gate.ts';
import type { KernelCache } from './kernel-cache.ts';
import type { CachedState } from './cached-state.ts';
import type { StatusReporter } from './status-reporter.ts';
import type { MutableCounters } from './status.ts';

export interface DriftDetectorDeps {
  readonly desired: DesiredState;
  readonly cache: KernelCache;
  readonly gate: RetryGate;
  readonly reporter: StatusReporter;
  readonly counters: MutableCounters;
  readonly kernel: Pick<Kernel, 'readSysctl'>;
  readonly clock: Clock;
  /** What is to be compared and repaired. */
  readonly dirty: Set<ObjectKey>;
}

export class DriftDetector {
  readonly #deps: DriftDetectorDeps;

  constructor(parts: DriftDetectorDeps) {
    this.#deps = parts;
  }

  /** Marks `key` if it is other than desired. */
  markIfChanged(key: ObjectKey): void {
    const { desired, dirty, cache } = this.#deps;
    const want = desired.objects.get(key);
    const have = cache.cached?.objects.get(key);
    const isAsDesired = want === undefined ? have === undefined : isInSync(want, have);
    if (!isAsDesired && !dirty.has(key)) this.#record(key);
  }

  /** What was in place when last looked at, and is not any more in `cached`, which is to take its place. */
  find(cached: CachedState): void {
    const { desired, dirty, cache } = this.#deps;
    const before = cache.cached;
    if (before === undefined) return;
    for (const [key, want] of desired.objects)
      if (!dirty.has(key) && !isInSync(want, cached.objects.get(key)))
        if (isInSync(want, before.objects.get(key))) this.#record(key);
  }

  /** Of sysctls there are no notices. A value that cannot be read is the next full read's business. */
  async checkSysctls(): Promise<void> {
    const { desired, kernel, cache } = this.#deps;
    for (const object of desired.objectsOf(HOST).values()) {
      if (object.kind !== 'sysctl') continue;
      const value = await kernel.readSysctl(object.path).catch(() => undefined);
      const key = objectKey(object);
      if (value !== undefined && cache.record(key, { ...object, value })) this.markIfChanged(key);
    }
  }

  #record(key: ObjectKey): void {
    const { clock, counters, desired, dirty, gate, reporter, cache } = this.#deps;
    const object = desired.objects.get(key) ?? cache.cached?.objects.get(key);
    if (object === undefined) return;
    counters.drift[object.kind]++;
    reporter.addDrift(key);
    const { mustWait, isNews } = gate.recordDrift(key, clock.nowMs());
    if (isNews) reporter.emit('KERNEL_CONTESTED', 'warn', { object: key });
    if (!mustWait) dirty.add(key);
  }
}
