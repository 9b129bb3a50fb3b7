// Golden text of the kernel state that the VXLAN backend derives.
import assert from 'node:assert/strict';
import type { NetworkConfig, VxlanConfig } from '../allocator/config/config.ts';
import type { Lease, LeaseAttributes } from '../allocator/lease.ts';
import { BackendError } from './backend.ts';
import type { HostFacts } from './backend.ts';
import { PREVIOUS, VXLAN, context, host, ip4, ip6, lease, network, route, vxlanPeer } from './fixture.ts';
import type { Families } from './fixture.ts';
import { backendFor } from './index.ts';
import { renderObjects } from './render.ts';

const backend = backendFor('vxlan');

interface Golden {
  readonly name: string;
  readonly families?: Families;
  readonly vxlan?: Partial<VxlanConfig>;
  readonly host?: HostFacts;
  readonly peers?: readonly Lease[];
  readonly expected: readonly string[];
}

const V4_HOST = [
  'flannel.1 mtu 1450 address c6:00:00:00:04:01 vxlan id 1 local 10.9.0.1 dev eth0 dstport 8472 nolearning',
  'inet 10.5.1.0/32 dev flannel.1',
  'net/ipv6/conf/flannel.1/accept_ra = 0',
];
const V6_HOST = [
  'flannel-v6.1 mtu 1430 address c6:00:00:00:06:01 vxlan id 1 local 2001:db8::1 dev eth0 dstport 8472 nolearning',
  'inet6 fd00:0:0:1::/128 dev flannel-v6.1',
  'net/ipv6/conf/flannel-v6.1/accept_ra = 0',
  'net/ipv6/conf/flannel-v6.1/disable_ipv6 = 0',
];
const V4_PEER = [
  '10.5.2.0 lladdr c6:00:00:00:04:02 dev flannel.1',
  'c6:00:00:00:04:02 dst 10.9.0.2 dev flannel.1',
  '10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink',
];
const V6_PEER = [
  'fd00:0:0:2:: lladdr c6:00:00:00:06:02 dev flannel-v6.1',
  'c6:00:00:00:06:02 dst 2001:db8::2 dev flannel-v6.1',
  'fd00:0:0:2::/64 via fd00:0:0:2:: dev flannel-v6.1 onlink',
];

const far = vxlanPeer(3, '4', { publicIp: ip4('192.0.2.3') });

const goldens: readonly Golden[] = [
  { name: 'no peers', expected: V4_HOST },
  { name: 'one peer', peers: [vxlanPeer(2)], expected: [...V4_HOST, ...V4_PEER] },
  {
    name: 'NATed public address: the tunnel source is an address that the host has',
    host: host({ publicIp: ip4('203.0.113.9') }),
    expected: V4_HOST,
  },
  {
    name: 'VNI, port, learning, GBP and MTU from config',
    vxlan: { vni: 42, port: 4789, learning: true, gbp: true, mtu: 1400 },
    expected: [
      'flannel.42 mtu 1350 address c6:00:00:00:04:01 vxlan id 42 local 10.9.0.1 dev eth0 dstport 4789 learning gbp',
      'inet 10.5.1.0/32 dev flannel.42',
      'net/ipv6/conf/flannel.42/accept_ra = 0',
    ],
  },
  {
    name: 'checksums of both families by the host, as the config says',
    families: '46',
    vxlan: { txChecksumOffload: 'off' },
    peers: [],
    expected: [
      ...V4_HOST,
      ...V6_HOST,
      'flannel.1 tx-checksum-ip-generic off',
      'flannel-v6.1 tx-checksum-ip-generic off',
    ],
  },
  {
    name: 'checksums by the device, however wrong, as the config says',
    vxlan: { txChecksumOffload: 'on' },
    host: host({ badOffloadFamilies: [4] }),
    peers: [],
    expected: [...V4_HOST, 'flannel.1 tx-checksum-ip-generic on'],
  },
  {
    name: 'checksums by the host in the one family whose come out wrong',
    families: '46',
    host: host({ badOffloadFamilies: [6] }),
    peers: [],
    expected: [...V4_HOST, ...V6_HOST, 'flannel-v6.1 tx-checksum-ip-generic off'],
  },
  {
    name: 'direct routing to the peer on the link, tunnel to the one behind a router',
    vxlan: { directRouting: true },
    peers: [vxlanPeer(2), far],
    expected: [
      ...V4_HOST,
      '10.5.2.0/24 via 10.9.0.2 dev eth0',
      '10.5.3.0 lladdr c6:00:00:00:04:03 dev flannel.1',
      'c6:00:00:00:04:03 dst 192.0.2.3 dev flannel.1',
      '10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink',
    ],
  },
  {
    name: 'direct routing through the link that the peer is really on',
    vxlan: { directRouting: true },
    host: host({ underlayRoutes: [route('10.9.0.0/24', { dev: 'eth1' })] }),
    peers: [vxlanPeer(2)],
    expected: [...V4_HOST, '10.5.2.0/24 via 10.9.0.2 dev eth1'],
  },
  {
    name: 'direct routing needs no VXLAN data',
    vxlan: { directRouting: true },
    peers: [lease('10.5.2.0/24', { backendType: 'vxlan', publicIp: ip4('10.9.0.2') })],
    expected: [...V4_HOST, '10.5.2.0/24 via 10.9.0.2 dev eth0'],
  },
  {
    name: 'dual-stack',
    families: '46',
    peers: [vxlanPeer(2, '46')],
    expected: [...V4_HOST, ...V6_HOST, ...V4_PEER, ...V6_PEER],
  },
  { name: 'IPv6 only', families: '6', peers: [vxlanPeer(2, '6')], expected: [...V6_HOST, ...V6_PEER] },
  {
    name: 'IPv4-only host takes the IPv4 half of a dual-stack peer',
    peers: [vxlanPeer(2, '46')],
    expected: [...V4_HOST, ...V4_PEER],
  },
  {
    name: 'IPv6-only host takes the IPv6 half of a dual-stack peer',
    families: '6',
    peers: [vxlanPeer(2, '46')],
    expected: [...V6_HOST, ...V6_PEER],
  },
  {
    name: 'dual-stack host with an IPv4-only peer',
    families: '46',
    peers: [vxlanPeer(2)],
    expected: [...V4_HOST, ...V6_HOST, ...V4_PEER],
  },
  {
    name: 'a peer without a family in common gets nothing',
    peers: [vxlanPeer(2, '6')],
    expected: V4_HOST,
  },
  {
    name: 'a peer in a subnet of another length',
    peers: [lease('10.5.8.0/22', vxlanPeer(2).attributes)],
    expected: [
      ...V4_HOST,
      '10.5.8.0 lladdr c6:00:00:00:04:02 dev flannel.1',
      'c6:00:00:00:04:02 dst 10.9.0.2 dev flannel.1',
      '10.5.8.0/22 via 10.5.8.0 dev flannel.1 onlink',
    ],
  },
  {
    name: 'a bad peer costs no other peer',
    peers: [vxlanPeer(3, '4', { backendData: 'rubbish' }), vxlanPeer(2)],
    expected: [...V4_HOST, ...V4_PEER],
  },
];

const V4_PATH_HOST = [
  'flannel.1 mtu 1450 address c6:00:00:00:04:01 tun vxlan id 1 local 10.9.0.1 port 8472',
  'inet 10.5.1.0/32 dev flannel.1',
  'net/ipv4/conf/flannel.1/accept_local = 1',
  'net/ipv6/conf/flannel.1/accept_ra = 0',
  '10.5.0.0/16 dev flannel.1',
];
const V6_PATH_HOST = [
  'flannel-v6.1 mtu 1430 address c6:00:00:00:06:01 tun vxlan id 1 local 2001:db8::1 port 8472',
  'inet6 fd00:0:0:1::/128 dev flannel-v6.1',
  'net/ipv6/conf/flannel-v6.1/accept_ra = 0',
  'net/ipv6/conf/flannel-v6.1/disable_ipv6 = 0',
  'fd00::/48 dev flannel-v6.1',
];
const V4_PATH_PEER = ['10.5.2.0/24 remote 10.9.0.2:8472 lladdr c6:00:00:00:04:02 dev flannel.1'];
const V6_PATH_PEER = ['fd00:0:0:2::/64 remote [2001:db8::2]:8472 lladdr c6:00:00:00:06:02 dev flannel-v6.1'];
const withoutKernelVxlan = host({ isVxlanInUserspace: true });

const userspaceGoldens: readonly Golden[] = [
  {
    name: 'as the config says',
    vxlan: { userspace: true },
    peers: [vxlanPeer(2)],
    expected: [...V4_PATH_HOST, ...V4_PATH_PEER],
  },
  {
    name: 'as the host says, both families',
    families: '46',
    host: withoutKernelVxlan,
    peers: [vxlanPeer(2, '46')],
    expected: [...V4_PATH_HOST, ...V6_PATH_HOST, ...V4_PATH_PEER, ...V6_PATH_PEER],
  },
  {
    name: 'IPv6 only',
    families: '6',
    vxlan: { userspace: true },
    peers: [vxlanPeer(2, '46')],
    expected: [...V6_PATH_HOST, ...V6_PATH_PEER],
  },
  {
    name: 'not, whatever the host says, if the config says no',
    vxlan: { userspace: false },
    host: withoutKernelVxlan,
    peers: [vxlanPeer(2)],
    expected: [...V4_HOST, ...V4_PEER],
  },
  {
    name: 'with VNI, port and MTU from config; learning and GBP mean nothing',
    vxlan: { userspace: true, vni: 42, port: 4789, mtu: 1400, learning: true, gbp: true },
    peers: [vxlanPeer(2, '4', { backendData: { VNI: 42, VtepMAC: 'c6:00:00:00:04:02' } })],
    expected: [
      'flannel.42 mtu 1350 address c6:00:00:00:04:01 tun vxlan id 42 local 10.9.0.1 port 4789',
      'inet 10.5.1.0/32 dev flannel.42',
      'net/ipv4/conf/flannel.42/accept_local = 1',
      'net/ipv6/conf/flannel.42/accept_ra = 0',
      '10.5.0.0/16 dev flannel.42',
      '10.5.2.0/24 remote 10.9.0.2:4789 lladdr c6:00:00:00:04:02 dev flannel.42',
    ],
  },
  {
    name: 'with direct routes to peers on the link',
    vxlan: { userspace: true, directRouting: true },
    peers: [vxlanPeer(2), far],
    expected: [
      ...V4_PATH_HOST,
      '10.5.2.0/24 via 10.9.0.2 dev eth0',
      '10.5.3.0/24 remote 192.0.2.3:8472 lladdr c6:00:00:00:04:03 dev flannel.1',
    ],
  },
  {
    name: 'sending from an address that the host has, behind a NAT',
    vxlan: { userspace: true },
    host: host({ publicIp: ip4('203.0.113.9') }),
    expected: V4_PATH_HOST,
  },
  {
    name: 'without a peer that is bad',
    vxlan: { userspace: true },
    peers: [vxlanPeer(3, '4', { backendData: 'rubbish' }), vxlanPeer(2)],
    expected: [...V4_PATH_HOST, ...V4_PATH_PEER],
  },
];

function stateOf(golden: Golden): readonly string[] {
  const config = network(golden.families ?? '4', { ...VXLAN, ...golden.vxlan });
  const own = context(backend, config, golden.host, PREVIOUS);
  const peers = (golden.peers ?? []).flatMap((peer) => backend.derivePeer(own, peer).objects);
  return renderObjects([...backend.deriveHost(own), ...peers]);
}

describe('vxlan derives', () => {
  for (const golden of goldens)
    it(golden.name, () => {
      assert.deepEqual(stateOf(golden), [...golden.expected].sort());
    });
});

describe('vxlan in userspace derives', () => {
  for (const golden of userspaceGoldens)
    it(golden.name, () => {
      assert.deepEqual(stateOf(golden), [...golden.expected].sort());
    });
});

describe('vxlan in userspace', () => {
  const inKernel = network('46', VXLAN);
  const inUserspace = network('46', { ...VXLAN, userspace: true });

  it('publishes and owns what it does in the kernel, and that it needs no checksums in IPv6', () => {
    for (const previous of [undefined, PREVIOUS])
      assert.deepEqual(backend.attributes(inUserspace, host(), previous), {
        ...backend.attributes(inKernel, host(), previous),
        weft: { acceptsZeroChecksum: true },
      });
    const [ipv4InUserspace, ipv4InKernel] = [true, false].map((userspace) =>
      backend.attributes(network('4', { ...VXLAN, userspace }), host(), PREVIOUS),
    );
    assert.deepEqual(ipv4InUserspace, ipv4InKernel);
    const withoutBpf = host({ isBpfOff: true });
    assert.deepEqual(
      backend.attributes(inUserspace, withoutBpf, PREVIOUS),
      backend.attributes(inKernel, withoutBpf, PREVIOUS),
    );
    assert.deepEqual(backend.ownership(inUserspace, host()), backend.ownership(inKernel, host()));
  });

  it('shows its peers as such, unless no family needs the path', () => {
    const own = context(
      backend,
      network('46', { ...VXLAN, userspace: true, directRouting: true }),
      host(),
      PREVIOUS,
    );
    assert.equal(
      backend.derivePeer(own, vxlanPeer(2, '46', { publicIp: ip4('192.0.2.2') })).mode,
      'userspace',
    );
    assert.equal(backend.derivePeer(own, vxlanPeer(2, '46')).mode, 'direct');
  });

  it('has the errors of peers that the kernel has', () => {
    const own = context(backend, inUserspace, host(), PREVIOUS);
    const sameMac = vxlanPeer(2, '4', { backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:01' } });
    const otherVni = vxlanPeer(2, '4', { backendData: { VNI: 2, VtepMAC: 'c6:00:00:00:04:02' } });
    for (const peer of [sameMac, otherVni]) assert.equal(backend.derivePeer(own, peer).mode, 'error');
  });
});

describe('vxlan peer', () => {
  const own = context(backend, network('46', VXLAN), host(), PREVIOUS);
  const data = (vni: unknown, mac: unknown): Partial<LeaseAttributes> => ({
    backendData: { VNI: vni, VtepMAC: mac },
  });
  const bad: readonly [string, Lease, string][] = [
    ['other backend', vxlanPeer(2, '4', { backendType: 'host-gw' }), 'host-gw'],
    ['no backend type', vxlanPeer(2, '4', { backendType: '' }), 'udp or alloc'],
    ['other VNI', vxlanPeer(2, '4', data(2, 'c6:00:00:00:04:02')), '2'],
    ['bad MAC', vxlanPeer(2, '4', data(1, 'zz')), '"zz"'],
    ['multicast MAC', vxlanPeer(2, '4', data(1, '01:00:5e:00:00:01')), '01:00:5e:00:00:01'],
    ['our MAC', vxlanPeer(2, '4', data(1, 'c6:00:00:00:04:01')), 'c6:00:00:00:04:01'],
    ['no data', vxlanPeer(2, '4', { backendData: null }), 'VXLAN data'],
    [
      'no public address',
      lease('10.5.2.0/24', { backendType: 'vxlan', backendData: {} }),
      'IPv4 public address',
    ],
    ['our public address', vxlanPeer(2, '4', { publicIp: ip4('10.9.0.1') }), '10.9.0.1'],
    ['loopback address', vxlanPeer(2, '4', { publicIp: ip4('127.0.0.1') }), '127.0.0.1'],
    ['multicast address', vxlanPeer(2, '4', { publicIp: ip4('224.0.0.1') }), '224.0.0.1'],
    ['broadcast address', vxlanPeer(2, '4', { publicIp: ip4('255.255.255.255') }), '255.255.255.255'],
    ['IPv6 multicast address', vxlanPeer(2, '6', { publicIpv6: ip6('ff02::1') }), 'ff02::1'],
    ['public address in its own subnet', vxlanPeer(2, '4', { publicIp: ip4('10.5.2.9') }), '10.5.2.9'],
    ['our subnet', lease('10.5.1.0/24', vxlanPeer(2).attributes), '10.5.1.0/24'],
    ['subnet around ours', lease('10.5.0.0/22', vxlanPeer(2).attributes), '10.5.0.0/22'],
    ['subnet outside the network', lease('10.9.0.0/24', vxlanPeer(2).attributes), '10.9.0.0/24'],
    ['everything', lease('0.0.0.0/0', vxlanPeer(2).attributes), '0.0.0.0/0'],
  ];
  for (const [name, peer, value] of bad)
    it(`is an error that names the value: ${name}`, () => {
      const state = backend.derivePeer(own, peer);
      assert.ok(state.mode === 'error', state.mode);
      assert.ok(state.reason.includes(value), state.reason);
      assert.deepEqual(state.objects, []);
    });

  it('with one bad half keeps the good one and says why the other is missing', () => {
    const state = backend.derivePeer(own, vxlanPeer(2, '46', { backendV6Data: { VNI: 1, VtepMAC: 'zz' } }));
    assert.equal(state.mode, 'tunnel');
    assert.deepEqual(renderObjects(state.objects), [...V4_PEER].sort());
    assert.match(state.reason ?? '', /"zz"/);
  });

  it('that would route our own underlay address away is an error', () => {
    const facts = host({ interface: { ...host().interface, ipv4: ip4('10.5.7.7') } });
    const state = backend.derivePeer(
      context(backend, network('4', VXLAN), facts, PREVIOUS),
      lease('10.5.7.0/24', vxlanPeer(2).attributes),
    );
    assert.ok(state.mode === 'error' && state.reason.includes('10.5.7.7'));
  });

  it('of a flannel that publishes 16 bits of a larger VNI is accepted', () => {
    const large = context(backend, network('4', { ...VXLAN, vni: 65_537 }), host(), PREVIOUS);
    assert.equal(backend.derivePeer(large, vxlanPeer(2)).mode, 'tunnel');
  });

  it('modes are direct only if no family needs the tunnel', () => {
    const direct = context(backend, network('46', { ...VXLAN, directRouting: true }), host(), PREVIOUS);
    assert.equal(backend.derivePeer(direct, vxlanPeer(2, '46')).mode, 'direct');
    const mixed = vxlanPeer(2, '46', { publicIpv6: ip6('2001:db8:1::2') });
    assert.equal(backend.derivePeer(direct, mixed).mode, 'tunnel');
  });
});

describe('vxlan publishes', () => {
  const published = (config: NetworkConfig, facts?: HostFacts): string =>
    JSON.stringify(backend.attributes(config, facts ?? host(), PREVIOUS));

  it('address and data of the families that are on, and no other', () => {
    assert.deepEqual(JSON.parse(published(network('4', VXLAN))), {
      backendType: 'vxlan',
      publicIp: '10.9.0.1',
      backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:01' },
    });
    assert.deepEqual(JSON.parse(published(network('6', VXLAN))), {
      backendType: 'vxlan',
      publicIpv6: '2001:db8::1',
      backendV6Data: { VNI: 1, VtepMAC: 'c6:00:00:00:06:01' },
    });
  });

  it('the public address behind a NAT', () => {
    const facts = host({ publicIp: ip4('203.0.113.9') });
    assert.match(published(network('4', VXLAN), facts), /"publicIp":"203\.0\.113\.9"/);
  });

  it('the MAC that its device will have', () => {
    const own = context(backend, network('4', VXLAN));
    const link = backend.deriveHost(own).find((object) => object.kind === 'link');
    assert.ok(link?.type === 'vxlan');
    assert.deepEqual(own.own.attributes.backendData, { VNI: 1, VtepMAC: link.mac });
  });

  const without = (key: 'ipv4' | 'ipv6'): HostFacts => {
    const { [key]: _gone, ...rest } = host().interface;
    return host({ interface: rest });
  };
  const refusals: readonly [string, NetworkConfig, HostFacts, RegExp][] = [
    [
      'VNI too long for the IPv4 device name',
      network('4', { ...VXLAN, vni: 10_000_000 }),
      host(),
      /9999999 or less/,
    ],
    [
      'VNI too long for the IPv6 device name',
      network('46', { ...VXLAN, vni: 10_000 }),
      host(),
      /set Backend.VNI to 9999 or/,
    ],
    ['no IPv4 address', network('4', VXLAN), without('ipv4'), /eth0 has no IPv4 address.*--iface/],
    ['no IPv6 address', network('46', VXLAN), without('ipv6'), /eth0 has no IPv6 address.*EnableIPv6/],
  ];
  for (const [name, config, facts, message] of refusals)
    it(`nothing but the remedy: ${name}`, () => {
      assert.throws(
        () => backend.attributes(config, facts),
        (error) => error instanceof BackendError && message.test(error.message),
      );
    });
});

describe('vxlan owns', () => {
  it('its devices and the routes inside its networks', () => {
    assert.deepEqual(backend.ownership(network('46', VXLAN), host()), {
      devices: ['flannel.1', 'flannel-v6.1'],
      networks: [
        { network: '10.5.0.0/16', subnetLength: 24 },
        { network: 'fd00::/48', subnetLength: 64 },
      ],
      interface: 'eth0',
    });
  });
});
