import assert from 'node:assert/strict';
import type { PacketPath } from '../../native/packet-path.ts';
import { waitFor } from '../../lab/wait.ts';
import { PathTable } from './path-table.ts';

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
});
