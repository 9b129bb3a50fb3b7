// What the path benchmark makes of its runs: a table of every figure, and the ratios that were asked for.
import type { Measure, Unit } from './path-measures.ts';
import type { Switch } from './path-underlay.ts';
import { median, type Figure } from './report.ts';

/** One value of one candidate in one round, with the conditions that it holds under; or why there is none. */
export interface PathRun {
  readonly round: number;
  readonly candidate: string;
  readonly offloads: Switch;
  /** Of the tunnel's device, in bytes. */
  readonly mtu: number;
  /** Load average of the machine over the last minute, own doings included. */
  readonly load: number;
  readonly figure: string;
  readonly unit?: Unit;
  readonly value?: number;
  readonly details?: Readonly<Record<string, unknown>>;
  /** CPU time of the tunnel's processes at a and b meanwhile. */
  readonly cpuSeconds?: readonly number[];
  /** What was seen at the end of the candidate's turn: fragments made, memory, counters and offloads of its ends. */
  readonly turn?: Readonly<Record<string, unknown>>;
  readonly failure?: string;
}

/** All ratios are to this candidate's value in the same round, unless said otherwise. */
const RIVAL = 'kernel-vxlan';
const ASKED_OF = ['weft-udp', 'weft-vxlan'];

interface Target {
  readonly figure: string;
  readonly offloads: Switch;
  /** What the figure is compared with: another candidate, or another figure of the same one. */
  readonly beside: { readonly candidate: string } | { readonly figure: string } | 'nothing';
  readonly atLeast?: number;
  readonly atMost?: number;
}

const BESIDE_KERNEL = { candidate: RIVAL };

const TARGETS: readonly Target[] = [
  { figure: 'tcp-cubic', offloads: 'on', beside: BESIDE_KERNEL, atLeast: 0.85 },
  { figure: 'tcp-bbr', offloads: 'on', beside: BESIDE_KERNEL, atLeast: 0.65 },
  { figure: 'tcp-cubic', offloads: 'off', beside: BESIDE_KERNEL, atLeast: 0.55 },
  { figure: 'tcp-8', offloads: 'on', beside: BESIDE_KERNEL, atLeast: 0.8 },
  { figure: 'tcp-cubic', offloads: 'on', beside: { candidate: 'fastd' }, atLeast: 7 },
  { figure: 'udp-64', offloads: 'on', beside: BESIDE_KERNEL, atLeast: 0.6 },
  { figure: 'udp-64-batch', offloads: 'on', beside: BESIDE_KERNEL, atLeast: 1.5 },
  { figure: 'ping', offloads: 'on', beside: BESIDE_KERNEL, atMost: 6 },
  { figure: 'peers-10k', offloads: 'on', beside: { figure: 'peers-1' }, atLeast: 0.9 },
  { figure: 'peers-10k-own', offloads: 'on', beside: { figure: 'peers-1-own' }, atLeast: 0.9 },
  { figure: 'memory', offloads: 'on', beside: 'nothing', atMost: 4 },
];

/** The targets of which both sides were measured. */
export function figuresOf(runs: readonly PathRun[]): Figure[] {
  const pairs = ASKED_OF.flatMap((candidate) => TARGETS.map((target) => ({ candidate, target })));
  return pairs.flatMap(({ candidate, target }) => {
    const { figure, offloads, beside, atLeast, atMost } = target;
    const own = runs.filter((run) => run.candidate === candidate && isOf(run, figure, offloads));
    const values = beside === 'nothing' ? own.flatMap(({ value }) => value ?? []) : ratios(own, runs, beside);
    if (values.length === 0) return [];
    const name = `${candidate} ${figure}, offloads ${offloads}${nameOf(beside)}`;
    const limits = {
      ...(atLeast === undefined ? {} : { atLeast }),
      ...(atMost === undefined ? {} : { atMost }),
    };
    return [{ name, unit: beside === 'nothing' ? 'MiB' : 'ratio', runs: values, ...limits }];
  });
}

function nameOf(beside: Target['beside']): string {
  if (beside === 'nothing') return '';
  return ` ÷ ${'candidate' in beside ? beside.candidate : beside.figure}`;
}

function isOf(run: PathRun, figure: string, offloads: Switch): boolean {
  return run.figure === figure && run.offloads === offloads;
}

/** Each run's value through that of its counterpart in the same round; rounds without either are left out. */
function ratios(
  own: readonly PathRun[],
  runs: readonly PathRun[],
  beside: Target['beside'] & object,
): number[] {
  return own.flatMap((run) => {
    const counterpart = { candidate: run.candidate, figure: run.figure, ...beside };
    const rival = runs.find(
      (other) =>
        other.round === run.round &&
        other.candidate === counterpart.candidate &&
        isOf(other, counterpart.figure, run.offloads),
    );
    if (run.value === undefined || rival?.value === undefined) return [];
    return [run.value / rival.value];
  });
}

/** A block for each figure, a line for each candidate: median, range, ratio, cost, and what went wrong. */
export function printTable(runs: readonly PathRun[], measures: readonly Measure[]): void {
  const blocks = new Map<string, PathRun[]>();
  for (const run of runs) {
    const key = `${run.figure}, offloads ${run.offloads}`;
    blocks.set(key, [...(blocks.get(key) ?? []), run]);
  }
  for (const { name, title } of [{ name: 'start', title: 'Could not be started' }, ...measures])
    for (const [key, block] of blocks) {
      const { figure } = block[0]!;
      if (figure.split(' ')[0] !== name) continue;
      console.log(`\n${title} (${key})`);
      for (const candidate of new Set(block.map((run) => run.candidate)))
        printLine(
          block.filter((run) => run.candidate === candidate),
          runs,
        );
    }
  console.log('');
}

function printLine(own: readonly PathRun[], runs: readonly PathRun[]): void {
  const values = own.flatMap(({ value }) => value ?? []);
  const failures = own.flatMap(({ failure }) => failure ?? []);
  const name = own[0]!.candidate.padEnd(18);
  if (values.length > 0)
    console.log(`  ${name} ${formatValues(values, own)}${formatRatio(own, runs)}${formatRest(own)}`);
  for (const failure of new Set(failures)) console.log(`  ${name} FAILED: ${failure}`);
}

function formatValues(values: readonly number[], own: readonly PathRun[]): string {
  const unit = own.find((run) => run.unit)?.unit ?? '';
  return `${show(median(values)).padStart(7)} ${unit.padEnd(6)} ${range(values).padEnd(15)}`;
}

function formatRatio(own: readonly PathRun[], runs: readonly PathRun[]): string {
  const values = ratios(own, runs, BESIDE_KERNEL);
  if (values.length === 0 || own[0]!.candidate === RIVAL) return ' '.repeat(25);
  return `×${show(median(values))} ${range(values)}`.padEnd(25);
}

/** Conditions and costs. */
function formatRest(own: readonly PathRun[]): string {
  const [first] = own;
  const words = [`MTU ${first!.mtu}`];
  const cpu = own.flatMap(({ cpuSeconds }) => (cpuSeconds?.length ? [cpuSeconds] : []));
  if (cpu.length > 0)
    words.push(`CPU ${cpu[0]!.map((_, end) => show(median(cpu.map((one) => one[end]!)))).join('+')} s`);
  for (const name of ['retransmits', 'sentKpps', 'lost', 'besideGbit']) {
    const found = own.flatMap(({ details }) => (details?.[name] === undefined ? [] : [details[name]]));
    const numbers = found.filter((one) => typeof one === 'number');
    if (numbers.length > 0) words.push(`${name} ${show(median(numbers))}`);
  }
  return words.join(', ');
}

function range(values: readonly number[]): string {
  return `[${show(Math.min(...values))}–${show(Math.max(...values))}]`;
}

/** Three digits that count. */
function show(value: number): string {
  return Math.abs(value) >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(3);
}
