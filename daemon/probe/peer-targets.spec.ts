import assert from 'node:assert/strict';
import type { Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';
import type { Lease } from '../../allocator/lease.ts';
import { findPeer, targetsOf } from './peer-targets.ts';

const PEER: Lease = {
  key: '10.5.100.0-24&fd00:5:0:64::-64',
  subnets: { ipv4: '10.5.100.0/24' as Ipv4Cidr, ipv6: 'fd00:5:0:64::/64' as Ipv6Cidr },
  attributes: { publicIp: '198.18.1.2' as Ipv4, publicIpv6: 'fd00:c6::2' as Ipv6, backendType: 'vxlan' },
  isReservation: false,
};
const IPV6_ONLY: Lease = {
  ...PEER,
  key: '0.0.0.0-0&fd00:5:0:65::-64',
  subnets: { ipv6: 'fd00:5:0:65::/64' as Ipv6Cidr },
  attributes: { publicIpv6: 'fd00:c6::3' as Ipv6, backendType: 'vxlan' },
};

describe('targets of a probe', () => {
  for (const [what, peer, backend, family, expected] of [
    ['IPv4 before IPv6', PEER, 'vxlan', undefined, { overlay: '10.5.100.0', underlay: '198.18.1.2' }],
    ['IPv6 if requested', PEER, 'udp', 6, { overlay: 'fd00:5:0:64::', underlay: 'fd00:c6::2' }],
    [
      'IPv6 without IPv4',
      IPV6_ONLY,
      'vxlan',
      undefined,
      { overlay: 'fd00:5:0:65::', underlay: 'fd00:c6::3' },
    ],
    ['nothing of a family that the peer lacks', IPV6_ONLY, 'vxlan', 4, {}],
    ['the public IP alone with host-gw', PEER, 'host-gw', undefined, { underlay: '198.18.1.2' }],
    [
      'the address of the device with ipip',
      PEER,
      'ipip',
      4,
      { overlay: '10.5.100.0', underlay: '198.18.1.2' },
    ],
    [
      'the address of the device with wireguard',
      PEER,
      'wireguard',
      undefined,
      { overlay: '10.5.100.0', underlay: '198.18.1.2' },
    ],
    ['the public IP alone with ipsec', PEER, 'ipsec', undefined, { underlay: '198.18.1.2' }],
    ['the public IP alone with alloc', PEER, 'alloc', undefined, { underlay: '198.18.1.2' }],
  ] as const)
    it(what, () => assert.deepEqual(targetsOf(peer, backend, family && { family }), expected));

  it('an address inside the subnet instead of the overlay address, with any backend', () => {
    const target = '10.5.100.7' as Ipv4;
    assert.deepEqual(targetsOf(PEER, 'host-gw', { target }), { overlay: target, underlay: '198.18.1.2' });
  });
});

describe('the peer that a text names', () => {
  for (const text of [
    PEER.key,
    '198.18.1.2',
    'fd00:c6::2',
    '10.5.100.0/24',
    '10.5.100.0',
    'fd00:5:0:64::/64',
    'fd00:5::64:0:0:0:0/64',
    'fd00:5:0:64::',
  ])
    it(text, () => assert.deepEqual(findPeer([IPV6_ONLY, PEER], text), { peer: PEER }));

  for (const text of ['10.5.100.7', 'fd00:5:0:64::7'])
    it(`${text}, inside its subnet`, () =>
      assert.deepEqual(findPeer([IPV6_ONLY, PEER], text), { peer: PEER, target: text }));

  for (const text of ['10.5.101.0', '198.18.1.9', '10.5.100.0/25', 'h2', ''])
    it(`none: ${JSON.stringify(text)}`, () => assert.equal(findPeer([IPV6_ONLY, PEER], text), undefined));
});
