// Results as text: for each measure the subjects with median and range, and their ratio to the reference of the same round.
import type { Measure, BenchmarkRecord, Promised, Subject } from './record.ts';
import { median, ratiosOf, valuesOf } from './statistics.ts';

const BETTER = { less: ', less is better', more: ', more is better', neither: '' } as const;

/** Lines of a part, without the machine. */
export function formatPart({ part, conditions, measures, invalidatedBy }: BenchmarkRecord): string[] {
  const chosen = Object.entries(conditions).map(([name, value]) => `${name} ${String(value)}`);
  return [
    `${part}${chosen.length > 0 ? ` (${chosen.join(', ')})` : ''}`,
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
  const words = values.length === 0 ? [] : [formatValues(values)];
  const ratios = ratiosOf(measure, subject);
  if (ratios.length > 0) words.push(`×${formatNumber(median(ratios))} ${formatRange(ratios)}`.padEnd(20));
  const { promise, failure } = subject;
  if (promise !== undefined) words.push(formatPromise(promise, promise.of === 'ratio' ? ratios : values));
  if (failure !== undefined) words.push(`FAILED: ${failure}`);
  return words.join('  ').trimEnd();
}

function formatValues(values: readonly number[]): string {
  return `${formatNumber(median(values)).padStart(8)} ${`${formatRange(values)}, n=${values.length}`.padEnd(24)}`;
}

function formatPromise(promise: Promised, values: readonly number[]): string {
  const bounds = [
    ...(promise.atLeast === undefined ? [] : [`≥ ${formatNumber(promise.atLeast)}`]),
    ...(promise.atMost === undefined ? [] : [`≤ ${formatNumber(promise.atMost)}`]),
  ];
  return `${isKept(promise, values) ? 'ok' : 'MISSED'} (${bounds.join(', ')})`;
}

/** Of no values, no promise is kept. */
export function isKept(
  { atLeast = -Infinity, atMost = Infinity }: Promised,
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
