// For benchmarks that measure one thing beside nothing: a list of metrics, each a measure with one subject.
import type { Measure, BenchmarkRecord, Threshold } from './record.ts';

/** One metric with the limit that it was promised to keep. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  /** Raw values, one a run, in the order measured. */
  readonly runs: readonly number[];
  /** Largest median that counts as kept; unset for a metric that is only shown. */
  readonly atMost?: number;
  /** Smallest median that counts as kept. */
  readonly atLeast?: number;
  /** Default: less, or more where a least is promised. Of neither no comparison is made. */
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
      subjects: [{ name: isCompetitor ? 'rival' : subject, rounds: runs, ...kind }],
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

/** What benchmarks return that have metrics only. */
export interface BenchResult {
  readonly bench: string;
  readonly invalidatedBy: string;
  readonly metrics: readonly Metric[];
}

export function recordOf({ bench, invalidatedBy, metrics }: BenchResult): BenchmarkRecord {
  return { benchmark: bench, invalidatedBy, conditions: {}, measures: measuresOf(metrics) };
}
