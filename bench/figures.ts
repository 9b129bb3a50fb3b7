// For parts that measure one thing beside nothing: a list of figures, each a measure with one subject.
import type { Measure, BenchmarkRecord, Promised } from './record.ts';

/** One figure with the limit that it was promised to keep. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Raw values, one a run, in the order measured. */
  readonly runs: readonly number[];
  /** Largest median that counts as kept; unset for a figure that is only shown. */
  readonly atMost?: number;
  /** Smallest median that counts as kept. */
  readonly atLeast?: number;
  /** Default: less, or more where a least is promised. Of neither no comparison is made. */
  readonly better?: Measure['better'];
  readonly isRival?: true;
  readonly isExact?: true;
}

/** The measures of figures of which less is better unless they promise a least. */
export function measuresOf(figures: readonly Figure[], subject = 'weft'): Measure[] {
  return figures.map(({ name, unit, runs, atMost, atLeast, better, isRival, isExact }) => {
    const promise = promiseOf(atMost, atLeast);
    const kind = { ...(promise && { promise }), ...(isRival && { isRival }), ...(isExact && { isExact }) };
    return {
      name,
      unit,
      better: better ?? (atLeast === undefined ? 'less' : 'more'),
      subjects: [{ name: isRival ? 'rival' : subject, rounds: runs, ...kind }],
    };
  });
}

function promiseOf(atMost: number | undefined, atLeast: number | undefined): Promised | undefined {
  if (atMost === undefined && atLeast === undefined) return undefined;
  return {
    of: 'value',
    ...(atMost === undefined ? {} : { atMost }),
    ...(atLeast === undefined ? {} : { atLeast }),
  };
}

/** What parts return that have figures only. */
export interface BenchResult {
  readonly bench: string;
  readonly invalidatedBy: string;
  readonly figures: readonly Figure[];
}

export function recordOf({ bench, invalidatedBy, figures }: BenchResult): BenchmarkRecord {
  return { part: bench, invalidatedBy, conditions: {}, measures: measuresOf(figures) };
}
