// Whether a run is worse than an earlier one beyond noise. Only ratios to a reference of the same round are judged: what a
// machine can do drifts from run to run, and takes the reference along. Pure.
//
// A subject is worse if both hold: chance alone would rank its ratios of the two runs so in fewer than `chance` of cases
// (Mann–Whitney, exact), and the median quotient of ratios is beyond `tolerance`. The first is about noise within runs; the
// second about what differs between runs as a whole and no number of rounds shows: addresses of code, neighbours of a machine.
import { MACHINE_IDENTITY } from './machine.ts';
import type { BenchRecord, Measure, PartRecord, Subject } from './record.ts';
import { chanceOfLarger, leastChance, ratiosOf, shiftOf } from './statistics.ts';

export interface Judgement {
  /** Probability below which a difference is no chance; 0 to 1. */
  readonly chance: number;
  /** Difference that may pass for one between runs; 0.1: a tenth. */
  readonly tolerance: number;
}

/** `missing`: measured before, not now. `few`: too few rounds for any difference to be more than chance. */
export type Verdict = 'worse' | 'better' | 'same' | 'missing' | 'few';

export interface Difference {
  readonly part: string;
  readonly measure: string;
  readonly subject: string;
  readonly verdict: Verdict;
  /** Ratios to the reference, one a round. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Median quotient of after and before; NaN if either is empty. */
  readonly shift: number;
  /** Of a difference in this direction, by chance alone. */
  readonly chance: number;
}

/**
 * Every subject of `before` that has a reference and is no rival, in its order.
 * @throws Error naming the first machine property or condition in which the runs differ, or if nothing can be compared.
 */
export function compareRecords(before: BenchRecord, after: BenchRecord, judgement: Judgement): Difference[] {
  requireSame('The machine', before.machine, after.machine, MACHINE_IDENTITY);
  const differences = before.parts.flatMap((part) => {
    const other = after.parts.find((one) => one.part === part.part);
    return other === undefined ? [] : compareParts(part, other, judgement);
  });
  if (differences.length === 0)
    throw new Error('The runs have no ratio in common: run the same parts, with references, for both');
  return differences;
}

function compareParts(before: PartRecord, after: PartRecord, judgement: Judgement): Difference[] {
  const names = [...new Set([...Object.keys(before.conditions), ...Object.keys(after.conditions)])];
  requireSame(`Part ${before.part}`, before.conditions, after.conditions, names);
  return before.measures
    .filter(({ reference, better }) => reference !== undefined && better !== 'neither')
    .flatMap((measure) => {
      const other = after.measures.find(({ name }) => name === measure.name);
      return measure.subjects
        .filter((subject) => subject.isRival !== true && ratiosOf(measure, subject).length > 0)
        .map((subject) => compareSubject(before.part, measure, subject, other, judgement));
    });
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
  part: string,
  measure: Measure,
  subject: Subject,
  other: Measure | undefined,
  judgement: Judgement,
): Difference {
  const twin = other?.subjects.find(({ name }) => name === subject.name);
  const before = ratiosOf(measure, subject);
  const after = other === undefined || twin === undefined ? [] : ratiosOf(other, twin);
  const shift = shiftOf(before, after);
  const chance = shift > 1 ? chanceOfLarger(before, after) : chanceOfLarger(after, before);
  const verdict = judge({ before, after, shift, chance, isMoreBetter: measure.better === 'more' }, judgement);
  return { part, measure: measure.name, subject: subject.name, verdict, before, after, shift, chance };
}

interface Evidence extends Pick<Difference, 'before' | 'after' | 'shift' | 'chance'> {
  readonly isMoreBetter: boolean;
}

function judge(evidence: Evidence, judgement: Judgement): Verdict {
  const { before, after, shift, chance, isMoreBetter } = evidence;
  if (after.length === 0) return 'missing';
  if (leastChance(before.length, after.length) > judgement.chance) return 'few';
  const isBeyond = Math.max(shift, 1 / shift) > 1 + judgement.tolerance;
  if (chance > judgement.chance || !isBeyond) return 'same';
  return shift > 1 === isMoreBetter ? 'better' : 'worse';
}
