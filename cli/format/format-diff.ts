// `weft diff` in words, after diff(1): `-` is what should be there, `+` what is. Pure.
import type { DifferenceV1, DiffV1 } from '../../api/index.ts';
import type { Style } from './style.ts';

export function formatDiff({ differences, desired }: DiffV1, style: Style): string {
  if (differences.length === 0) return `no difference: all ${desired} entries are in the kernel as desired\n`;
  return differences.map((difference) => formatDifference(difference, style)).join('');
}

function formatDifference(difference: DifferenceV1, style: Style): string {
  const { kind, object, owner, desired, actual, what, reason } = difference;
  const whose =
    owner === undefined ? '' : style.dim(owner === 'host' ? ' of this host' : ` for peer ${owner}`);
  const lines = [
    `${style.bold(object)}${whose}: ${kind}${what === undefined ? '' : `: ${what}`}`,
    desired !== undefined && style.bad(`- ${desired}`),
    actual !== undefined && style.good(`+ ${actual}`),
    reason !== undefined && `  ${reason}`,
  ];
  return `${lines.filter((line) => line !== false).join('\n')}\n`;
}
