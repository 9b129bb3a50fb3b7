// Findings as text: the summary, then each with evidence, impact and fix. Pure.
import type { Style } from '../format/style.ts';
import { formatTable } from '../format/table.ts';
import type { Check, Finding } from './check.ts';

export function formatFindings(
  findings: readonly Finding[],
  checks: readonly Check[],
  style: Style,
  isVerbose = false,
): string {
  const here = findings.filter(({ host }) => host === undefined);
  const good = checks.filter(({ id }) => !here.some(({ check }) => check === id));
  const lines = [
    summaryOf(findings, checks.length, style),
    ...findings.flatMap((one) => ['', ...describe(one, style)]),
  ];
  if (isVerbose && good.length > 0) lines.push('', 'Checks without findings');
  const table = isVerbose ? good.map(({ id, about }) => [style.good(id), about]) : [];
  return lines.map((line) => `${line}\n`).join('') + formatTable(table, { indent: 2 });
}

/** What was not tested; empty if everything was. */
export function formatUntested(lines: readonly string[]): string {
  if (lines.length === 0) return '';
  return ['', 'Not tested', ...lines.map((line) => `  ${line}`)].map((line) => `${line}\n`).join('');
}

function summaryOf(findings: readonly Finding[], checks: number, style: Style): string {
  if (findings.length === 0) return style.good(`No findings in ${checks} checks`);
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const parts = [count(errors, 'error'), count(warnings, 'warning')].filter((part) => part !== '');
  return style.bold(`${parts.join(' and ')} in ${checks} checks`);
}

function count(number: number, word: string): string {
  return number === 0 ? '' : `${number} ${word}${number === 1 ? '' : 's'}`;
}

function describe(
  { check, host, severity, title, evidence, impact, fix }: Finding,
  style: Style,
): readonly string[] {
  const mark = severity === 'error' ? style.bad('ERROR') : style.warn('WARNING');
  return [
    `${mark} ${host === undefined ? '' : `on ${host}: `}${style.bold(title)} [${check}]`,
    ...evidence.map((line) => `  evidence:  ${line}`),
    `  impact:    ${impact}`,
    `  fix:       ${fix}${host === undefined ? '' : `  # on ${host}`}`,
  ];
}
