// What must come out of a run whatever the machine and its load: who is ahead of whom in the same round. Pure.
import type { BenchmarkRecord } from './record.ts';
import { median, valuesOf } from './statistics.ts';

/** `ahead` has more of `measure` than `behind`, by far: a run in which it has not shows something broken, not something slow. */
export interface RankingInvariant {
  readonly benchmark: string;
  readonly measure: string;
  readonly ahead: string;
  readonly behind: string;
}

/** One line for each invariant that does not hold, or that could not be looked at. */
export function violations(
  invariants: readonly RankingInvariant[],
  records: readonly BenchmarkRecord[],
): string[] {
  return invariants.flatMap((invariant) => {
    const [ahead, behind] = [
      valueOf(invariant, invariant.ahead, records),
      valueOf(invariant, invariant.behind, records),
    ];
    if (ahead > behind) return [];
    const { benchmark, measure } = invariant;
    return [
      `${benchmark} ${measure}: ${invariant.ahead} (${ahead}) is not ahead of ${invariant.behind} (${behind})`,
    ];
  });
}

/** Median of all rounds; NaN if there is none. */
function valueOf(
  { benchmark, measure }: RankingInvariant,
  subject: string,
  records: readonly BenchmarkRecord[],
): number {
  const found = records
    .find((record) => record.benchmark === benchmark)
    ?.measures.find(({ name }) => name === measure)
    ?.subjects.find(({ name }) => name === subject);
  return found === undefined ? NaN : median(valuesOf(found));
}
