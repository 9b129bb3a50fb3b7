// Counters of network devices from /proc/self/net/dev: those of this process's network namespace. The
// traffic of a device of the userspace packet path comes from the path, as its packets pass the device
// only in part: the BPF programs redirect them before.
import { readFile } from 'node:fs/promises';
import type { DeviceCountersV1 } from '../../api/index.ts';
import type { PacketPathView } from './node-view.ts';

/** Counters by device name. */
export async function readDeviceCounters(
  packetPath: PacketPathView | undefined,
): Promise<ReadonlyMap<string, DeviceCountersV1>> {
  const counters = parseDeviceCounters(await readFile('/proc/self/net/dev', 'utf8'));
  return withPathTraffic(counters, packetPath);
}

/** Inner packets as the path counts them: each segment, from the start of the daemon. */
export function withPathTraffic(
  devices: ReadonlyMap<string, DeviceCountersV1>,
  packetPath: Pick<PacketPathView, 'devices' | 'status'> | undefined,
): ReadonlyMap<string, DeviceCountersV1> {
  const merged = new Map(devices);
  for (const { name } of packetPath?.devices() ?? []) {
    const found = devices.get(name);
    if (found === undefined) continue;
    const { counters } = packetPath!.status(name);
    const count = (counter: string): number => Number(counters[counter] ?? 0n);
    merged.set(name, {
      ...found,
      rxPackets: count('rxPackets'),
      rxBytes: count('rxBytes'),
      txPackets: count('txPackets'),
      txBytes: count('txBytes'),
    });
  }
  return merged;
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
