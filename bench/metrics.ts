// For benchmarks without competitors: a list of metrics, each a measure with one subject.
import type { Measure, BenchmarkRecord, Threshold } from './record.ts';

/** One metric with its threshold. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  /** Raw values, one a run, in the order measured. */
  readonly runs: readonly number[];
  /** Largest median that meets the threshold; unset: only shown. */
  readonly atMost?: number;
  /** Smallest median that meets the threshold. */
  readonly atLeast?: number;
  /** Default: less, or more if {@link atLeast} is set. `neither` is left out of comparisons. */
  readonly better?: Measure['better'];
  readonly isCompetitor?: true;
  readonly isExact?: true;
}

/** The measures of metrics of which less is better unless they threshold a least. */
export function measuresOf(metrics: readonly Metric[], subject = 'weft'): Measure[] {
  return metrics.map(({ name, unit, runs, atMost, atLeast, better, isCompetitor, isExact }) => {
    const threshold = thresholdOf(atMost, atLeast);
    const kind = {
      ...(threshold && { threshold }),
      ...(isCompetitor && { isCompetitor }),
      ...(isExact && { isExact }),
    };
    return {
      name,
      unit,
      better: better ?? (atLeast === undefined ? 'less' : 'more'),
      subjects: [{ name: isCompetitor ? 'competitor' : subject, rounds: runs, ...kind }],
    };
  });
}

function thresholdOf(atMost: number | undefined, atLeast: number | undefined): Threshold | undefined {
  if (atMost === undefined && atLeast === undefined) return undefined;
  return {
    of: 'value',
    ...(atMost === undefined ? {} : { atMost }),
    ...(atLeast === undefined ? {} : { atLeast }),
  };
}

/** Result of a benchmark that has metrics only. */
export interface BenchResult {
  readonly bench: string;
  readonly invalidatedBy: string;
  readonly metrics: readonly Metric[];
}

export function recordOf({ bench, invalidatedBy, metrics }: BenchResult): BenchmarkRecord {
  return { benchmark: bench, invalidatedBy, conditions: {}, measures: measuresOf(metrics) };
}
