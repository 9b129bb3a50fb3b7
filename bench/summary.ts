// Results as text: for each measure the subjects with median and range, and their ratio to the reference of the same round.
import type { Measure, BenchmarkRecord, Threshold, Subject } from './record.ts';
import { median, ratiosOf, valuesOf } from './statistics.ts';

const BETTER = { less: ', less is better', more: ', more is better', neither: '' } as const;

/** Lines of a benchmark, without the machine. */
export function formatBenchmark({
  benchmark,
  conditions,
  measures,
  invalidatedBy,
}: BenchmarkRecord): string[] {
  const chosen = Object.entries(conditions).map(([name, value]) => `${name} ${String(value)}`);
  return [
    `${benchmark}${chosen.length > 0 ? ` (${chosen.join(', ')})` : ''}`,
    ...measures.flatMap(formatMeasure),
    `  would be false if: ${invalidatedBy}`,
  ];
}

function formatMeasure(measure: Measure): string[] {
  const { name, unit, better, reference, subjects } = measure;
  const beside = reference === undefined ? '' : `, × ${reference} of the same round`;
  const width = Math.max(22, ...subjects.map((subject) => subject.name.length));
  return [
    `  ${name} (${unit}${BETTER[better]}${beside})`,
    ...subjects.map((subject) => `    ${subject.name.padEnd(width)} ${formatSubject(measure, subject)}`),
  ];
}

function formatSubject(measure: Measure, subject: Subject): string {
  const values = valuesOf(subject);
  const fields = values.length === 0 ? [] : [formatValues(values)];
  const ratios = ratiosOf(measure, subject);
  if (ratios.length > 0) fields.push(`×${formatNumber(median(ratios))} ${formatRange(ratios)}`.padEnd(20));
  const { threshold, failure } = subject;
  if (threshold !== undefined)
    fields.push(formatThreshold(threshold, threshold.of === 'ratio' ? ratios : values));
  if (failure !== undefined) fields.push(`FAILED: ${failure}`);
  return fields.join('  ').trimEnd();
}

function formatValues(values: readonly number[]): string {
  return `${formatNumber(median(values)).padStart(8)} ${`${formatRange(values)}, n=${values.length}`.padEnd(24)}`;
}

function formatThreshold(threshold: Threshold, values: readonly number[]): string {
  const bounds = [
    ...(threshold.atLeast === undefined ? [] : [`≥ ${formatNumber(threshold.atLeast)}`]),
    ...(threshold.atMost === undefined ? [] : [`≤ ${formatNumber(threshold.atMost)}`]),
  ];
  return `${isMet(threshold, values) ? 'ok' : 'MISSED'} (${bounds.join(', ')})`;
}

/** A threshold without values is missed. */
export function isMet(
  { atLeast = -Infinity, atMost = Infinity }: Threshold,
  values: readonly number[],
): boolean {
  const middle = median(values);
  return middle >= atLeast && middle <= atMost;
}

export function formatRange(values: readonly number[]): string {
  return `[${formatNumber(Math.min(...values))}–${formatNumber(Math.max(...values))}]`;
}

/** Three digits that count, never an exponent. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return Math.round(value).toLocaleString('en');
  return Number(value.toPrecision(3)).toFixed(size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5);
}
