import assert from 'node:assert/strict';
import { MemoryPacketPath } from '../kernel/memory/memory-packet-path.ts';
import { createLogger } from './log.ts';
import { PacketPathLog } from './packet-path-log.ts';

const DEVICE = { name: 'flannel0', encapsulation: 'udp', local: '10.9.0.1', port: 8285 } as const;

describe('the log of the packet path', () => {
  let lines: string[];
  let path: MemoryPacketPath;
  let log: PacketPathLog;

  beforeEach(() => {
    lines = [];
    path = new MemoryPacketPath();
    path.open(DEVICE);
    log = new PacketPathLog(createLogger({ write: (line) => lines.push(line.slice(25).trimEnd()) }));
  });

  it('tells the offloads of a device once, and again when it is made anew', () => {
    path.offloads = { ...path.offloads, uso: false };
    log.look(path);
    log.look(path);
    const line = 'INFO  EncapsulationOverhead in userspace device=flannel0 offloads="tso udpGso udpGro"';
    const kernel = 'INFO  A BPF program in the kernel moves packets device=flannel0';
    assert.deepEqual(lines, [line, kernel]);
    path.close('flannel0');
    log.look(path);
    path.open(DEVICE);
    log.look(path);
    assert.deepEqual(lines, [line, kernel, line, kernel]);
  });

  it('tells why the kernel moves no packets by itself, whenever the reason is another', () => {
    for (const reason of ['it is turned off', 'it is turned off', 'the underlay is IPv6']) {
      path.bpfDisabledReason = reason;
      log.look(path);
    }
    assert.deepEqual(
      lines.slice(1).map((line) => /without a BPF program device=flannel0 why="(.*)"$/.exec(line)?.[1]),
      ['it is turned off', 'the underlay is IPv6'],
    );
  });

  it('warns once of each offload that was dropped', () => {
    log.look(path);
    path.offloads = { ...path.offloads, udpGso: false };
    for (let round = 0; round < 2; round++) log.look(path);
    path.offloads = { ...path.offloads, tso: false, uso: false };
    for (let round = 0; round < 2; round++) log.look(path);
    assert.deepEqual(
      lines.slice(2).map((line) => /^WARN .*dropped=(.*)$/.exec(line)?.[1]),
      ['udpGso', '"tso uso"'],
    );
  });
});
