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

  it('logs the offloads of a device once, and again after it is re-created', () => {
    path.offloads = { ...path.offloads, uso: false };
    log.update(path);
    log.update(path);
    const line = 'INFO  Encapsulating in userspace device=flannel0 offloads="tso udpGso udpGro"';
    const fastPath = 'INFO  The BPF program forwards packets in the kernel device=flannel0';
    assert.deepEqual(lines, [line, fastPath]);
    path.close('flannel0');
    log.update(path);
    path.open(DEVICE);
    log.update(path);
    assert.deepEqual(lines, [line, fastPath, line, fastPath]);
  });

  it('names the device that decapsulates TCP', () => {
    path.decapDevice = 'weft-rx7a';
    log.update(path);
    assert.equal(
      lines[1],
      'INFO  The BPF program forwards packets in the kernel device=flannel0 decapDevice=weft-rx7a',
    );
  });

  it('names the device that joins TCP', () => {
    path.joinDevice = 'weft-rj7a';
    log.update(path);
    assert.equal(
      lines[1],
      'INFO  The BPF program forwards packets in the kernel device=flannel0 joinDevice=weft-rj7a',
    );
  });

  it('logs why the BPF program forwards no packets when the reason changes', () => {
    for (const reason of ['it is turned off', 'it is turned off', 'the underlay is IPv6']) {
      path.bpfDisabledReason = reason;
      log.update(path);
    }
    assert.deepEqual(
      lines.slice(1).map((line) => /without the BPF program device=flannel0 why="(.*)"$/.exec(line)?.[1]),
      ['it is turned off', 'the underlay is IPv6'],
    );
  });

  it('warns once of each dropped offload', () => {
    log.update(path);
    path.offloads = { ...path.offloads, udpGso: false };
    for (let round = 0; round < 2; round++) log.update(path);
    path.offloads = { ...path.offloads, tso: false, uso: false };
    for (let round = 0; round < 2; round++) log.update(path);
    assert.deepEqual(
      lines.slice(2).map((line) => /^WARN .*dropped=(.*)$/.exec(line)?.[1]),
      ['udpGso', '"tso uso"'],
    );
  });
});
