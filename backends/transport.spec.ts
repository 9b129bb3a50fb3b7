import assert from 'node:assert/strict';
import type { LeaseAttributes } from '../allocator/lease.ts';
import { ip6, lease } from './fixture.ts';
import { assumeTransport } from './transport.ts';

describe('a lease as if it announced another transport', () => {
  const announced: LeaseAttributes = {
    backendType: '',
    publicIpv6: ip6('2001:db8::2'),
    weft: {
      acceptsZeroChecksum: true,
      leaving: [{ backendType: 'vxlan', backendV6Data: { VNI: 1, VtepMAC: '02:00:00:00:00:02' } }],
    },
  };
  const peer = lease('fd00:0:0:2::/64', announced);

  it('keeps the mark of missing checksums for the announced one', () => {
    assert.equal(assumeTransport(peer, { type: 'udp', port: 8285 }), peer);
  });

  for (const [what, vni] of [
    ['a legacy one', 1],
    ['one that it does not advertise', 7],
  ] as const)
    it(`has no such mark for ${what}, which may be the kernel's`, () => {
      const { attributes } = assumeTransport(peer, { type: 'vxlan', vni, port: 8472 })!;
      assert.equal(attributes.backendType, 'vxlan');
      assert.equal(attributes.weft?.acceptsZeroChecksum, undefined);
    });
});
