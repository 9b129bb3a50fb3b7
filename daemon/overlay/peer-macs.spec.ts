import assert from 'node:assert/strict';
import type { MacAddress } from '../../lib/address.ts';
import type { Lease } from '../../allocator/lease.ts';
import { plainPeer, vxlanPeer } from '../../backends/fixture.ts';
import { PeerMacs, macsOf } from './peer-macs.ts';

const mac = (text: string): MacAddress => text as MacAddress;
const [A, B] = [mac('c6:00:00:00:00:0a'), mac('c6:00:00:00:00:0b')];
const peer = (number: number, own: MacAddress): Lease =>
  vxlanPeer(number, '4', { backendData: { VNI: 1, VtepMAC: own } });

describe('MACs of peers', () => {
  it('are those of both families', () => {
    assert.deepEqual(macsOf(vxlanPeer(2, '46').attributes).length, 2);
    assert.deepEqual(macsOf(plainPeer(2).attributes), []);
  });

  // Each step: key, the peer under it, and whether A and B are published afterwards.
  const STEPS: readonly (readonly [string, Lease | undefined, hasA: boolean, hasB: boolean])[] = [
    ['x', peer(2, A), true, false],
    ['y', peer(3, A), true, false],
    ['z', peer(4, A), true, false],
    ['x', undefined, true, false],
    ['y', peer(3, B), true, true],
    ['y', peer(3, B), true, true],
    ['z', plainPeer(4), false, true],
    ['z', undefined, false, true],
    ['y', undefined, false, false],
    ['y', peer(3, A), true, false],
  ];
  it('stay as long as any key publishes them', () => {
    const macs = new PeerMacs();
    for (const [index, [key, lease, hasA, hasB]] of STEPS.entries()) {
      macs.set(key, lease);
      assert.deepEqual([macs.has(A), macs.has(B)], [hasA, hasB], `step ${index}`);
    }
  });
});
