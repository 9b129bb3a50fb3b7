// The parts of the reconciler. Each owns its data; only the runner and its passes call them.
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { DesiredState } from './desired-state.ts';
import type { ReconcilerEvent } from './events.ts';
import { Executor } from './executor.ts';
import { KernelCache } from './cache/kernel-cache.ts';
import { ManagedScope } from './managed-scope.ts';
import { RetryGate } from './queue/retry-gate.ts';
import { StatusReporter } from './status/status-reporter.ts';
import type { StatusSummary } from './status/status.ts';
import { WorkQueue } from './queue/work-queue.ts';

/** Most items of a turn of the event loop. */
export interface SliceSizes {
  /** Objects that are compared. */
  readonly objects: number;
  /** Steps of a batch. */
  readonly steps: number;
  /** Owners whose state is computed. */
  readonly owners: number;
}

export interface ReconcilerOptions {
  readonly kernel: Pick<Kernel, 'readState' | 'readSysctl' | 'readFeature' | 'apply'>;
  readonly clock: Clock;
  /** Default `Math.random`. */
  readonly random?: Random;
  /**
   * Mean time between checks without a cause, in ms; default 60 000; each is up to 10 % earlier or
   * later. A check reads everything, or, while that finds nothing, sysctls alone, of which there
   * are no notifications, and everything at every second check, fourth, and so on up to the tenth.
   */
  readonly resyncIntervalMs?: number;
  /** Default {@link SLICE_SIZES}: some milliseconds each. */
  readonly slices?: SliceSizes;
  /** Called after each run that changed the summary. Must not throw. */
  readonly onChange?: (summary: StatusSummary) => void;
  /** Called after each run that left nothing to do. Must not throw. */
  readonly onSettled?: () => void;
  /** Called as things happen. Must not throw. */
  readonly onEvent?: (event: ReconcilerEvent) => void;
}

export interface ReconcilerParts {
  /** What the kernel should hold. */
  readonly desired: DesiredState;
  /** What this daemon manages. */
  readonly scope: ManagedScope;
  /** What may be tried now. */
  readonly gate: RetryGate;
  /** What is to be done. */
  readonly queue: WorkQueue;
  /** What the kernel holds. */
  readonly cache: KernelCache;
  /** Applies steps. */
  readonly executor: Executor;
  /** What operators learn. */
  readonly status: StatusReporter;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly slices: SliceSizes;
}

const RESYNC_INTERVAL_MS = 60_000;
/** The kernel does most of the work of a step. */
export const SLICE_SIZES: SliceSizes = { objects: 1500, steps: 300, owners: 400 };

export function createParts(options: ReconcilerOptions): ReconcilerParts {
  const { kernel, clock, onChange, onEvent } = options;
  const { random = Math.random, resyncIntervalMs = RESYNC_INTERVAL_MS, slices = SLICE_SIZES } = options;
  return {
    desired: new DesiredState(),
    scope: new ManagedScope(),
    gate: new RetryGate(random),
    queue: new WorkQueue({ resyncIntervalMs, random }),
    cache: new KernelCache({ kernel, clock }),
    executor: new Executor(kernel),
    status: new StatusReporter({ nowMs: clock.nowMs(), onChange, onEvent }),
    clock,
    slices,
  };
}
