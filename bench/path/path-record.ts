// Turns the runs of the path benchmark into measures: one for each metric, and one for each quotient.
import { MEASURES, type Unit } from './path-measures.ts';
import type { Switch } from './path-underlay.ts';
import type { Measure, Threshold, Subject } from '../record.ts';

/** One value of one candidate in one round, with its conditions; or the cause of its absence. */
export interface PathRun {
  readonly round: number;
  readonly candidate: string;
  readonly offloads: Switch;
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
const ASKED_OF = ['weft-udp', 'weft-vxlan'];
const LESS_IS_BETTER: readonly (Unit | undefined)[] = ['µs', 'MiB', 's/Gbit'];

/** By metric; with offloads on unless the name states off. */
const THRESHOLDS: Readonly<Record<string, Threshold>> = {
  'tcp-cubic': { of: 'ratio', atLeast: 0.85 },
  'tcp-bbr': { of: 'ratio', atLeast: 0.65 },
  'tcp-cubic, offloads off': { of: 'ratio', atLeast: 0.55 },
  'tcp-8': { of: 'ratio', atLeast: 0.8 },
  'udp-64': { of: 'ratio', atLeast: 0.6 },
  // Packet by packet the bare veth is 1.5 times as fast as the kernel's tunnel: the upper bound of any tunnel.
  'udp-64-batch': { of: 'ratio', atLeast: 1 },
  ping: { of: 'ratio', atMost: 6 },
  memory: { of: 'value', atMost: 4 },
};

interface Quotient {
  readonly metric: string;
  /** What it is divided by: another candidate's value, or another metric of the same one. */
  readonly by: { readonly candidate: string } | { readonly metric: string };
  readonly atLeast: number;
}

/** Ratios to something else than the {@link REFERENCE}. */
const QUOTIENTS: readonly Quotient[] = [
  { metric: 'tcp-cubic', by: { candidate: 'fastd' }, atLeast: 7 },
  { metric: 'peers-10k', by: { metric: 'peers-1' }, atLeast: 0.9 },
  { metric: 'peers-10k-own', by: { metric: 'peers-1-own' }, atLeast: 0.9 },
  { metric: 'peers-10k-raw', by: { metric: 'peers-1-raw' }, atLeast: 0.9 },
];

/** In the order in which metrics first occur. */
export function measuresOfRuns(runs: readonly PathRun[]): Measure[] {
  const rounds = 1 + Math.max(-1, ...runs.map(({ round }) => round));
  const names = [...new Set(runs.map(nameOf))];
  const measures = names.map((name) =>
    measureOf(
      name,
      runs.filter((run) => nameOf(run) === name),
      rounds,
    ),
  );
  return [...measures, ...QUOTIENTS.flatMap((quotient) => quotientOf(quotient, measures))];
}

function nameOf({ metric, offloads }: PathRun): string {
  return offloads === 'on' ? metric : `${metric}, offloads off`;
}

function measureOf(name: string, runs: readonly PathRun[], rounds: number): Measure {
  const unit = runs.find((run) => run.unit !== undefined)?.unit;
  const candidates = [...new Set(runs.map(({ candidate }) => candidate))].toSorted(referenceFirst);
  return {
    name,
    title: titleOf(runs[0]!),
    unit: unit ?? 'none',
    better: unit === undefined ? 'neither' : LESS_IS_BETTER.includes(unit) ? 'less' : 'more',
    reference: REFERENCE,
    subjects: candidates.map((candidate) =>
      subjectOf(
        name,
        candidate,
        runs.filter((run) => run.candidate === candidate),
        rounds,
      ),
    ),
  };
}

/** A metric's name is its measure's, or that with a percentile behind it. */
function titleOf({ metric, offloads }: PathRun): string {
  const [name, ...rest] = metric.split(' ');
  const title = [MEASURES.find((measure) => measure.name === name)?.title ?? metric, ...rest].join(', ');
  return offloads === 'on' ? title : `${title}, no offloads on the underlay`;
}

function referenceFirst(a: string, b: string): number {
  return Number(b === REFERENCE) - Number(a === REFERENCE);
}

function subjectOf(measure: string, name: string, runs: readonly PathRun[], rounds: number): Subject {
  const all = Array.from({ length: rounds }, (_, round) => runs.find((run) => run.round === round));
  const failures = [...new Set(runs.flatMap(({ failure }) => failure ?? []))];
  const threshold = ASKED_OF.includes(name) ? THRESHOLDS[measure] : undefined;
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
function quotientOf({ metric, by, atLeast }: Quotient, measures: readonly Measure[]): Measure[] {
  const own = measures.find(({ name }) => name === metric);
  const beside = 'metric' in by ? measures.find(({ name }) => name === by.metric) : own;
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
  return [{ name: `${metric} ÷ ${divisor}`, unit: 'ratio', better: 'more', ...reference, subjects }];
}

function divide(over: number | null, under: number | null): number | null {
  return over === null || under === null || under === 0 ? null : over / under;
}
