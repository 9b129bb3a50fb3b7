// udp: golden text, peers that it refuses, what it publishes and owns.
import assert from 'node:assert/strict';
import type { UdpConfig } from '../allocator/config/config.ts';
import type { Lease } from '../allocator/lease.ts';
import { encodeLeaseValue } from '../allocator/registry/lease-value.ts';
import { BackendError } from './backend.ts';
import type { HostFacts } from './backend.ts';
import { UDP, context, host, ip4, ip6, lease, network, plainPeer, vxlanPeer } from './fixture.ts';
import type { Families } from './fixture.ts';
import { backendFor } from './index.ts';
import { renderObjects } from './render.ts';

const backend = backendFor('udp');

interface Golden {
  readonly name: string;
  readonly families?: Families;
  readonly udp?: Partial<UdpConfig>;
  readonly host?: HostFacts;
  readonly peers?: readonly Lease[];
  readonly expected: readonly string[];
}

const V4_HOST = [
  'flannel0 mtu 1472 tun udp local 10.9.0.1 port 8285',
  'inet 10.5.1.0/32 dev flannel0',
  'net/ipv4/conf/flannel0/accept_local = 1',
  'net/ipv6/conf/flannel0/accept_ra = 0',
  '10.5.0.0/16 dev flannel0',
];
const V6_HOST = [
  'flannel-v6.0 mtu 1452 tun udp local 2001:db8::1 port 8285',
  'inet6 fd00:0:0:1::/128 dev flannel-v6.0',
  'net/ipv6/conf/flannel-v6.0/accept_ra = 0',
  'net/ipv6/conf/flannel-v6.0/disable_ipv6 = 0',
  'fd00::/48 dev flannel-v6.0',
];
const V4_PEER = ['10.5.2.0/24 remote 10.9.0.2:8285 dev flannel0'];
const V6_PEER = ['fd00:0:0:2::/64 remote [2001:db8::2]:8285 dev flannel-v6.0'];

const goldens: readonly Golden[] = [
  { name: 'no peers', expected: V4_HOST },
  {
    name: 'by the kernel: one route a peer, whose gateway is its public address',
    families: '46',
    host: host({ isUdpInKernel: true }),
    peers: [plainPeer(2, '46')],
    expected: [
      'flannel0 mtu 1472 ip-in-udp local 10.9.0.1 port 8285',
      'inet 10.5.1.0/32 dev flannel0',
      'net/ipv6/conf/flannel0/accept_ra = 0',
      '10.5.2.0/24 via 10.9.0.2 dev flannel0 onlink',
      'flannel-v6.0 mtu 1452 ip-in-udp local 2001:db8::1 port 8285',
      'inet6 fd00:0:0:1::/128 dev flannel-v6.0',
      'net/ipv6/conf/flannel-v6.0/accept_ra = 0',
      'net/ipv6/conf/flannel-v6.0/disable_ipv6 = 0',
      'fd00:0:0:2::/64 via 2001:db8::2 dev flannel-v6.0 onlink',
    ],
  },
  { name: 'one peer', peers: [plainPeer(2)], expected: [...V4_HOST, ...V4_PEER] },
  {
    name: 'port and MTU from config; peers are taken to have the same port',
    udp: { port: 9000, mtu: 1400 },
    peers: [plainPeer(2)],
    expected: [
      'flannel0 mtu 1372 tun udp local 10.9.0.1 port 9000',
      'inet 10.5.1.0/32 dev flannel0',
      'net/ipv4/conf/flannel0/accept_local = 1',
      'net/ipv6/conf/flannel0/accept_ra = 0',
      '10.5.0.0/16 dev flannel0',
      '10.5.2.0/24 remote 10.9.0.2:9000 dev flannel0',
    ],
  },
  {
    name: 'NATed public address: the socket is bound to an address that the host has',
    host: host({ publicIp: ip4('203.0.113.9') }),
    expected: V4_HOST,
  },
  {
    name: 'a peer behind a router, and one in a subnet of another length',
    peers: [plainPeer(2, '4', { publicIp: ip4('192.0.2.2') }), lease('10.5.8.0/22', plainPeer(3).attributes)],
    expected: [
      ...V4_HOST,
      '10.5.2.0/24 remote 192.0.2.2:8285 dev flannel0',
      '10.5.8.0/22 remote 10.9.0.3:8285 dev flannel0',
    ],
  },
  {
    name: 'dual-stack',
    families: '46',
    peers: [plainPeer(2, '46')],
    expected: [...V4_HOST, ...V6_HOST, ...V4_PEER, ...V6_PEER],
  },
  { name: 'IPv6 only', families: '6', peers: [plainPeer(2, '6')], expected: [...V6_HOST, ...V6_PEER] },
  {
    name: 'IPv4-only host takes the IPv4 half of a dual-stack peer',
    peers: [plainPeer(2, '46')],
    expected: [...V4_HOST, ...V4_PEER],
  },
  {
    name: 'IPv6-only host takes the IPv6 half of a dual-stack peer',
    families: '6',
    peers: [plainPeer(2, '46')],
    expected: [...V6_HOST, ...V6_PEER],
  },
  { name: 'a peer without a family in common gets nothing', peers: [plainPeer(2, '6')], expected: V4_HOST },
  {
    name: 'a bad peer costs no other peer',
    peers: [vxlanPeer(3), plainPeer(2)],
    expected: [...V4_HOST, ...V4_PEER],
  },
];

describe('udp derives', () => {
  for (const { name, families = '4', udp, host: facts, peers = [], expected } of goldens)
    it(name, () => {
      const own = context(backend, network(families, { ...UDP, ...udp }), facts);
      const objects = peers.flatMap((peer) => backend.derivePeer(own, peer).objects);
      assert.deepEqual(renderObjects([...backend.deriveHost(own), ...objects]), [...expected].sort());
    });
});

describe('udp peer', () => {
  const own = context(backend, network('46', UDP));
  const bad: readonly [string, Lease, RegExp][] = [
    ['vxlan', vxlanPeer(2), /^its backend is "vxlan" and this host's is "udp"$/],
    ['host-gw', plainPeer(2, '4', { backendType: 'host-gw' }), /^its backend is "host-gw" and/],
    ['a type that no host publishes', plainPeer(2, '4', { backendType: 'udp' }), /^its backend is "udp"/],
    ['no public address', lease('10.5.2.0/24', { backendType: '' }), /no IPv4 public address/],
    [
      'our public address',
      plainPeer(2, '4', { publicIp: ip4('10.9.0.1') }),
      /10\.9\.0\.1 is this host's own/,
    ],
    ['broadcast address', plainPeer(2, '4', { publicIp: ip4('255.255.255.255') }), /255\.255\.255\.255/],
    ['IPv6 multicast address', plainPeer(2, '6', { publicIpv6: ip6('ff02::1') }), /ff02::1/],
    ['public address in its own subnet', plainPeer(2, '4', { publicIp: ip4('10.5.2.9') }), /10\.5\.2\.9/],
    ['our subnet', lease('10.5.1.0/24', plainPeer(2).attributes), /overlaps this host's subnet/],
    ['the whole network', lease('10.5.0.0/16', plainPeer(2).attributes), /overlaps this host's subnet/],
    ['subnet outside the network', lease('10.6.0.0/24', plainPeer(2).attributes), /outside the network/],
  ];
  for (const [name, peer, reason] of bad)
    it(`is an error that says why: ${name}`, () => {
      const state = backend.derivePeer(own, peer);
      assert.ok(state.mode === 'error', state.mode);
      assert.match(state.reason, reason);
      assert.deepEqual(state.objects, []);
    });

  it('of flannel in both families, which publishes no IPv6 address, is reached in IPv4', () => {
    const flannel = lease('10.5.2.0/24 fd00:0:0:2::/64', plainPeer(2).attributes);
    const state = backend.derivePeer(own, flannel);
    assert.equal(state.mode, 'userspace');
    assert.deepEqual(renderObjects(state.objects), V4_PEER);
    assert.match(state.reason ?? '', /no IPv6 public address/);
  });

  for (const [what, weft, needsSegments] of [
    ['with the mark of weft gets super-packets', { acceptsGso: true }, false],
    ['without it gets one packet a datagram', undefined, true],
    ['with other members of weft alone gets one packet a datagram', { port: 9000 }, true],
  ] as const)
    it(what, () => {
      const { attributes } = plainPeer(2);
      const peer = lease('10.5.2.0/24', { ...attributes, ...(weft && { weft }) });
      const marks = backend
        .derivePeer(own, peer)
        .objects.map((object) => object.kind === 'tunnel' && object.needsSegments);
      assert.deepEqual(marks, [needsSegments]);
    });

  for (const [what, weft, expected] of [
    ['with the mark is sent no checksums in IPv6', { acceptsZeroChecksum: true }, [false, true]],
    ['without it is sent checksums', { acceptsGso: true }, [false, false]],
  ] as const)
    it(what, () => {
      const { attributes } = plainPeer(2);
      const address = { publicIpv6: ip6('2001:db8::2') };
      const peer = lease('10.5.2.0/24 fd00:0:0:2::/64', { ...attributes, ...address, weft });
      const state = backend.derivePeer(context(backend, network('46', UDP)), peer);
      const marks = state.objects.flatMap((object) =>
        object.kind === 'tunnel' ? [object.acceptsZeroChecksum] : [],
      );
      assert.deepEqual(marks, expected);
    });

  it('without a backend type is udp or alloc to all other backends, and an error there', () => {
    const other = backendFor('host-gw');
    const state = other.derivePeer(context(other, network('4', { type: 'host-gw' })), plainPeer(2));
    assert.ok(state.mode === 'error');
    assert.match(state.reason, /^its backend is udp or alloc and this host's is "host-gw"$/);
  });
});

describe('udp publishes', () => {
  for (const [families, expected] of [
    ['4', '{"PublicIP":"10.9.0.1","PublicIPv6":null,"Weft":{"Gso":true}}'],
    ['46', '{"PublicIP":"10.9.0.1","PublicIPv6":"2001:db8::1","Weft":{"Gso":true,"ZeroChecksum":true}}'],
    ['6', '{"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::1","Weft":{"Gso":true,"ZeroChecksum":true}}'],
  ] as const)
    it(`${expected} with families ${families}`, () => {
      assert.equal(encodeLeaseValue(backend.attributes(network(families, UDP), host())), expected);
    });

  for (const [what, facts] of [
    ['where workers take all packets', { isBpfOff: true }],
    ['where the kernel takes them', { isUdpInKernel: true }],
  ] as const)
    it(`no mark of missing checksums ${what}`, () =>
      assert.deepEqual(backend.attributes(network('46', UDP), host(facts)).weft, { acceptsGso: true }));

  it('the public address behind a NAT', () => {
    const facts = host({ publicIp: ip4('203.0.113.9') });
    assert.equal(backend.attributes(network('4', UDP), facts).publicIp, '203.0.113.9');
  });

  it('nothing without an address on the interface, but the remedy', () => {
    const { ipv6: _gone, ...rest } = host().interface;
    assert.throws(
      () => backend.attributes(network('46', UDP), host({ interface: rest })),
      (error) => error instanceof BackendError && /eth0 has no IPv6 address.*EnableIPv6/.test(error.message),
    );
  });
});

describe('udp owns', () => {
  it('its devices and the routes inside its networks', () => {
    assert.deepEqual(backend.ownership(network('46', UDP), host()), {
      devices: ['flannel0', 'flannel-v6.0'],
      networks: [
        { network: '10.5.0.0/16', subnetLength: 24 },
        { network: 'fd00::/48', subnetLength: 64 },
      ],
      interface: 'eth0',
    });
    assert.deepEqual(backend.ownership(network('4', UDP), host()).devices, ['flannel0']);
  });
});
