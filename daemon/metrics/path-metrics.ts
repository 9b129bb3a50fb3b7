// Metrics of the userspace packet path; absent where the kernel encapsulates.
import type { PathStatus } from '../../native/packet-path.ts';
import { type Metric, type ScrapeContext, type Sample } from './metric.ts';

export const PATH_METRICS: readonly Metric[] = [
  directionCounter('packets', 'Inner packets carried; each segment counts', 'rxPackets', 'txPackets'),
  directionCounter('bytes', 'Bytes of inner packets carried', 'rxBytes', 'txBytes'),
  directionCounter(
    'kernel_packets',
    'Carried packets that the BPF program forwarded',
    'kernelRxPackets',
    'kernelTxPackets',
  ),
  deviceCounter(
    'decapsulated_packets',
    'Received TCP packets that a device of the kernel decapsulated or joined for the BPF program',
    'kernelDecapPackets',
  ),
  {
    name: 'weft_path_drops_total',
    type: 'counter',
    help: 'Packets dropped, by reason',
    labels: ['device', 'direction', 'reason'],
    read: (context) => statusesOf(context).flatMap(dropsOf),
  },
  deviceCounter('icmp_errors', 'ICMP errors sent to senders', 'icmpSent'),
  deviceCounter('icmp_errors_limited', 'ICMP errors suppressed by the rate limit', 'icmpLimited'),
  deviceCounter('fragmented_packets', 'IPv4 packets fragmented for a smaller path MTU', 'fragmented'),
  deviceCounter('offloads_dropped', 'Offloads disabled at run time', 'offloadsDropped'),
  {
    name: 'weft_path_socket_drops_total',
    type: 'counter',
    help: "Datagrams dropped by full receive buffers of the packet path's sockets",
    labels: ['device'],
    read: socketDropsOf,
  },
  {
    name: 'weft_path_in_kernel',
    type: 'gauge',
    help: 'Whether the BPF program forwards packets',
    labels: ['device'],
    read: (context) =>
      statusesOf(context).map(({ device, bpfDisabledReason }) => ({
        labels: { device: device.name },
        value: Number(bpfDisabledReason === undefined),
      })),
  },
];

function statusesOf({ daemon: { packetPath } }: ScrapeContext): readonly PathStatus[] {
  return (packetPath?.devices() ?? []).map(({ name }) => packetPath!.status(name));
}

/** A counter for each device and direction. */
function directionCounter(what: string, help: string, rx: string, tx: string): Metric {
  const sampleOf = ({ device, counters }: PathStatus, name: string, direction: string): Sample => ({
    labels: { device: device.name, direction },
    value: Number(counters[name] ?? 0n),
  });
  return {
    name: `weft_path_${what}_total`,
    type: 'counter',
    help,
    labels: ['device', 'direction'],
    read: (context) =>
      statusesOf(context).flatMap((path) => [sampleOf(path, rx, 'receive'), sampleOf(path, tx, 'transmit')]),
  };
}

function deviceCounter(what: string, help: string, counter: string): Metric {
  return {
    name: `weft_path_${what}_total`,
    type: 'counter',
    help,
    labels: ['device'],
    read: (context) =>
      statusesOf(context).map(({ device, counters }) => ({
        labels: { device: device.name },
        value: Number(counters[counter] ?? 0n),
      })),
  };
}

/** Every drop counter there is: `dropRxNotIp` is the reason `not-ip` of direction receive. */
function dropsOf({ device, counters }: PathStatus): readonly Sample[] {
  return Object.entries(counters).flatMap(([name, value]) => {
    const [, direction, suffix] = /^drop(Tx|Rx)(\w+)$/.exec(name) ?? [];
    if (suffix === undefined) return [];
    const reason = suffix.replaceAll(/(?!^)[A-Z]/g, '-$&').toLowerCase();
    const labels = { device: device.name, direction: direction === 'Tx' ? 'transmit' : 'receive', reason };
    return [{ labels, value: Number(value) }];
  });
}

function socketDropsOf({ daemon: { packetPath }, socketDrops }: ScrapeContext): readonly Sample[] {
  if (socketDrops === undefined || packetPath === undefined) return [];
  return packetPath.devices().map(({ name }) => {
    const sockets = packetPath.descriptors(name).filter(({ kind }) => kind === 'udp');
    const value = sockets.reduce((sum, { fd }) => sum + socketDrops(fd), 0);
    return { labels: { device: name }, value };
  });
}
