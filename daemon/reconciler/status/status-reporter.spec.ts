import assert from 'node:assert/strict';
import type { Lease } from '../../../allocator/lease.ts';
import { describeReconcilerEvent } from '../../log/reconciler-log.ts';
import { TestHost, vxlanPeer } from '../../../test/support/reconciler-host.ts';

const udp = (number: number): Lease => {
  const lease = vxlanPeer(number);
  return { ...lease, attributes: { ...lease.attributes, backendType: '' } };
};
const rejections = (host: TestHost): readonly Readonly<Record<string, unknown>>[] =>
  host.events
    .filter(({ kind }) => kind === 'peer-rejected' || kind === 'more-peers-rejected')
    .map((event) => describeReconcilerEvent(event))
    .filter(({ code }) => code === 'PEER_REJECTED')
    .map(({ fields }) => fields);

describe('a peer whose lease cannot be programmed', () => {
  it('is reported once a reason, and again after it was valid', async () => {
    const host = await new TestHost().start([udp(2), vxlanPeer(3)]);
    const { key } = udp(2);
    const backend = { peer: key, reason: `its backend is udp or alloc and this host's is "vxlan"` };
    assert.deepEqual(rejections(host), [backend]);
    for (const lease of [udp(2), vxlanPeer(2), udp(2)]) {
      host.setPeer(lease);
      await host.clock.settle();
    }
    assert.deepEqual(rejections(host), [backend, backend]);
    host.setPeer({ ...vxlanPeer(2), attributes: { ...vxlanPeer(2).attributes, backendData: {} } });
    await host.clock.settle();
    assert.match(String(rejections(host)[2]?.['reason']), /VtepMAC/);
  });

  it('is reported for a lasting conflict with another peer, not for a transient one', async () => {
    const host = await new TestHost().start([vxlanPeer(2), vxlanPeer(3)]);
    const [two, three] = [vxlanPeer(2), vxlanPeer(3)];
    const withMacOf = (lease: Lease, other: Lease): Lease => ({
      ...lease,
      attributes: { ...lease.attributes, backendData: other.attributes.backendData },
    });
    host.setPeer(withMacOf(two, three));
    host.setPeer(withMacOf(three, two));
    await host.clock.settle();
    assert.deepEqual(rejections(host), []);
    host.setPeer(three);
    await host.clock.settle();
    assert.equal(rejections(host).length, 1);
    assert.match(String(rejections(host)[0]?.['reason']), /belongs to the peer .*only one host can have it/);
  });

  it('is counted without a name among many', async () => {
    const peers = Array.from({ length: 20 }, (_, index) => udp(index + 2));
    const emitted = rejections(await new TestHost().start(peers));
    assert.equal(emitted.length, 6);
    assert.deepEqual(emitted.at(-1), { more: 15 });
  });
});
