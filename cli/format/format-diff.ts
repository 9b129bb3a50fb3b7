// Output of `weft diff`, after diff(1): `-` is desired, `+` is actual. Pure.
import type { DifferenceV1, DiffV1 } from '../../api/index.ts';
import type { Style } from './style.ts';

export function formatDiff({ differences, desired }: DiffV1, style: Style): string {
  if (differences.length === 0) return `no difference: all ${desired} entries are in the kernel as desired\n`;
  return differences.map((difference) => formatDifference(difference, style)).join('');
}

function formatDifference(difference: DifferenceV1, style: Style): string {
  const { kind, object, owner, desired, actual, what, reason } = difference;
  const owned =
    owner === undefined ? '' : style.dim(owner === 'host' ? ' of this host' : ` for peer ${owner}`);
  const lines = [
    `${style.bold(object)}${owned}: ${kind}${what === undefined ? '' : `: ${what}`}`,
    desired !== undefined && style.bad(`- ${desired}`),
    actual !== undefined && style.good(`+ ${actual}`),
    reason !== undefined && `  ${reason}`,
  ];
  return `${lines.filter((line) => line !== false).join('\n')}\n`;
}
