import assert from 'node:assert/strict';
import { MemoryPacketPath } from './kernel/packet-path-memory.ts';
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
    const line = 'INFO  Encapsulating in userspace device=flannel0 offloads="tso udpGso udpGro"';
    assert.deepEqual(lines, [line]);
    path.close('flannel0');
    log.look(path);
    path.open(DEVICE);
    log.look(path);
    assert.deepEqual(lines, [line, line]);
  });

  it('warns once of each offload that was dropped', () => {
    log.look(path);
    path.offloads = { ...path.offloads, udpGso: false };
    for (let round = 0; round < 2; round++) log.look(path);
    path.offloads = { ...path.offloads, tso: false, uso: false };
    for (let round = 0; round < 2; round++) log.look(path);
    assert.deepEqual(
      lines.slice(1).map((line) => /^WARN .*dropped=(.*)$/.exec(line)?.[1]),
      ['udpGso', '"tso uso"'],
    );
  });
});
