// Turns the runs of the path benchmark into measures: one for each metric, and one for each quotient.
import type { Unit } from './path-measure.ts';
import { MEASURES } from './path-measures.ts';
import type { Family } from '../../lib/address.ts';
import type { UnderlayKind } from './tunnels/path-offloads.ts';
import type { TopologyName } from './tunnels/path-testbed.ts';
import type { Measure, Subject } from '../record.ts';
import { ASKED_OF, QUOTIENTS, thresholdOf, type Quotient } from './path-thresholds.ts';

/** One value of one candidate in one round, with its conditions; or the cause of its absence. */
export interface PathRun {
  readonly round: number;
  readonly candidate: string;
  readonly topology: TopologyName;
  readonly underlay: UnderlayKind;
  readonly family: Family;
  /** Of the tunnel's device, in bytes. */
  readonly mtu: number;
  /** Load average of the machine over the last minute, own doings included. */
  readonly load: number;
  readonly metric: string;
  readonly unit?: Unit;
  readonly value?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  /** CPU time of the tunnel's processes at a and b meanwhile. */
  readonly cpuSeconds?: readonly number[];
  /** What was seen at the end of the candidate's trial: fragments made, memory, counters and offloads of its ends. */
  readonly trial?: Readonly<Record<string, unknown>>;
  readonly failure?: string;
}

/** Default reference of ratios: this candidate's value in the same round. */
const REFERENCE = 'kernel-vxlan';
/** No tunnel at all. */
const BOUND = 'veth';
const LESS_IS_BETTER: readonly (Unit | undefined)[] = ['µs', 'MiB', 's/Gbit', 'segments'];

/** In the order in which metrics first occur, each under all circumstances one after another. */
export function measuresOfRuns(runs: readonly PathRun[]): Measure[] {
  const rounds = 1 + Math.max(-1, ...runs.map(({ round }) => round));
  const metrics = [...new Set(runs.map(({ metric }) => metric))];
  const all = [...new Set(runs.map(circumstancesOf))];
  const measures = metrics.flatMap((metric) =>
    all.flatMap((circumstances) => {
      const found = runs.filter((run) => run.metric === metric && circumstancesOf(run) === circumstances);
      return found.length === 0 ? [] : [measureOf(found, rounds)];
    }),
  );
  const quotients = QUOTIENTS.flatMap((quotient) =>
    all.flatMap((circumstances) => quotientOf(quotient, circumstances, measures)),
  );
  return [...measures, ...quotients];
}

/** What a measure's name has behind the metric; over IPv4 unless it states IPv6. A record has one topology. */
function circumstancesOf({ underlay, family }: PathRun): string {
  return family === 6 ? `${underlay}, IPv6` : underlay;
}

/** `runs`: of one metric under the same circumstances. */
function measureOf(runs: readonly PathRun[], rounds: number): Measure {
  const { metric } = runs[0]!;
  const circumstances = circumstancesOf(runs[0]!);
  const unit = runs.find((run) => run.unit !== undefined)?.unit;
  const candidates = [...new Set(runs.map(({ candidate }) => candidate))].toSorted(referenceFirst);
  return {
    name: `${metric}, ${circumstances}`,
    group: titleOf(metric),
    title: circumstances,
    unit: unit ?? 'none',
    better: unit === undefined ? 'neither' : LESS_IS_BETTER.includes(unit) ? 'less' : 'more',
    // A quotient of counts that are mostly 0 says nothing.
    ...(unit === 'segments' ? {} : { reference: REFERENCE }),
    subjects: candidates.map((candidate) =>
      subjectOf(
        candidate,
        runs.filter((run) => run.candidate === candidate),
        rounds,
      ),
    ),
  };
}

/** A metric's name is its measure's, or that with a percentile or the like behind it. */
function titleOf(metric: string): string {
  const [name, ...rest] = metric.split(' ');
  const title = MEASURES.find((measure) => measure.name === name)?.title ?? name!;
  return [title, ...rest].join(', ');
}

function referenceFirst(a: string, b: string): number {
  return Number(b === REFERENCE) - Number(a === REFERENCE);
}

function subjectOf(name: string, runs: readonly PathRun[], rounds: number): Subject {
  const all = Array.from({ length: rounds }, (_, round) => runs.find((run) => run.round === round));
  const failures = [...new Set(runs.flatMap(({ failure }) => failure ?? []))];
  const threshold = thresholdOf(runs[0]!, runs[0]!.metric, name);
  return {
    name,
    rounds: all.map((run) => run?.value ?? null),
    ...(name.startsWith('weft') ? {} : { isCompetitor: true as const }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(failures.length === 0 ? {} : { failure: failures.join('; ') }),
    details: all.map((run) => detailsOf(run)),
  };
}

function detailsOf(run: PathRun | undefined): Readonly<Record<string, unknown>> {
  if (run === undefined) return {};
  const { mtu, load, cpuSeconds, trial, details } = run;
  return { mtu, load, ...(cpuSeconds ? { cpuSeconds } : {}), ...details, ...(trial ? { trial } : {}) };
}

/** A measure of its own for a ratio of which both sides were measured; else none. */
function quotientOf(
  { metric, by, atLeast }: Quotient,
  circumstances: string,
  measures: readonly Measure[],
): Measure[] {
  const find = (wanted: string) => measures.find(({ name }) => name === `${wanted}, ${circumstances}`);
  const own = find(metric);
  const beside = 'metric' in by ? find(by.metric) : own;
  // What sender and receiver themselves make of it, where no tunnel is between them, is no tunnel's.
  const names = 'metric' in by ? [BOUND, ...ASKED_OF] : ASKED_OF;
  const isBounded = 'metric' in by && own?.subjects.some(({ name }) => name === BOUND) === true;
  const threshold = { of: isBounded ? 'ratio' : 'value', atLeast } as const;
  const subjects = names.flatMap((name): Subject[] => {
    const over = own?.subjects.find((subject) => subject.name === name);
    const under = beside?.subjects.find((one) => one.name === ('candidate' in by ? by.candidate : name));
    if (over === undefined || under === undefined) return [];
    const rounds = over.rounds.map((value, round) => divide(value, under.rounds[round] ?? null));
    return [name === BOUND ? { name, rounds, isCompetitor: true } : { name, rounds, threshold }];
  });
  if (subjects.length === 0) return [];
  const divisor = 'metric' in by ? by.metric : `${by.candidate}'s`;
  const reference = isBounded ? { reference: BOUND } : {};
  const name = `${metric} ÷ ${divisor}, ${circumstances}`;
  return [{ name, unit: 'ratio', better: 'more', ...reference, subjects }];
}

function divide(over: number | null, under: number | null): number | null {
  return over === null || under === null || under === 0 ? null : over / under;
}
