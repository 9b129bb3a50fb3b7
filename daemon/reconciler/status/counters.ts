// Counters of the reconciler for metrics, fed with outcomes and drift as they happen.
import { Histogram, type HistogramSnapshot } from '../../../lib/histogram.ts';
import type { KernelObject, KernelObjectKind } from '../../../backends/kernel-state.ts';
import type { Step } from '../../kernel/kernel.ts';
import type { StepOutcome } from '../step-outcome.ts';

/** Why everything was read. */
export type ResyncReason =
  'start' | 'timer' | 'interfaces' | 'overrun' | 'link' | 'unknown' | 'ownership' | 'request';

export interface ReconcilerCounters {
  /** Runs that had work to do. */
  readonly runs: number;
  /** Acknowledged steps. */
  readonly steps: Readonly<Record<KernelObjectKind, Readonly<Record<Step['action'], number>>>>;
  /** Objects found changed or missing that this process had in place. */
  readonly drift: Readonly<Record<KernelObjectKind, number>>;
  readonly resyncs: Readonly<Record<ResyncReason, number>>;
  /** Steps that the kernel rejected or did not answer. */
  readonly failures: number;
  /** Overruns of the notification socket. */
  readonly overruns: number;
  /** Time spent in runs, in ms. */
  readonly busyMs: number;
  /** End of the last run, on the reconciler's clock; unset before the first. */
  readonly lastRunMs?: number;
  readonly lastDurationMs?: number;
  /** Durations of runs, in ms. */
  readonly durations: HistogramSnapshot;
}

type Counts<Key extends string> = Record<Key, number>;

/** {@link ReconcilerCounters} while they are counted. */
interface MutableCounters {
  runs: number;
  readonly steps: Record<KernelObjectKind, Counts<Step['action']>>;
  readonly drift: Counts<KernelObjectKind>;
  readonly resyncs: Counts<ResyncReason>;
  failures: number;
  overruns: number;
  busyMs: number;
  lastRunMs?: number;
  lastDurationMs?: number;
}

const KINDS: readonly KernelObjectKind[] = [
  'link',
  'address',
  'sysctl',
  'feature',
  'firewall',
  'neighbour',
  'fdb',
  'tunnel',
  'wireguard-peer',
  'route',
  'command',
  'cloud-route',
  'policy',
  'charon',
  'ike',
];
const REASONS: readonly ResyncReason[] = [
  'start',
  'timer',
  'interfaces',
  'overrun',
  'link',
  'unknown',
  'ownership',
  'request',
];

/** In ms: from one object to ten thousand hosts. */
const DURATION_BOUNDS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000];

export class Counters {
  readonly #durations = new Histogram(DURATION_BOUNDS_MS);
  readonly #counts: MutableCounters = {
    runs: 0,
    steps: byName(KINDS, () => ({ set: 0, remove: 0 })),
    drift: byName(KINDS, () => 0),
    resyncs: byName(REASONS, () => 0),
    failures: 0,
    overruns: 0,
    busyMs: 0,
  };

  /** A copy that later events leave as it is. */
  snapshot(): ReconcilerCounters {
    return { ...structuredClone(this.#counts), durations: this.#durations.snapshot() };
  }

  onRun(startedMs: number, nowMs: number): void {
    this.#counts.runs++;
    this.#counts.lastRunMs = nowMs;
    this.#counts.lastDurationMs = nowMs - startedMs;
    this.#durations.observe(this.#counts.lastDurationMs);
    this.#counts.busyMs += this.#counts.lastDurationMs;
  }

  onOutcome({ kind, step }: StepOutcome): void {
    switch (kind) {
      case 'applied':
        this.#counts.steps[step.object.kind][step.action]++;
        return;
      case 'link-replaced':
      case 'failed':
      case 'failed-too':
      case 'unanswered':
        this.#counts.failures++;
        return;
      case 'setting-rejected':
      case 'device-missing':
        return;
    }
  }

  onDrift({ kind }: KernelObject): void {
    this.#counts.drift[kind]++;
  }

  onResync(reason: ResyncReason): void {
    this.#counts.resyncs[reason]++;
  }

  onOverrun(): void {
    this.#counts.overruns++;
  }
}

function byName<Name extends string, Value>(names: readonly Name[], zero: () => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, zero()])) as Record<Name, Value>;
}
