// Metrics on the packet path of userspace: empty where the kernel encapsulates.
import { loadNative } from '../../native/index.ts';
import type { PathStatus } from '../../native/packet-path.ts';
import { type Family, type Look, type Sample } from './metric.ts';

export const PATH_FAMILIES: readonly Family[] = [
  pair('packets', 'Inner packets carried, segments counted one by one', 'rxPackets', 'txPackets'),
  pair('bytes', 'Bytes of inner packets carried', 'rxBytes', 'txBytes'),
  pair(
    'kernel_packets',
    'Of the packets carried, those that the BPF program moved',
    'kernelRxPackets',
    'kernelTxPackets',
  ),
  {
    name: 'weft_path_drops_total',
    type: 'counter',
    help: 'Packets that were not passed on, by the one reason that each has',
    labels: ['device', 'direction', 'reason'],
    read: (look) => statusesOf(look).flatMap(dropsOf),
  },
  single('icmp_errors', 'ICMP errors sent to senders', 'icmpSent'),
  single('icmp_errors_limited', 'ICMP errors owed but not sent, for their rate', 'icmpLimited'),
  single('fragmented_packets', 'IPv4 packets cut for a peer with a smaller path MTU', 'fragmented'),
  single('offloads_dropped', 'Offloads given up at run time', 'offloadsDropped'),
  {
    name: 'weft_path_socket_drops_total',
    type: 'counter',
    help: 'Datagrams that the kernel dropped as the receive buffer of a socket of the packet path was full',
    labels: ['device'],
    read: socketDrops,
  },
  {
    name: 'weft_path_in_kernel',
    type: 'gauge',
    help: 'Whether a BPF program moves what is simple',
    labels: ['device'],
    read: (look) =>
      statusesOf(look).map(({ device, bpfDisabledReason }) => ({
        labels: { device: device.name },
        value: Number(bpfDisabledReason === undefined),
      })),
  },
];

function statusesOf({ daemon: { packetPath } }: Look): readonly PathStatus[] {
  return (packetPath?.devices() ?? []).map(({ name }) => packetPath!.status(name));
}

/** A counter of both directions. */
function pair(what: string, help: string, rx: string, tx: string): Family {
  const sampleOf = ({ device, counters }: PathStatus, name: string, direction: string): Sample => ({
    labels: { device: device.name, direction },
    value: Number(counters[name] ?? 0n),
  });
  return {
    name: `weft_path_${what}_total`,
    type: 'counter',
    help,
    labels: ['device', 'direction'],
    read: (look) =>
      statusesOf(look).flatMap((path) => [sampleOf(path, rx, 'receive'), sampleOf(path, tx, 'transmit')]),
  };
}

function single(what: string, help: string, counter: string): Family {
  return {
    name: `weft_path_${what}_total`,
    type: 'counter',
    help,
    labels: ['device'],
    read: (look) =>
      statusesOf(look).map(({ device, counters }) => ({
        labels: { device: device.name },
        value: Number(counters[counter] ?? 0n),
      })),
  };
}

/** Whatever reasons there are: `dropRxNotIp` is the reason `not-ip` of direction receive. */
function dropsOf({ device, counters }: PathStatus): readonly Sample[] {
  return Object.entries(counters).flatMap(([name, value]) => {
    const [, direction, words] = /^drop(Tx|Rx)(\w+)$/.exec(name) ?? [];
    if (words === undefined) return [];
    const reason = words.replaceAll(/(?!^)[A-Z]/g, '-$&').toLowerCase();
    const labels = { device: device.name, direction: direction === 'Tx' ? 'transmit' : 'receive', reason };
    return [{ labels, value: Number(value) }];
  });
}

/** SO_MEMINFO tells of any socket. */
function socketDrops({ daemon: { packetPath } }: Look): readonly Sample[] {
  const { native } = loadNative();
  if (native === undefined || packetPath === undefined) return [];
  return packetPath.devices().map(({ name }) => {
    const sockets = packetPath.descriptors(name).filter(({ kind }) => kind === 'udp');
    const value = sockets.reduce((sum, { fd }) => sum + native.countNetlinkDrops(fd), 0);
    return { labels: { device: name }, value };
  });
}
