// What a comparison found, as text.
import type { Difference, Judgement, Verdict } from './compare.ts';
import { median } from './statistics.ts';
import { formatNumber, formatRange } from './summary.ts';

const WORDS: Readonly<Record<Verdict, string>> = {
  worse: 'WORSE',
  better: 'better',
  same: 'same',
  missing: 'MISSING',
  few: 'too few rounds',
};

/** Verdicts that make a comparison fail. */
const FAILING: readonly Verdict[] = ['worse', 'missing'];

export function hasFailed(differences: readonly Difference[]): boolean {
  return differences.some(({ verdict }) => FAILING.includes(verdict));
}

/** A line for each subject, then what it comes to. */
export function formatComparison(differences: readonly Difference[], judgement: Judgement): string {
  const names = differences.map(({ part, measure, subject }) => `${part} ${measure}: ${subject}`);
  const width = Math.max(...names.map((name) => name.length));
  const lines = differences.map((one, index) => `${names[index]!.padEnd(width)}  ${formatDifference(one)}`);
  return [...lines, '', formatSum(differences, judgement)].join('\n');
}

function formatDifference({ verdict, before, after, shift, chance }: Difference): string {
  const words = [`×${formatNumber(median(before))} ${formatRange(before)}`];
  if (verdict !== 'missing') {
    words.push(`to ×${formatNumber(median(after))} ${formatRange(after)}`);
    words.push(`${formatPercent(shift)}, p ${chance.toPrecision(1)}`);
  }
  return `${words.join(' ').padEnd(60)} ${WORDS[verdict]}`;
}

function formatPercent(shift: number): string {
  const percent = (shift - 1) * 100;
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;
}

function formatSum(differences: readonly Difference[], { chance, tolerance }: Judgement): string {
  const count = (verdict: Verdict) => differences.filter((one) => one.verdict === verdict).length;
  const judged = differences.length - count('few') - count('missing');
  const sums = [
    `${judged} ratios judged: ${count('worse')} worse, ${count('better')} better, ${count('same')} the same`,
    ...(count('few') > 0 ? [`${count('few')} have too few rounds to judge: five a run are enough`] : []),
    ...(count('missing') > 0 ? [`${count('missing')} are missing in the second run`] : []),
    `A difference counts beyond ${tolerance * 100} % and if chance alone makes it in fewer than ${chance * 100} of 100 cases`,
  ];
  return sums.join('\n');
}
