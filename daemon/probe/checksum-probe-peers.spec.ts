import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { vxlanPeer } from '../../backends/fixture.ts';
import { DEV, TestHost } from '../../test/support/reconciler-host.ts';
import { chooseTunnelPeers } from './checksum-probe-peers.ts';

describe('peers to probe for checksums', () => {
  it('are overlay addresses of some peers that are reached through the tunnel', async () => {
    const host = await new TestHost().start([2, 3, 4, 5].map((number) => vxlanPeer(number)));
    const chosen = chooseTunnelPeers(host.reconciler, 4, 3);
    assert.equal(new Set(chosen).size, 3);
    for (const address of chosen) assert.match(address, /^10\.5\.[2-5]\.0$/);
    assert.deepEqual(chooseTunnelPeers(host.reconciler, 6, 3), []);
    assert.equal(chooseTunnelPeers(host.reconciler, 4, 9).length, 4);
  });

  it('are none with direct routing or without a device', async () => {
    const host = await new TestHost({ vxlan: { directRouting: true } }).start([vxlanPeer(2)]);
    assert.deepEqual(chooseTunnelPeers(host.reconciler, 4, 3), []);
    const lost = await new TestHost().start([vxlanPeer(2)]);
    lost.kernel.injectFault(`link ${DEV}`, 'EPERM');
    lost.kernel.tables.removeLink(DEV);
    await lost.clock.settle();
    assert.deepEqual(chooseTunnelPeers(lost.reconciler, 4, 3), []);
  });
});
