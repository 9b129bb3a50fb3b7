// What TCP saw of a path besides its rate: segments out of order and losses, from the counters of a station's namespace.
import type { Station } from './tunnels/path-station.ts';

/** Differences of the counters of Linux's TCP (include/uapi/linux/snmp.h) over a measurement. */
export interface TcpCounters {
  /** TCPOFOQueue of the receiver: segments, joined ones counted once, that a gap was in front of, be it by loss or by reordering. */
  readonly outOfOrder: number;
  /** TCPSACKReorder, TCPTSReorder and TCPRenoReorder of the sender: times that a segment arrived after later ones without being lost. */
  readonly reordered: number;
  /** RetransSegs of the sender. */
  readonly retransmits: number;
  /** TCPDSACKRecv of the sender: retransmits of what had arrived. */
  readonly needless: number;
}

export type CounterTable = ReadonlyMap<string, number>;

export async function readTcpCounters(station: Station): Promise<CounterTable> {
  return parseCounters(await station.run(['cat', '/proc/net/netstat', '/proc/net/snmp']));
}

/** Pairs of lines, names and values, each behind the name of the protocol. */
export function parseCounters(text: string): CounterTable {
  const lines = text.split('\n').map((line) => line.split(' '));
  const counters = new Map<string, number>();
  for (const [index, [protocol, ...values]] of lines.entries()) {
    const [above, ...names] = lines[index - 1] ?? [];
    if (above !== protocol || (protocol !== 'Tcp:' && protocol !== 'TcpExt:')) continue;
    for (const [column, name] of names.entries()) counters.set(name, Number(values[column]));
  }
  return counters;
}

/** What happened to segments from one station to the other: `sender` and `receiver` are counters before and after. */
export function tcpDifferences(
  sender: readonly [CounterTable, CounterTable],
  receiver: readonly [CounterTable, CounterTable],
): TcpCounters {
  return {
    outOfOrder: sum(receiver, ['TCPOFOQueue']),
    reordered: sum(sender, ['TCPSACKReorder', 'TCPTSReorder', 'TCPRenoReorder']),
    retransmits: sum(sender, ['RetransSegs']),
    needless: sum(sender, ['TCPDSACKRecv']),
  };
}

function sum([before, after]: readonly [CounterTable, CounterTable], names: readonly string[]): number {
  return names.reduce((total, name) => total + (after.get(name) ?? 0) - (before.get(name) ?? 0), 0);
}
