// Counters of network devices from /proc/self/net/dev: those of this process's network namespace.
import { readFile } from 'node:fs/promises';
import type { DeviceCountersV1 } from '../../api/index.ts';

/** Counters by device name. */
export async function readDeviceCounters(): Promise<ReadonlyMap<string, DeviceCountersV1>> {
  return parseDeviceCounters(await readFile('/proc/self/net/dev', 'utf8'));
}

/** Parses proc_pid_net_dev(5): two heading lines, then one line a device. */
export function parseDeviceCounters(text: string): ReadonlyMap<string, DeviceCountersV1> {
  const counters = new Map<string, DeviceCountersV1>();
  for (const line of text.split('\n').slice(2)) {
    const colon = line.lastIndexOf(':');
    if (colon < 0) continue;
    const numbers = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const at = (index: number): number => numbers[index] ?? 0;
    counters.set(line.slice(0, colon).trim(), {
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      rxOverruns: at(4),
      rxFrame: at(5),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
      txOverruns: at(12),
      collisions: at(13),
      txCarrier: at(14),
    });
  }
  return counters;
}

export const NO_COUNTERS: DeviceCountersV1 = parseDeviceCounters('\n\nnone: 0').get('none')!;
