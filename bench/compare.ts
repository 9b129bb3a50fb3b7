// Compares two runs and reports differences beyond noise. Pure. The kind of comparison depends on the subject:
//
//   ratio  to a reference of the same round. The machine's speed drifts from run to run; the reference drifts with it.
//   count  without randomness: packets lost, requests. One round is enough.
//   value  times and memory without a reference: they drift with the machine, so only large differences count.
//
// Ratios and values are worse if both hold: the p-value of the ranking (Mann–Whitney, exact) is below `alpha`, and the
// median quotient is beyond the tolerance. The first covers noise within runs. The second covers differences between whole
// runs that more rounds do not reveal: code addresses, neighbours of a virtual machine.
// With too few rounds for the first, a difference of values must exceed all noise observed so far.
import { MACHINE_IDENTITY } from './machine.ts';
import type { BenchRecord, Measure, BenchmarkRecord, Subject } from './record.ts';
import { pValueOfLarger, smallestPValue, ratiosOf, shiftOf, valuesOf } from './statistics.ts';

export interface ComparisonOptions {
  /** Probability below which a difference is significant; 0 to 1. */
  readonly alpha: number;
  /** Difference of ratios and counts that counts as noise between runs; 0.1: a tenth. */
  readonly tolerance: number;
}

export type Kind = 'ratio' | 'count' | 'value';

/** As {@link ComparisonOptions.tolerance}, of values. */
export const VALUE_TOLERANCE = 0.5;
/** The same with too few rounds for a p-value below alpha. */
export const GROSS_TOLERANCE = 1;

/** `missing`: measured before, not now. `few`: too few rounds for any significant difference. */
export type ComparisonResult = 'worse' | 'better' | 'same' | 'missing' | 'few';

export interface Difference {
  readonly benchmark: string;
  readonly measure: string;
  readonly subject: string;
  readonly kind: Kind;
  readonly result: ComparisonResult;
  /** Ratios to the reference, counts or values, one a round. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Median quotient of after and before; NaN if either is empty. */
  readonly shift: number;
  /** One-sided, in the direction of the shift. */
  readonly pValue: number;
}

/**
 * Compares each subject of `before` except references and competitors, in its order.
 * @throws Error naming the first machine property or condition in which the runs differ, or if nothing can be compared.
 */
export function compareRecords(
  before: BenchRecord,
  after: BenchRecord,
  options: ComparisonOptions,
): Difference[] {
  requireSame('The machine', before.machine, after.machine, MACHINE_IDENTITY);
  const differences = before.benchmarks.flatMap((benchmark) => {
    const other = after.benchmarks.find((one) => one.benchmark === benchmark.benchmark);
    return other === undefined ? [] : compareBenchmarks(benchmark, other, options);
  });
  if (differences.length === 0)
    throw new Error('The runs have nothing in common to compare: run the same benchmarks for both');
  return differences;
}

function compareBenchmarks(
  before: BenchmarkRecord,
  after: BenchmarkRecord,
  options: ComparisonOptions,
): Difference[] {
  const names = [...new Set([...Object.keys(before.conditions), ...Object.keys(after.conditions)])];
  requireSame(`Benchmark ${before.benchmark}`, before.conditions, after.conditions, names);
  return before.measures
    .filter(({ better }) => better !== 'neither')
    .flatMap((measure) => {
      const other = after.measures.find(({ name }) => name === measure.name);
      return measure.subjects
        .filter((subject) => subject.isCompetitor !== true && comparedValues(measure, subject).length > 0)
        .map((subject) => compareSubject(before.benchmark, measure, subject, other, options));
    });
}

/** The compared values of a subject, one a round; none for a reference. */
function comparedValues(measure: Measure, subject: Subject): number[] {
  return measure.reference === undefined ? valuesOf(subject) : ratiosOf(measure, subject);
}

function kindOf({ reference }: Measure, { isExact }: Subject): Kind {
  if (reference !== undefined) return 'ratio';
  return isExact === true ? 'count' : 'value';
}

function requireSame<Name extends string>(
  what: string,
  before: Readonly<Partial<Record<Name, unknown>>>,
  after: Readonly<Partial<Record<Name, unknown>>>,
  names: readonly Name[],
): void {
  for (const name of names)
    if (before[name] !== after[name])
      throw new Error(
        `${what} has ${name} ${String(before[name])} in the first run and ${String(after[name])} in the second: only runs of the same conditions compare`,
      );
}

function compareSubject(
  benchmark: string,
  measure: Measure,
  subject: Subject,
  other: Measure | undefined,
  options: ComparisonOptions,
): Difference {
  const twin = other?.subjects.find(({ name }) => name === subject.name);
  const kind = kindOf(measure, subject);
  const before = comparedValues(measure, subject);
  const after = other === undefined || twin === undefined ? [] : comparedValues(other, twin);
  const shift = shiftOf(before, after);
  const pValue = shift > 1 ? pValueOfLarger(before, after) : pValueOfLarger(after, before);
  const isMoreBetter = measure.better === 'more';
  const result = evaluate({ kind, before, after, shift, pValue, isMoreBetter }, options);
  return {
    benchmark,
    measure: measure.name,
    subject: subject.name,
    kind,
    result,
    before,
    after,
    shift,
    pValue,
  };
}

interface ComparisonInputs extends Pick<Difference, 'kind' | 'before' | 'after' | 'shift' | 'pValue'> {
  readonly isMoreBetter: boolean;
}

function evaluate(inputs: ComparisonInputs, options: ComparisonOptions): ComparisonResult {
  const { kind, before, after, shift, pValue, isMoreBetter } = inputs;
  if (after.length === 0) return 'missing';
  const isFew = smallestPValue(before.length, after.length) > options.alpha;
  if (isFew && kind === 'ratio') return 'few';
  const isChance = kind !== 'count' && !isFew && pValue > options.alpha;
  if (isChance || !isBeyond(shift, toleranceOf(kind, isFew, options))) return 'same';
  return shift > 1 === isMoreBetter ? 'better' : 'worse';
}

function isBeyond(shift: number, tolerance: number): boolean {
  return Math.max(shift, 1 / shift) > 1 + tolerance;
}

function toleranceOf(kind: Kind, isFew: boolean, { tolerance }: ComparisonOptions): number {
  if (kind !== 'value') return tolerance;
  return isFew ? GROSS_TOLERANCE : VALUE_TOLERANCE;
}
