import assert from 'node:assert/strict';
import { parseCounters, tcpDifferences } from './path-tcp-counters.ts';

/** As /proc/net/netstat and /proc/net/snmp are behind one another; Udp has names that Tcp has as well. */
function table(reordered: number, queued: number, retransmits: number): string {
  return [
    'TcpExt: TCPSACKReorder TCPTSReorder TCPOFOQueue TCPDSACKRecv',
    `TcpExt: ${reordered} 1 ${queued} 0`,
    'IpExt: InNoRoutes',
    'IpExt: 7',
    'Tcp: MaxConn RetransSegs',
    `Tcp: -1 ${retransmits}`,
    'Udp: RetransSegs',
    'Udp: 99',
    '',
  ].join('\n');
}

describe('counters of TCP', () => {
  it('are what a measurement added: at the sender what it saw late or sent again, at the receiver what had a gap in front', () => {
    const sender = [parseCounters(table(1, 0, 5)), parseCounters(table(3, 0, 9))] as const;
    const receiver = [parseCounters(table(0, 10, 0)), parseCounters(table(50, 17, 0))] as const;
    assert.deepEqual(tcpDifferences(sender, receiver), {
      outOfOrder: 7,
      reordered: 2,
      retransmits: 4,
      needless: 0,
    });
  });

  it('count as 0 where a kernel has none of a name', () => {
    const none = parseCounters('');
    assert.equal(tcpDifferences([none, none], [none, none]).outOfOrder, 0);
  });
});
