// Claims: thresholds as text, and the condition that would invalidate each. Pure.
import type { Measure, Threshold, Subject } from '../record.ts';
import { median, ratiosOf, valuesOf } from '../statistics.ts';
import { formatNumber, formatRange, isMet } from '../summary.ts';

export interface Claim {
  readonly isMet: boolean;
  /** What is claimed. */
  readonly claim: string;
  readonly measured: string;
  readonly invalidatedBy: string;
}

/** One for each subject with a threshold. */
export function claimsOf(measure: Measure): Claim[] {
  return measure.subjects.flatMap((subject) =>
    subject.threshold === undefined ? [] : [claimOf(measure, subject, subject.threshold)],
  );
}

function claimOf(measure: Measure, subject: Subject, threshold: Threshold): Claim {
  const isRatio = threshold.of === 'ratio';
  const values = isRatio ? ratiosOf(measure, subject) : valuesOf(subject);
  const unit = isRatio ? `× ${measure.reference}` : measure.unit === 'ratio' ? '' : measure.unit;
  const amount = (value: number) => `${formatNumber(value)} ${unit}`.trim();
  const { atLeast, atMost } = threshold;
  const bounds = [
    ...(atLeast === undefined ? [] : [`at least ${amount(atLeast)}`]),
    ...(atMost === undefined ? [] : [`at most ${amount(atMost)}`]),
  ];
  const beyond = [
    ...(atLeast === undefined ? [] : [`below ${amount(atLeast)}`]),
    ...(atMost === undefined ? [] : [`above ${amount(atMost)}`]),
  ];
  return {
    isMet: isMet(threshold, values),
    claim: `${titleOf(measure)}, ${subject.name}: ${bounds.join(' and ')}`,
    measured: values.length === 0 ? 'nothing' : `${amount(median(values))} ${formatRange(values)}`,
    invalidatedBy: `the median ${isRatio ? 'of the rounds’ ratios' : 'of the rounds'} is ${beyond.join(' or ')} on a machine that does nothing else`,
  };
}

/** With that of its group, which the title of one in a group takes for granted. */
function titleOf({ group, title, name }: Measure): string {
  return [group, title ?? name].filter((part) => part !== undefined).join(', ');
}
