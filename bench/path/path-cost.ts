// What packets cost: the time that processors were busy, of the whole machine, so that the kernel's own tunnels show theirs.
import { readFile } from 'node:fs/promises';
import type { Reading } from './path-measure.ts';

/** USER_HZ: /proc counts in hundredths of a second (proc(5)). */
const TICKS_PER_SEC = 100;

/** Since the machine started, of all processors together, in seconds. */
export async function busySeconds(): Promise<number> {
  return parseBusySeconds(await readFile('/proc/stat', 'utf8'));
}

/** `stat`: /proc/stat. Waiting for disks and what a hypervisor took are not busy; time of guests is in that of users. */
export function parseBusySeconds(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = /^cpu +(.*)$/m
    .exec(stat)![1]!
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SEC;
}

/** For each goodput among `readings`, taken over `seconds` in which processors were busy for `busySec`: what a gigabit cost. */
export function costsOf(readings: readonly Reading[], busySec: number, seconds: number): Reading[] {
  return readings
    .filter(({ unit }) => unit === 'Gbit/s')
    .map(({ metric, value }) => ({
      metric: `${metric} CPU`,
      unit: 's/Gbit',
      value: busySec / (value * seconds),
    }));
}
