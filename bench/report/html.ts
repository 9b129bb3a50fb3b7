// The report: one HTML file without scripts, light and printable, that shows records of benchmarks as plots, with the machine,
// the conditions, the thresholds and what would invalidate them.
import { formatMachine } from '../machine.ts';
import type { BenchRecord, Measure, BenchmarkRecord } from '../record.ts';
import { valuesOf } from '../statistics.ts';
import { claimsOf } from './claims.ts';
import { escape } from './escape.ts';
import { drawRows, rowsOf, type Row } from './plots.ts';

const BETTER = { less: 'less is better', more: 'more is better', neither: '' } as const;

const STYLE = `
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #222; background: #fff; max-width: 900px; margin: 2em auto; padding: 0 1em; }
h1, h2, h3 { line-height: 1.2; } h2 { border-bottom: 2px solid #0072b2; padding-bottom: .2em; margin-top: 2.5em; }
h3 { margin: 1.8em 0 0; } figure { margin: .3em 0 0; break-inside: avoid; } figcaption { color: #555; font-size: 13px; }
svg { max-width: 100%; height: auto; } table { border-collapse: collapse; width: 100%; font-size: 13px; margin: .6em 0; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; border-bottom: 1px solid #ddd; }
.met { color: #00664b; font-weight: bold; } .missed { color: #b03a00; font-weight: bold; } .note { color: #555; font-size: 13px; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2 { break-before: page; } h2:first-of-type { break-before: auto; } }
`;

/** The whole document. `records` in the order given; benchmarks of each follow one another. */
export function formatReport(records: readonly BenchRecord[]): string {
  const benchmarks = records.flatMap((record) =>
    record.benchmarks.map((benchmark) => formatBenchmarkSection(record, benchmark)),
  );
  const days = [...new Set(records.map(({ takenAt }) => takenAt.slice(0, 10)))];
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>weft: benchmarks of ${days.join(', ')}</title>
<style>${STYLE}</style></head>
<body>
<h1>weft: benchmarks</h1>
<p>Taken ${days.join(', ')}. Each row is one subject: the dot is the median of the rounds, the line with ends their whole range, the number in
brackets the median ratio to the reference (black) of the same round. weft is blue. Absolute values hold for this machine alone;
ratios of one round are what to compare.</p>
<nav><ul>${records.flatMap(({ benchmarks: all }) => all.map(({ benchmark }) => `<li><a href="#${benchmark}">${benchmark}</a></li>`)).join('')}</ul></nav>
${benchmarks.join('\n')}
</body>
</html>
`;
}

function formatBenchmarkSection(record: BenchRecord, benchmark: BenchmarkRecord): string {
  const conditions = Object.entries(benchmark.conditions).map(([name, value]) => `${name} ${String(value)}`);
  return `<section id="${escape(benchmark.benchmark)}">
<h2>${escape(benchmark.benchmark)}</h2>
<p class="note">${escape(formatMachine(record.machine))}. Load before the end: ${record.machine.load.toFixed(1)}.
${conditions.length > 0 ? `Conditions: ${escape(conditions.join(', '))}.` : ''}</p>
<p>Would be false if: ${escape(benchmark.invalidatedBy)}.</p>
${formatClaims(benchmark.measures)}
${plotGroupsOf(benchmark)
  .map((group) => formatPlotGroup(group, record))
  .join('\n')}
</section>`;
}

interface PlotGroup {
  readonly title: string;
  readonly measures: readonly Measure[];
  readonly rows: readonly Row[];
}

/** Measures of a group together; so are those of one unit that have one subject each, a row for each measure. */
export function plotGroupsOf({ measures }: BenchmarkRecord): PlotGroup[] {
  const groups = new Map<string, Measure[]>();
  for (const measure of measures.filter(hasValues)) {
    const isLone = measure.subjects.length === 1 && measure.group === undefined;
    const title = measure.group ?? (isLone ? `In ${measure.unit}` : (measure.title ?? measure.name));
    groups.set(title, [...(groups.get(title) ?? []), measure]);
  }
  return [...groups].map(([title, all]) => ({ title, measures: all, rows: groupRows(all) }));
}

function hasValues({ subjects }: Measure): boolean {
  return subjects.some((subject) => valuesOf(subject).length > 0);
}

function groupRows(measures: readonly Measure[]): Row[] {
  const areLone = measures.every(({ subjects, group }) => subjects.length === 1 && group === undefined);
  if (!areLone) return measures.flatMap(rowsOf);
  return measures.flatMap(rowsOf).map((row) => ({ ...row, label: row.facet, facet: '' }));
}

function formatPlotGroup({ title, measures, rows }: PlotGroup, record: BenchRecord): string {
  const { unit, better, reference } = measures[0]!;
  const rounds = Math.max(
    ...measures.flatMap(({ subjects }) => subjects.map(({ rounds: all }) => all.length)),
  );
  const axis = [unit, BETTER[better]].filter(Boolean).join(', ');
  const failures = measures.flatMap(({ subjects }) =>
    subjects.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure}`])),
  );
  return `<h3>${escape(title)}</h3>
<figure>${drawRows({ axis, rows })}
<figcaption>Median and range of ${rounds} rounds${reference === undefined ? '' : `; × ${escape(reference)} of the same round`}. ${escape(formatMachine(record.machine))}.
${failures.map((failure) => `<br>Not measured: ${escape(failure)}`).join('')}</figcaption></figure>`;
}

function formatClaims(measures: readonly Measure[]): string {
  const claims = measures.flatMap(claimsOf);
  if (claims.length === 0) return '';
  const rows = claims.map(
    ({ isMet, claim, measured, invalidatedBy }) =>
      `<tr><td>${escape(claim)}</td><td>${escape(measured)}</td><td class="${isMet ? 'met' : 'missed'}">${isMet ? 'met' : 'missed'}</td><td>${escape(invalidatedBy)}</td></tr>`,
  );
  return `<table><thead><tr><th>Claim</th><th>Measured</th><th></th><th>False if</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`;
}
