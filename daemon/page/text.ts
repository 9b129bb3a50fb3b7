// Numbers and durations as people read them. Pure.

/** For example `12 s`, `5 min`, `3 h 20 min`, `4 days`. */
export function duration(ms: number): string {
  const sec = Math.max(0, Math.round(ms / 1000));
  if (sec < 60) return `${sec} s`;
  if (sec < 3600) return `${Math.floor(sec / 60)} min`;
  if (sec < 172_800) return `${Math.floor(sec / 3600)} h ${Math.floor((sec % 3600) / 60)} min`;
  return `${Math.floor(sec / 86_400)} days`;
}

const STEP = 1000;

function scaled(value: number, units: readonly string[]): string {
  let [rest, at] = [value, 0];
  for (; rest >= STEP && at < units.length - 1; at++) rest /= STEP;
  const digits = rest < 10 && at > 0 ? 1 : 0;
  return `${rest.toLocaleString('en', { maximumFractionDigits: digits })} ${units[at]}`;
}

export function bytes(value: number): string {
  return scaled(value, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']);
}

/** Bytes a second as bits a second, the unit of networks. */
export function bitRate(bytesPerSec: number): string {
  return scaled(8 * bytesPerSec, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
}

export function milliseconds(ms: number): string {
  return `${ms.toLocaleString('en', { maximumFractionDigits: ms < 1 ? 2 : ms < 100 ? 1 : 0 })} ms`;
}

export function count(value: number): string {
  return value.toLocaleString('en');
}

/** Of a day of 24 hours, in the time zone of the reader. */
export function clockTime(date: Date): string {
  return date.toLocaleTimeString('en', { hourCycle: 'h23' });
}
