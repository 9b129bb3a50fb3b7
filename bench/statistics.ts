// Statistics over the values of several rounds. Pure.
import type { Measure, Subject } from './record.ts';

/** Middle value, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

/** The values that there are. */
export function valuesOf({ rounds }: Subject): number[] {
  return rounds.filter((value) => value !== null);
}

/** Each value through the reference's of the same round; rounds without either are left out. */
export function ratiosOf(measure: Measure, subject: Subject): number[] {
  const reference = measure.subjects.find(({ name }) => name === measure.reference);
  if (reference === undefined || reference === subject) return [];
  return subject.rounds.flatMap((value, round) => {
    const beside = reference.rounds[round] ?? null;
    return value === null || beside === null || beside === 0 ? [] : [value / beside];
  });
}

/** The shift from `before` to `after`: the median of all pairwise quotients (Hodges–Lehmann, of logarithms). */
export function shiftOf(before: readonly number[], after: readonly number[]): number {
  // 0 and 0 are the same.
  return median(after.flatMap((late) => before.map((early) => (late === early ? 1 : late / early))));
}

/**
 * p-value of values at least as large as `after` beside `before` under the null hypothesis (Mann–Whitney, one-sided,
 * exact, ties ranked in the middle). 1 if either is empty.
 */
export function pValueOfLarger(before: readonly number[], after: readonly number[]): number {
  const pooled = [...before, ...after];
  const ranks = doubledRanks(pooled);
  const sum = ranks.slice(before.length).reduce((total, rank) => total + rank, 0);
  const counts = subsetSums(ranks, after.length);
  const all = counts.reduce((total, count) => total + count, 0);
  return counts.slice(sum).reduce((total, count) => total + count, 0) / all;
}

/** The least that {@link pValueOfLarger} can be with so many values. */
export function smallestPValue(before: number, after: number): number {
  let rankings = 1;
  for (let i = 1; i <= after; i++) rankings *= (before + i) / i;
  return 1 / rankings;
}

/** Twice the rank of each value, so that ranks between two are whole numbers. */
function doubledRanks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return 2 * below + equal + 1;
  });
}

/** How many subsets of `size` items have each sum. */
function subsetSums(items: readonly number[], size: number): number[] {
  const most = items.reduce((total, item) => total + item, 0);
  const counts = Array.from({ length: size + 1 }, () => Array.from({ length: most + 1 }, () => 0));
  counts[0]![0] = 1;
  for (const item of items)
    for (let chosen = size; chosen > 0; chosen--)
      for (let sum = most; sum >= item; sum--) counts[chosen]![sum]! += counts[chosen - 1]![sum - item]!;
  return counts[size]!;
}
