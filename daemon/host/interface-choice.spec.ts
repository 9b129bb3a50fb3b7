import assert from 'node:assert/strict';
import type { Cidr, IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import { familyOf, parseIp } from '../../lib/address.ts';
import { chooseInterface, rechooseInterface } from './interface-choice.ts';
import type { ChosenInterface, Families, InterfaceFacts, InterfaceOptions } from './interface-facts.ts';
import type { Interface, InterfaceAddress, MainRoute, RouteLookup } from '../kernel/kernel.ts';

const V4 = { ipv4: true, ipv6: false };
const V6 = { ipv4: false, ipv6: true };
const DUAL = { ipv4: true, ipv6: true };

/** `10.0.0.1` or `10.0.0.1/32`, with marks behind: `d` dynamic, `t` temporary, `x` deprecated. */
function addressFrom(text: string): InterfaceAddress {
  const [cidr = '', marks = ''] = text.split(' ');
  const [plain = '', prefix = ''] = cidr.split('/');
  const address = parseIp(plain);
  assert.ok(address, plain);
  return {
    address,
    prefixLength: prefix === '' ? (familyOf(address) === 4 ? 24 : 64) : Number(prefix),
    scope: /^(?:fe80|169\.254)/.test(plain) ? 'link' : 'global',
    isPermanent: !marks.includes('d'),
    isTemporary: marks.includes('t'),
    isDeprecated: marks.includes('x'),
  };
}

let nextIndex = 1;
function nic(name: string, addresses: readonly string[], rest: Partial<Interface> = {}): Interface {
  return {
    index: nextIndex++,
    name,
    mtu: 1500,
    isUp: true,
    isLoopback: name === 'lo',
    type: '',
    addresses: addresses.map(addressFrom),
    ...rest,
  };
}

function defaultRoute(dev: string, metric = 0, family: 4 | 6 = 4, isMultipath = false): MainRoute {
  const destination = (family === 4 ? '0.0.0.0/0' : '::/0') as Cidr;
  return { destination, dev, metric, protocol: 3, isMultipath };
}

const HOST: readonly Interface[] = [
  nic('lo', ['127.0.0.1', '::1']),
  nic('eth0', ['10.0.0.5', 'fd00::5']),
  nic('eth1', ['192.168.1.7', 'fe80::7']),
  nic('wlan0', ['fd11::9']),
  nic('flannel.1', ['10.244.3.0', 'fd44::3']),
];

const ROUTES: readonly MainRoute[] = [
  defaultRoute('eth1', 600),
  defaultRoute('eth0', 100),
  defaultRoute('eth0', 1024, 6),
];

function facts(overrides: Partial<InterfaceFacts> = {}): InterfaceFacts {
  return { interfaces: HOST, routes: ROUTES, lookupRoute: () => Promise.resolve(undefined), ...overrides };
}

function asked(options: Partial<InterfaceOptions> = {}): InterfaceOptions {
  return { names: [], patterns: [], ...options };
}

const ip4 = (text: string): Ipv4 => text as Ipv4;
const ip6 = (text: string): Ipv6 => text as Ipv6;
const route = (found: Partial<RouteLookup>) => () => Promise.resolve({ dev: 'eth1', ...found });

describe('the choice of an interface', () => {
  const good: readonly (readonly [
    string,
    Partial<InterfaceOptions>,
    Families,
    Partial<ChosenInterface>,
    Partial<InterfaceFacts>?,
  ])[] = [
    [
      'the default route with the lowest metric',
      {},
      V4,
      { name: 'eth0', ipv4: ip4('10.0.0.5'), publicIp: ip4('10.0.0.5') },
    ],
    [
      'the default route of both families',
      {},
      DUAL,
      { name: 'eth0', ipv4: ip4('10.0.0.5'), ipv6: ip6('fd00::5') },
    ],
    [
      'for two families the default route of one, if the other has none',
      {},
      DUAL,
      { name: 'eth0', ipv4: ip4('10.0.0.5'), ipv6: ip6('fd00::5') },
      { routes: [defaultRoute('eth0')] },
    ],
    ['the IPv6 default route', {}, V6, { name: 'eth0', ipv6: ip6('fd00::5'), publicIpv6: ip6('fd00::5') }],
    [
      'kernel order among equal metrics',
      {},
      V4,
      { name: 'eth1' },
      { routes: [defaultRoute('eth1'), defaultRoute('eth0')] },
    ],
    [
      'of equal IPv6 default routes the one on the IPv4 interface',
      {},
      DUAL,
      { name: 'eth0' },
      { routes: [defaultRoute('eth0'), defaultRoute('eth1', 1024, 6), defaultRoute('eth0', 1024, 6)] },
    ],
    [
      'a name',
      { names: ['eth1'] },
      V4,
      { name: 'eth1', ipv4: ip4('192.168.1.7'), selectedBy: '--iface=eth1' },
    ],
    [
      'as tunnel source the public address, where the interface has it',
      { names: ['eth0'], publicIp: ip4('10.0.0.6') },
      V4,
      { name: 'eth0', ipv4: ip4('10.0.0.6'), publicIp: ip4('10.0.0.6') },
      { interfaces: [nic('eth0', ['10.0.0.5', '10.0.0.6'])] },
    ],
    ['the first name that is usable', { names: ['eth9', 'wlan0', 'eth1'] }, V4, { name: 'eth1' }],
    ['an address', { names: ['192.168.1.7'] }, V4, { name: 'eth1', ipv4: ip4('192.168.1.7') }],
    [
      'an IPv6 address in dual-stack',
      { names: ['fd00::5'] },
      DUAL,
      { name: 'eth0', ipv4: ip4('10.0.0.5'), ipv6: ip6('fd00::5') },
    ],
    ['an address by pattern', { patterns: [/^192\.168\./] }, V4, { name: 'eth1' }],
    ['a name by pattern', { patterns: [/^eth1$/] }, V4, { name: 'eth1' }],
    ['no loopback by a pattern that matches all', { patterns: [/.*/] }, V4, { name: 'eth0' }],
    ['names before patterns', { names: ['eth1'], patterns: [/eth0/] }, V4, { name: 'eth1' }],
    ['both families by pattern on one interface', { patterns: [/^(?:192|10|fd)/] }, DUAL, { name: 'eth0' }],
    [
      'a pattern over names if addresses match on one family only',
      { patterns: [/^192|eth0/] },
      DUAL,
      { name: 'eth0' },
    ],
    [
      'the route to an address, with its source',
      { canReach: '8.8.8.8' as IpAddress },
      V4,
      { name: 'eth1', ipv4: ip4('192.168.1.9') },
      { lookupRoute: route({ source: ip4('192.168.1.9') }) },
    ],
    [
      'the route to an address without source',
      { canReach: '8.8.8.8' as IpAddress },
      V4,
      { name: 'eth1', ipv4: ip4('192.168.1.7') },
      { lookupRoute: route({}) },
    ],
    [
      'can-reach after patterns',
      { canReach: '8.8.8.8' as IpAddress, patterns: [/nope/] },
      V4,
      { name: 'eth1' },
      { lookupRoute: route({}) },
    ],
    [
      'a local public address',
      { publicIp: ip4('192.168.1.7') },
      V4,
      { name: 'eth1', publicIp: ip4('192.168.1.7') },
    ],
    [
      'a public address behind a NAT, with a name',
      { names: ['eth0'], publicIp: ip4('198.51.100.1') },
      V4,
      { name: 'eth0', ipv4: ip4('10.0.0.5'), publicIp: ip4('198.51.100.1') },
    ],
    [
      'no public address of a family that is off',
      { publicIp: ip4('198.51.100.1') },
      V6,
      { name: 'eth0', ipv6: ip6('fd00::5') },
    ],
    [
      'global before link-local',
      { names: ['e'] },
      V6,
      { ipv6: ip6('fd00::1') },
      { interfaces: [nic('e', ['fe80::1', 'fd00::1'])] },
    ],
    [
      'permanent before dynamic',
      { names: ['e'] },
      V4,
      { ipv4: ip4('10.0.0.2') },
      { interfaces: [nic('e', ['10.0.0.1 d', '10.0.0.2'])] },
    ],
    [
      'lasting before temporary',
      { names: ['e'] },
      V6,
      { ipv6: ip6('fd00::2') },
      { interfaces: [nic('e', ['fd00::1 dt', 'fd00::2 d'])] },
    ],
    [
      'link-local if there is nothing else',
      { names: ['e'] },
      V4,
      { ipv4: ip4('169.254.1.1') },
      { interfaces: [nic('e', ['169.254.1.1'])] },
    ],
    [
      'what is not deprecated',
      { names: ['e'] },
      V4,
      { ipv4: ip4('10.0.0.2') },
      { interfaces: [nic('e', ['10.0.0.1 x', '10.0.0.2 d'])] },
    ],
  ];
  const sourceOf = (found: Record<string, string>) => (target: IpAddress) =>
    Promise.resolve(
      found[target] === undefined ? undefined : { dev: 'eth0', source: found[target] as IpAddress },
    );
  const ETCD = '10.0.0.200' as IpAddress;
  const sources: typeof good = [
    [
      'beside a permanent VIP the dynamic address in the subnet',
      {},
      V4,
      { ipv4: ip4('10.0.0.5') },
      { interfaces: [nic('eth0', ['10.0.0.100/32', '10.0.0.5 d'])] },
    ],
    [
      'the source towards etcd',
      { etcdAddresses: [ETCD] },
      V4,
      { ipv4: ip4('10.0.0.5'), publicIp: ip4('10.0.0.5') },
      {
        interfaces: [nic('eth0', ['10.0.0.100', '10.0.0.5 d'])],
        lookupRoute: sourceOf({ [ETCD]: '10.0.0.5' }),
      },
    ],
    [
      'with a named interface the source of its default route',
      { names: ['eth0'] },
      V4,
      { ipv4: ip4('10.0.0.5') },
      {
        interfaces: [nic('eth0', ['10.0.0.100', '10.0.0.5 d'])],
        lookupRoute: sourceOf({ '192.0.2.1': '10.0.0.5' }),
      },
    ],
    [
      'without a default route the source towards its link',
      { names: ['eth0'] },
      V4,
      { ipv4: ip4('10.0.0.5') },
      {
        interfaces: [nic('eth0', ['10.0.0.100', '10.0.0.5 d'])],
        routes: [{ ...defaultRoute('eth0'), destination: '10.0.0.0/24' as Cidr }],
        lookupRoute: sourceOf({ '10.0.0.1': '10.0.0.5' }),
      },
    ],
    [
      'no source of another interface',
      { names: ['eth1'], etcdAddresses: [ETCD] },
      V4,
      { ipv4: ip4('10.0.0.6') },
      {
        interfaces: [nic('eth0', ['10.0.0.5']), nic('eth1', ['10.0.0.6', '10.0.0.5 d'])],
        lookupRoute: sourceOf({ [ETCD]: '10.0.0.5' }),
      },
    ],
    [
      'as source no IPv6 VIP and no privacy address',
      { names: ['eth0'] },
      V6,
      { ipv6: ip6('fd00::5') },
      {
        interfaces: [nic('eth0', ['fd00::100/128', 'fd00::9 dt', 'fd00::5 d'])],
        routes: [
          { ...defaultRoute('eth0', 0, 6), gateway: ip6('fd00::fe') },
          { ...defaultRoute('eth0', 0, 6), destination: 'fd00::/64' as Cidr },
        ],
        lookupRoute: sourceOf({ '2001:db8::1': 'fd00::100', 'fd00::fe': 'fd00::9', 'fd00::1': 'fd00::5' }),
      },
    ],
    [
      'a deprecated address if there is nothing else',
      {},
      V4,
      { ipv4: ip4('10.0.0.1') },
      { interfaces: [nic('eth0', ['10.0.0.1 x'])] },
    ],
  ];
  const net = { ...V4, networks: [{ network: '10.5.0.0/16' as Cidr, subnetLength: 24 }] };
  const both = {
    ...DUAL,
    networks: [
      { network: '10.5.0.0/16' as Cidr, subnetLength: 24 },
      { network: 'fd44::/48' as Cidr, subnetLength: 24 },
    ],
  };
  const bridge = nic('br0', ['10.5.1.1', 'fd44::1'], { type: 'bridge' });
  const skips: typeof good = [
    [
      'no default route into the overlay',
      {},
      V4,
      { name: 'eth0' },
      { routes: [defaultRoute('flannel.1', 50), ...ROUTES] },
    ],
    [
      'no default route without an address',
      {},
      V4,
      { name: 'eth0' },
      { routes: [defaultRoute('wlan0', 50), ...ROUTES] },
    ],
    [
      'no default route to a missing device',
      {},
      V4,
      { name: 'eth0' },
      { routes: [defaultRoute('eth7', 50), ...ROUTES] },
    ],
    [
      'no default route through several devices beside another',
      {},
      V4,
      { name: 'eth1' },
      { routes: [defaultRoute('eth0', 50, 4, true), ...ROUTES.slice(0, 1)] },
    ],
    [
      'no default route of a container bridge',
      {},
      net,
      { name: 'eth0' },
      { routes: [defaultRoute('br0', 10), ...ROUTES], interfaces: [bridge, ...HOST] },
    ],
    [
      'no default route inside the network, of any device, in both families',
      {},
      both,
      { name: 'eth0' },
      {
        routes: [defaultRoute('br1', 10), defaultRoute('br1', 10, 6), ...ROUTES],
        interfaces: [nic('br1', ['10.5.1.1', 'fd44::1']), ...HOST],
      },
    ],
    [
      'an address inside the network where the host has no other',
      {},
      { ...V4, networks: [{ network: '10.0.0.0/8' as Cidr, subnetLength: 24 }] },
      { name: 'eth0' },
      { routes: ROUTES.slice(1) },
    ],
  ];
  for (const [name, options, families, expected, overrides] of [...good, ...sources, ...skips])
    it(`chooses ${name}`, async () => {
      const result = await chooseInterface(facts(overrides), asked(options), families);
      assert.ok(result.ok, result.ok ? '' : result.message);
      assert.deepEqual({ ...result.chosen, ...expected }, result.chosen);
    });

  it('omits the members of a disabled family', async () => {
    const result = await chooseInterface(facts(), asked({ publicIpv6: ip6('fd00::5') }), V4);
    assert.ok(result.ok);
    assert.deepEqual(Object.keys(result.chosen).toSorted(), [
      'ipv4',
      'isBoundToAddress',
      'mtu',
      'name',
      'publicIp',
      'selectedBy',
    ]);
  });

  const bad: readonly (readonly [
    string,
    Partial<InterfaceOptions>,
    Families,
    RegExp,
    Partial<InterfaceFacts>?,
  ])[] = [
    [
      'no default route',
      {},
      V4,
      /the default route: none for IPv4; name the interface with --iface/,
      { routes: [] },
    ],
    ['no default route of two families', {}, DUAL, /none for IPv4 or IPv6/, { routes: [] }],
    [
      'default routes of which none is usable, with every reason',
      {},
      { ...V4, networks: [{ network: '10.5.0.0/16' as Cidr, subnetLength: 24 }] },
      /flannel\.1, which is an overlay device; 10\.5\.1\.1 of br0 lies inside the network 10\.5\.0\.0\/16/,
      {
        routes: [defaultRoute('flannel.1'), defaultRoute('br0')],
        interfaces: [nic('br0', ['10.5.1.1'], { type: 'bridge' }), ...HOST],
      },
    ],
    [
      'an IPv6 link-local address, for which a lease has no zone',
      { names: ['e'] },
      V6,
      /e has no usable IPv6 address/,
      { interfaces: [nic('e', ['fe80::1'])] },
    ],
    [
      'a default route with several next hops',
      {},
      V4,
      /several next hops/,
      { routes: [defaultRoute('eth0', 0, 4, true)] },
    ],
    [
      'default routes that part',
      {},
      DUAL,
      /IPv4 leaves through eth1, IPv6 through eth0/,
      { routes: [defaultRoute('eth1'), defaultRoute('eth0', 0, 6)] },
    ],
    [
      'a default route into nowhere',
      {},
      V4,
      /leads to eth7, which no longer exists/,
      { routes: [defaultRoute('eth7')] },
    ],
    [
      'a wrong name',
      { names: ['eth9'] },
      V4,
      /--iface=eth9: no interface has this name \(there are lo, eth0, eth1, wlan0\)/,
    ],
    ['a foreign address', { names: ['10.9.9.9'] }, V4, /--iface=10\.9\.9\.9: no interface has this address/],
    ['no address of the family', { names: ['wlan0'] }, V4, /wlan0 has no usable IPv4 address/],
    ['one of two families missing', { names: ['wlan0'] }, DUAL, /wlan0 has no usable IPv4 address/],
    ['a pattern without match', { patterns: [/^zzz/] }, V4, /--iface-regex=\^zzz: matches neither/],
    [
      'no route to an address',
      { canReach: '8.8.8.8' as IpAddress },
      V4,
      /--iface-can-reach=8\.8\.8\.8: the kernel has no route/,
    ],
    [
      'a public address of no interface',
      { publicIp: ip4('198.51.100.1') },
      V4,
      /--public-ip=198\.51\.100\.1: no interface has this address; behind a NAT, name the interface with --iface as well/,
    ],
    [
      'public addresses on two interfaces',
      { publicIp: ip4('10.0.0.5'), publicIpv6: ip6('fd11::9') },
      DUAL,
      /eth0 does not carry --public-ipv6=fd11::9 \(wlan0 does\)/,
    ],
    ["weft's own device by name", { names: ['flannel.1'] }, V4, /flannel\.1 is an overlay device/],
    ["weft's own device by pattern", { patterns: [/^10\.244/] }, V4, /matches neither/],
    [
      "weft's own device by route",
      { canReach: '10.244.9.1' as IpAddress },
      V4,
      /is an overlay device/,
      { lookupRoute: route({ dev: 'flannel.1' }) },
    ],
    ['MTU 0', { names: ['e'] }, V4, /e has MTU 0/, { interfaces: [nic('e', ['10.0.0.1'], { mtu: 0 })] }],
    ['loopback alone', { names: ['lo'] }, V4, /lo has no usable IPv4 address/],
    [
      'everything, with every reason',
      { names: ['eth9', 'wlan0'], patterns: [/zzz/] },
      V4,
      /--iface=eth9: .*; --iface=wlan0: .*; --iface-regex=zzz: /,
    ],
  ];
  for (const [name, options, families, expected, overrides] of bad)
    it(`rejects ${name} in one line`, async () => {
      const result = await chooseInterface(facts(overrides), asked(options), families);
      assert.ok(!result.ok);
      assert.match(result.message, expected);
      assert.doesNotMatch(result.message, /\n/);
    });

  it('warns of skipped candidates and of an interface that is down', async () => {
    const interfaces = [nic('e', ['10.0.0.1'], { isUp: false })];
    const result = await chooseInterface(facts({ interfaces }), asked({ names: ['nope', 'e'] }), V4);
    assert.ok(result.ok);
    assert.deepEqual(
      result.warnings.map((warning) => warning.slice(0, 16)),
      ['--iface=nope: no', '--iface=e: e is '],
    );
  });

  describe('with a current interface', () => {
    async function after(
      options: Partial<InterfaceOptions>,
      changed: Partial<InterfaceFacts>,
      before = facts(),
    ) {
      const first = await chooseInterface(before, asked(options), V4);
      assert.ok(first.ok);
      const second = await rechooseInterface(facts(changed), asked(options), V4, first.chosen);
      return second.ok
        ? { name: second.chosen.name, ipv4: second.chosen.ipv4, selectedBy: second.chosen.selectedBy }
        : second.message;
    }
    const eth = (...addresses: string[]): Interface => nic('eth0', addresses);
    const other = nic('eth1', ['192.168.1.7']);

    it('stays with the interface when the default route moves', async () => {
      const result = await after({}, { routes: [defaultRoute('eth1')] });
      assert.deepEqual(result, { name: 'eth0', ipv4: '10.0.0.5', selectedBy: 'the default route' });
    });

    it('keeps the address when a better one appears', async () => {
      const before = facts({ interfaces: [eth('10.0.0.5 d')] });
      const result = await after({}, { interfaces: [eth('10.0.0.1', '10.0.0.5 d')] }, before);
      assert.deepEqual(result, { name: 'eth0', ipv4: '10.0.0.5', selectedBy: 'the default route' });
    });

    it('leaves a VIP that it took while there was no other address', async () => {
      const before = facts({ interfaces: [eth('10.0.0.100/32')] });
      const gone = { interfaces: [eth('10.0.0.100/32', '10.0.0.5 d')] };
      assert.deepEqual(await after({}, gone, before), {
        name: 'eth0',
        ipv4: '10.0.0.5',
        selectedBy: 'the default route',
      });
      // The operator's choice, and that of the kernel, come first.
      const named = await after({ names: ['10.0.0.100'] }, gone, before);
      assert.equal(typeof named === 'object' && named.ipv4, '10.0.0.100');
      const lookupRoute = sourceOf({ '192.0.2.1': '10.0.0.100' });
      const used = await after({}, { ...gone, lookupRoute }, before);
      assert.equal(typeof used === 'object' && used.ipv4, '10.0.0.100');
    });

    it('chooses another address when the current one is removed', async () => {
      const result = await after({ names: ['eth0'] }, { interfaces: [eth('10.0.0.77')] });
      assert.deepEqual(result, { name: 'eth0', ipv4: '10.0.0.77', selectedBy: '--iface=eth0' });
    });

    it('updates the MTU', async () => {
      const first = await chooseInterface(facts(), asked(), V4);
      assert.ok(first.ok);
      const interfaces = [nic('eth0', ['10.0.0.5'], { mtu: 9000 })];
      const second = await rechooseInterface(facts({ interfaces }), asked(), V4, first.chosen);
      assert.ok(second.ok);
      assert.equal(second.chosen.mtu, 9000);
    });

    it('follows the address of --iface to another interface', async () => {
      const moved = { interfaces: [nic('eth0', ['10.0.0.6']), nic('bond0', ['10.0.0.5'])] };
      const result = await after({ names: ['10.0.0.5'] }, moved);
      assert.deepEqual(result, { name: 'bond0', ipv4: '10.0.0.5', selectedBy: '--iface=10.0.0.5' });
    });

    it('chooses again when the interface is removed or unusable', async () => {
      const options = { names: ['eth0', 'eth1'] };
      const gone = await after(options, { interfaces: [other] });
      const bare = await after(options, { interfaces: [eth(), other] });
      for (const result of [gone, bare])
        assert.deepEqual(result, { name: 'eth1', ipv4: '192.168.1.7', selectedBy: '--iface=eth1' });
    });

    it('names the reason when no interface is left', async () => {
      const result = await after({ names: ['eth0'] }, { interfaces: [eth(), other] });
      assert.match(typeof result === 'string' ? result : '', /eth0 has no usable IPv4 address/);
    });
  });
});
