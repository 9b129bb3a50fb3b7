// Rankings that hold on any machine and under any load: one subject is ahead of another in the same round. Pure.
import type { BenchmarkRecord } from './record.ts';
import { median, valuesOf } from './statistics.ts';

/** `ahead` exceeds `behind` in `measure` by far: a violation means a defect, not a slow machine. */
export interface RankingInvariant {
  readonly benchmark: string;
  readonly measure: string;
  readonly ahead: string;
  readonly behind: string;
}

/** One line for each invariant that is violated, or whose subjects are missing. */
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
