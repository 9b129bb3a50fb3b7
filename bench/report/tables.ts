// Tables of results inside Markdown pages. A page states what a table has, and where, by a pair of comments:
//
//   <!-- bench path: tcp-cubic,rr-1; wire,uncut; weft-udp,weft-vxlan -->     metrics; circumstances; subjects
//   <!-- bench end -->
import { formatMachine } from '../machine.ts';
import type { BenchRecord, BenchmarkRecord, Measure } from '../record.ts';
import { median, ratiosOf, valuesOf } from '../statistics.ts';
import { formatNumber, formatRange } from '../summary.ts';

const BLOCK = /<!-- bench (\S+): ([^;]+); ([^;]+); ([^;]+?) -->\n[^]*?<!-- bench end -->/g;

/** `page` with each table of its comments from `records`. @throws Error if a table's benchmark or all its rows are missing. */
export function fillTables(page: string, records: readonly BenchRecord[]): string {
  return page.replaceAll(BLOCK, (_block, benchmark: string, ...lists: string[]) => {
    const [metrics = '', circumstances = '', subjects = ''] = lists;
    const table = formatTable(benchmark, split(metrics), split(circumstances), split(subjects), records);
    const heading = `<!-- bench ${benchmark}: ${metrics}; ${circumstances}; ${subjects} -->`;
    return [heading, ...table, '<!-- bench end -->'].join('\n');
  });
}

/** Circumstances may have commas with blanks: `wire, IPv6`. */
function split(list: string): string[] {
  return list.split(/,(?! )/);
}

function formatTable(
  name: string,
  metrics: readonly string[],
  circumstances: readonly string[],
  subjects: readonly string[],
  records: readonly BenchRecord[],
): string[] {
  const record = records.find(({ benchmarks }) => benchmarks.some(({ benchmark }) => benchmark === name));
  const found = record?.benchmarks.find(({ benchmark }) => benchmark === name);
  const measures = metrics.flatMap((metric) =>
    circumstances.flatMap((one) => found?.measures.find((each) => each.name === `${metric}, ${one}`) ?? []),
  );
  const reference = measures[0]?.reference;
  if (record === undefined || found === undefined || reference === undefined)
    throw new Error(
      `A table needs benchmark ${name} with some of ${metrics.join(', ')} under ${circumstances.join(' or ')}, beside a reference: run weft bench ${name}`,
    );
  const header = ['', `\`${reference}\``, ...subjects.map((subject) => `\`${subject}\``)];
  return [
    '',
    formatRow(header),
    formatRow(header.map(() => '---')),
    ...measures.map((measure) => formatRow(cellsOf(measure, subjects))),
    '',
    ...explain(record, found, reference),
    '',
  ];
}

function formatRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cellsOf(measure: Measure, subjects: readonly string[]): string[] {
  const { reference, unit, name, group, title } = measure;
  const beside = measure.subjects.find((subject) => subject.name === reference);
  const values = beside === undefined ? [] : valuesOf(beside);
  return [
    group === undefined ? name : `${group}, ${title}`,
    values.length === 0 ? '–' : `${formatNumber(median(values))} ${unit}`,
    ...subjects.map((subject) => formatRatio(measure, subject)),
  ];
}

function formatRatio(measure: Measure, name: string): string {
  const subject = measure.subjects.find((one) => one.name === name);
  const ratios = subject === undefined ? [] : ratiosOf(measure, subject);
  return ratios.length === 0 ? '–' : `${formatNumber(median(ratios))} ${formatRange(ratios)}`;
}

function explain(record: BenchRecord, found: BenchmarkRecord, reference: string): string[] {
  const rounds = Math.max(
    ...found.measures.flatMap(({ subjects }) => subjects.map(({ rounds: all }) => all.length)),
  );
  return [
    `Ratios to \`${reference}\` of the same round: median and range of ${rounds} interleaved rounds, ${record.takenAt.slice(0, 10)}.`,
    `${formatMachine(record.machine)}.`,
  ];
}
