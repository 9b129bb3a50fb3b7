import assert from 'node:assert/strict';
import type { PacketPath } from '../../native/packet-path.ts';
import { waitFor } from '../../lab/wait.ts';
import { MemoryPacketPath } from './memory/memory-packet-path.ts';
import type { LinkMessage } from './netlink/link.ts';
import { PathTable, type DescriptorStore } from './path-table.ts';

describe('the packet path as a kernel table', () => {
  function tableOf(...names: readonly string[]) {
    const refreshed: string[] = [];
    const devices = () => names.map((name) => ({ name }));
    const packetPath = { devices, refresh: (name: string) => void refreshed.push(name) };
    return { refreshed, table: new PathTable({ packetPath: packetPath as unknown as PacketPath }) };
  }

  it('refreshes the MTUs to peers once for many route changes of the underlay, and again for a later one', async () => {
    const { refreshed, table } = tableOf('flannel.1', 'flannel-v6.1');
    for (let count = 0; count < 100; count++) table.refreshSoon();
    assert.deepEqual(refreshed, []);
    await waitFor('the refresh', () => refreshed.length > 0);
    assert.deepEqual(refreshed, ['flannel.1', 'flannel-v6.1']);
    table.refreshSoon();
    await waitFor('the refresh after another change', () => refreshed.length === 4);
  });

  it('takes a small part of the time for them, however often routes change', async () => {
    const pausesMs: number[] = [];
    let endMs = performance.now();
    const refresh = (): void => {
      pausesMs.push(performance.now() - endMs);
      for (const startMs = performance.now(); performance.now() - startMs < 20;) continue;
      endMs = performance.now();
    };
    const packetPath = { devices: () => [{ name: 'flannel0' }], refresh } as unknown as PacketPath;
    const table = new PathTable({ packetPath });
    for (let round = 1; round <= 2; round++) {
      table.refreshSoon();
      await waitFor('the refresh', () => pausesMs.length === round);
    }
    assert.ok(pausesMs[1]! >= 390, `${pausesMs[1]} ms`);
  });

  it('passes a renamed device on under its new name alone', () => {
    const calls: string[] = [];
    const store: DescriptorStore = {
      has: () => false,
      take: () => [],
      store: (device) => void calls.push(`store ${device}`),
      remove: (device) => void calls.push(`remove ${device}`),
      storeCheckpoint: (device, text) => void calls.push(`checkpoint ${device} ${text.includes('1450')}`),
    };
    const packetPath = new MemoryPacketPath();
    const table = new PathTable({ packetPath, descriptorStore: store });
    packetPath.open({ name: 'flannel0', encapsulation: 'udp', local: '10.9.0.1', port: 8285 });
    table.attach({ name: 'flannel0', index: 7, mtu: 1450 } as LinkMessage);
    table.rename('flannel0', 'flannel-p8285');
    table.end();
    assert.deepEqual(calls, [
      'store flannel0',
      'remove flannel0',
      'store flannel-p8285',
      'checkpoint flannel-p8285 true',
    ]);
    assert.equal(table.deviceOf({ name: 'flannel-p8285', index: 7 } as LinkMessage)?.port, 8285);
    assert.equal(table.deviceOf({ name: 'flannel0', index: 7 } as LinkMessage), undefined);
  });
});
