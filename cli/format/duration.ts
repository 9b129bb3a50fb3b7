// Durations and sizes as text. Pure.

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const;

/**
 * The two largest units of a duration, for example `2 d 3 h`, `4 min`, `12 s`.
 * Below a second `0 s`.
 */
export function formatDuration(ms: number): string {
  let restSec = Math.max(0, Math.floor(ms / 1000));
  const parts: string[] = [];
  for (const [unit, sec] of UNITS) {
    const count = Math.floor(restSec / sec);
    restSec -= count * sec;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}

/** Time between two ISO times, in ms. */
export function msBetween(from: string, to: string): number {
  return Date.parse(to) - Date.parse(from);
}

/** For example `70 MB`, `1.5 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let index = 0;
  for (; value >= 1000 && index < units.length - 1; index++) value /= 1000;
  return `${value < 10 && index > 0 ? value.toFixed(1) : Math.round(value)} ${units[index]}`;
}
