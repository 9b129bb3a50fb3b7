// A comparison as text.
import {
  GROSS_TOLERANCE,
  VALUE_TOLERANCE,
  type Difference,
  type ComparisonOptions,
  type ComparisonResult,
} from './compare.ts';
import { median } from './statistics.ts';
import { formatNumber, formatRange } from './summary.ts';

const RESULT_TEXT: Readonly<Record<ComparisonResult, string>> = {
  worse: 'WORSE',
  better: 'better',
  same: 'same',
  missing: 'MISSING',
  few: 'too few rounds',
};

/** Verdicts that make a comparison fail. */
const FAILING: readonly ComparisonResult[] = ['worse', 'missing'];

export function hasFailed(differences: readonly Difference[]): boolean {
  return differences.some(({ result }) => FAILING.includes(result));
}

/** A line for each subject, then the sum. */
export function formatComparison(differences: readonly Difference[], options: ComparisonOptions): string {
  const names = differences.map(({ benchmark, measure, subject }) => `${benchmark} ${measure}: ${subject}`);
  const width = Math.max(...names.map((name) => name.length));
  const lines = differences.map((one, index) => `${names[index]!.padEnd(width)}  ${formatDifference(one)}`);
  return [...lines, '', formatSum(differences, options)].join('\n');
}

function formatDifference({ kind, result, before, after, shift, pValue }: Difference): string {
  const mark = kind === 'ratio' ? '×' : '';
  const fields = [`${mark}${formatNumber(median(before))} ${formatRange(before)}`];
  if (result !== 'missing') {
    fields.push(`to ${mark}${formatNumber(median(after))} ${formatRange(after)}`);
    fields.push(Number.isFinite(shift) ? formatPercent(shift) : 'from nothing');
    if (kind !== 'count') fields.push(`p ${pValue.toPrecision(1)}`);
  }
  return `${fields.join(', ').replace(', to', ' to').padEnd(60)} ${RESULT_TEXT[result]}`;
}

function formatPercent(shift: number): string {
  const percent = (shift - 1) * 100;
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;
}

function formatSum(differences: readonly Difference[], { alpha, tolerance }: ComparisonOptions): string {
  const count = (result: ComparisonResult) => differences.filter((one) => one.result === result).length;
  const compared = differences.length - count('few') - count('missing');
  const sums = [
    `${compared} compared: ${count('worse')} worse, ${count('better')} better, ${count('same')} the same`,
    ...(count('few') > 0 ? [`${count('few')} have too few rounds to compare: five a run are enough`] : []),
    ...(count('missing') > 0 ? [`${count('missing')} are missing in the second run`] : []),
    `A ratio (×) differs beyond ${tolerance * 100} % with p < ${alpha}, a count beyond ${tolerance * 100} %,`,
    `a time or an amount of memory beyond ${VALUE_TOLERANCE * 100} % with p < ${alpha}, or with few rounds beyond ${GROSS_TOLERANCE * 100} %`,
  ];
  return sums.join('\n');
}
