// wireguard: golden text, what it publishes and owns, peers that it refuses.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { NetworkConfig, WireguardConfig } from '../../allocator/config/config.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import { encodeLeaseValue } from '../../allocator/registry/lease-value.ts';
import { wireguardPublicKey } from '../../lib/wireguard-key.ts';
import { BackendError, type BackendContext, type HostFacts } from '../backend.ts';
import { context, host as plainHost, ip4, ip6, network, plainPeer, type Families } from '../fixture.ts';
import { backendFor } from '../index.ts';
import type { UnderlayMtu } from '../kernel-state.ts';
import { renderObjects } from '../render.ts';
import { slotOfPort, wireguardPort } from './wireguard-slot.ts';

const backend = backendFor('wireguard');
const OWN = wireguardPublicKey(Buffer.alloc(32, 1));
const KEY2 = wireguardPublicKey(Buffer.alloc(32, 2));
const KEY3 = wireguardPublicKey(Buffer.alloc(32, 3));

const WIREGUARD: WireguardConfig = {
  type: 'wireguard',
  pskId: '',
  listenPort: 51820,
  listenPortV6: 51821,
  mode: 'separate',
  keepaliveSec: 0,
  keyEpoch: 0,
  rotateAfterSec: 0,
};

function host(changes: Partial<HostFacts> = {}): HostFacts {
  return plainHost({ wireguard: { publicKeys: { 0: OWN, 3: KEY3 } }, ...changes });
}

/** The second host, as flannel publishes it. */
function peer(families: Families = '4', changes: Partial<LeaseAttributes> = {}): Lease {
  const data = {
    ...(families.includes('4') && { backendData: { PublicKey: KEY2, Port: 51820 } }),
    ...(families.includes('6') && { backendV6Data: { PublicKey: KEY2, Port: 51821 } }),
  };
  return plainPeer(2, families, { backendType: 'wireguard', ...data, ...changes });
}

interface Setting {
  readonly families?: Families;
  readonly wireguard?: Partial<WireguardConfig>;
  readonly network?: Partial<NetworkConfig>;
  readonly host?: HostFacts;
}

function contextOf(setting: Setting): BackendContext {
  const { families = '4', wireguard = {}, host: facts = host() } = setting;
  const config = network(families, { ...WIREGUARD, ...wireguard });
  return context(backend, { ...config, ...setting.network }, facts);
}

/** What keeps packets to a subnet that no peer has from leaving in the clear. */
const BLACKHOLE = { 4: 'blackhole 10.5.0.0/16 metric 1000000', 6: 'blackhole fd00::/48 metric 1000000' };
const V4_HOST = [
  `flannel-wg mtu 1440 wireguard public-key ${OWN} listen-port 51820`,
  'inet 10.5.1.0/32 dev flannel-wg',
  'net/ipv6/conf/flannel-wg/accept_ra = 0',
  BLACKHOLE[4],
];
const V6_HOST = [
  BLACKHOLE[6],
  `flannel-wg-v6 mtu 1420 wireguard public-key ${OWN} listen-port 51821`,
  'inet6 fd00:0:0:1::/128 dev flannel-wg-v6',
  'net/ipv6/conf/flannel-wg-v6/accept_ra = 0',
  'net/ipv6/conf/flannel-wg-v6/disable_ipv6 = 0',
];

interface Golden extends Setting {
  readonly name: string;
  readonly isMigrating?: true;
  readonly peers?: readonly Lease[];
  readonly expected: readonly string[];
}

const shared = (mtu: number): readonly string[] => [
  BLACKHOLE[4],
  BLACKHOLE[6],
  `flannel-wg mtu ${mtu} wireguard public-key ${OWN} listen-port 51820`,
  'inet 10.5.1.0/32 dev flannel-wg',
  'inet6 fd00:0:0:1::/128 dev flannel-wg',
  'net/ipv6/conf/flannel-wg/accept_ra = 0',
  'net/ipv6/conf/flannel-wg/disable_ipv6 = 0',
  '10.5.2.0/24 dev flannel-wg',
  'fd00:0:0:2::/64 dev flannel-wg',
];
const BOTH = '10.5.2.0/24 fd00:0:0:2::/64';

const goldens: readonly Golden[] = [
  { name: 'no peers', expected: V4_HOST },
  {
    name: 'no blackhole of a network that hosts are in',
    host: host({ interface: { ...host().interface, ipv4: ip4('10.5.0.9') } }),
    expected: V4_HOST.filter((line) => line !== BLACKHOLE[4]),
  },
  {
    name: 'no blackhole of a network that is not for leases alone',
    network: { ipv4: { ...network('4', WIREGUARD).ipv4!, max: ip4('10.5.9.0') } },
    expected: V4_HOST.filter((line) => line !== BLACKHOLE[4]),
  },
  {
    name: 'a peer over IPv4',
    peers: [peer()],
    expected: [
      ...V4_HOST,
      `${KEY2} endpoint 10.9.0.2:51820 allowed-ips 10.5.2.0/24 dev flannel-wg`,
      '10.5.2.0/24 dev flannel-wg',
    ],
  },
  {
    name: 'a device a family',
    families: '46',
    peers: [peer('46')],
    expected: [
      ...V4_HOST,
      ...V6_HOST,
      `${KEY2} endpoint 10.9.0.2:51820 allowed-ips 10.5.2.0/24 dev flannel-wg`,
      `${KEY2} endpoint [2001:db8::2]:51821 allowed-ips fd00:0:0:2::/64 dev flannel-wg-v6`,
      '10.5.2.0/24 dev flannel-wg',
      'fd00:0:0:2::/64 dev flannel-wg-v6',
    ],
  },
  {
    name: 'the port that the peer publishes, preshared key by fingerprint, keepalive and MTU of the config',
    wireguard: { pskId: 'abcd', keepaliveSec: 25, mtu: 1400, listenPort: 4000 },
    peers: [peer('4', { backendData: { publickey: KEY2, port: 4500 } })],
    expected: [
      `flannel-wg mtu 1340 wireguard public-key ${OWN} listen-port 4000`,
      ...V4_HOST.slice(1),
      `${KEY2} endpoint 10.9.0.2:4500 allowed-ips 10.5.2.0/24 psk abcd keepalive 25 dev flannel-wg`,
      '10.5.2.0/24 dev flannel-wg',
    ],
  },
  {
    name: 'a peer without port has that of the config, whatever the slot of this host',
    wireguard: { listenPort: 4000, keyEpoch: 3, slot: 1 },
    peers: [peer('4', { backendData: { PublicKey: KEY2, Port: 0 } })],
    expected: [
      `flannel-wg.1 mtu 1440 wireguard public-key ${KEY3} listen-port 4002`,
      'inet 10.5.1.0/32 dev flannel-wg.1',
      'net/ipv6/conf/flannel-wg.1/accept_ra = 0',
      BLACKHOLE[4],
      `${KEY2} endpoint 10.9.0.2:4000 allowed-ips 10.5.2.0/24 dev flannel-wg.1`,
      '10.5.2.0/24 dev flannel-wg.1',
    ],
  },
  {
    name: 'a migration makes peers answer by a keepalive',
    isMigrating: true,
    peers: [peer()],
    expected: [
      ...V4_HOST,
      `${KEY2} endpoint 10.9.0.2:51820 allowed-ips 10.5.2.0/24 keepalive 5 dev flannel-wg`,
      '10.5.2.0/24 dev flannel-wg',
    ],
  },
  {
    name: 'in a migration the host with the lesser key begins the handshake',
    isMigrating: true,
    host: host({ handshakes: { has: () => false, isLate: () => false } }),
    peers: [
      peer(),
      plainPeer(3, '4', { backendType: 'wireguard', backendData: { PublicKey: KEY3, Port: 51820 } }),
    ],
    expected: [
      ...V4_HOST,
      `${KEY2} endpoint 10.9.0.2:51820 allowed-ips 10.5.2.0/24 keepalive 5 dev flannel-wg`,
      `${KEY3} endpoint 10.9.0.3:51820 allowed-ips 10.5.3.0/24 dev flannel-wg`,
      '10.5.2.0/24 dev flannel-wg',
      '10.5.3.0/24 dev flannel-wg',
    ],
  },
  {
    name: 'in a migration the other host begins it with a peer that is late',
    isMigrating: true,
    host: host({ handshakes: { has: () => false, isLate: (_dev, key) => key === KEY3 } }),
    peers: [plainPeer(3, '4', { backendType: 'wireguard', backendData: { PublicKey: KEY3, Port: 51820 } })],
    expected: [
      ...V4_HOST,
      `${KEY3} endpoint 10.9.0.3:51820 allowed-ips 10.5.3.0/24 keepalive 5 dev flannel-wg`,
      '10.5.3.0/24 dev flannel-wg',
    ],
  },
  {
    name: 'Mode ipv4: one device for both families',
    families: '46',
    wireguard: { mode: 'ipv4' },
    peers: [peer('46')],
    expected: [...shared(1440), `${KEY2} endpoint 10.9.0.2:51820 allowed-ips ${BOTH} dev flannel-wg`],
  },
  {
    name: 'Mode ipv6: the port of IPv4, as flannel listens on that alone',
    families: '46',
    wireguard: { mode: 'ipv6' },
    peers: [peer('46')],
    expected: [...shared(1420), `${KEY2} endpoint [2001:db8::2]:51820 allowed-ips ${BOTH} dev flannel-wg`],
  },
  {
    name: 'Mode auto: IPv6 where the IPv4 address is private',
    families: '46',
    wireguard: { mode: 'auto' },
    peers: [peer('46')],
    expected: [...shared(1420), `${KEY2} endpoint [2001:db8::2]:51820 allowed-ips ${BOTH} dev flannel-wg`],
  },
  {
    name: 'Mode auto: IPv4 where that is routed',
    families: '46',
    wireguard: { mode: 'auto' },
    peers: [peer('46', { publicIp: ip4('203.0.113.2') })],
    expected: [...shared(1420), `${KEY2} endpoint 203.0.113.2:51820 allowed-ips ${BOTH} dev flannel-wg`],
  },
  {
    name: 'Mode auto: IPv4 where neither is routed',
    families: '46',
    wireguard: { mode: 'auto' },
    peers: [peer('46', { publicIpv6: ip6('fd99::2') })],
    expected: [...shared(1420), `${KEY2} endpoint 10.9.0.2:51820 allowed-ips ${BOTH} dev flannel-wg`],
  },
];

describe('wireguard', () => {
  for (const { name, isMigrating, peers = [], expected, ...setting } of goldens)
    it(`derives: ${name}`, () => {
      const base = contextOf(setting);
      const own = isMigrating ? { ...base, isMigrating } : base;
      const states = peers.map((each) => backend.derivePeer(own, each));
      assert.deepEqual(states.map(({ mode }) => mode).join(), peers.map(() => 'tunnel').join());
      const objects = [...backend.deriveHost(own), ...states.flatMap((state) => state.objects)];
      assert.deepEqual(renderObjects(objects), [...expected].sort());
    });

  const refused: readonly (readonly [string, Partial<LeaseAttributes>, RegExp])[] = [
    ['no data', { backendData: undefined }, /publishes no WireGuard key/],
    ['text instead of data', { backendData: 'x' }, /no JSON object/],
    [
      'a short key',
      { backendData: { PublicKey: 'AAAA' } },
      /its PublicKey is "AAAA", which is no WireGuard key/,
    ],
    ['a port out of range', { backendData: { PublicKey: KEY2, Port: 65_536 } }, /its Port is 65536/],
    [
      'the key of this host',
      { backendData: { PublicKey: OWN } },
      /this host's own; two hosts share one key file/,
    ],
    ['another backend', { backendType: 'vxlan' }, /its backend is "vxlan" and this host's is "wireguard"/],
  ];
  for (const [name, changes, reason] of refused)
    it(`refuses a peer with ${name}`, () => {
      const state = backend.derivePeer(contextOf({}), peer('4', changes));
      assert.equal(state.mode, 'error');
      assert.match(state.reason ?? '', reason);
    });

  it('refuses a peer with one key a family where one device carries both', () => {
    const own = contextOf({ families: '46', wireguard: { mode: 'ipv4' } });
    const state = backend.derivePeer(own, peer('46', { backendV6Data: { PublicKey: KEY3 } }));
    assert.match(state.reason ?? '', /one key for IPv4 and another one for IPv6/);
  });

  it('publishes what flannel does, and the generation of the key', () => {
    const { own } = contextOf({ families: '46' });
    assert.equal(
      encodeLeaseValue(own.attributes),
      `{"PublicIP":"10.9.0.1","PublicIPv6":"2001:db8::1","BackendType":"wireguard",` +
        `"BackendData":{"PublicKey":"${OWN}","Port":51820},"BackendV6Data":{"PublicKey":"${OWN}","Port":51821},` +
        `"Weft":{"KeyEpoch":0}}`,
    );
  });

  it('without a key this host cannot take part, and says why', () => {
    const facts = host({ wireguard: { publicKeys: {}, error: 'Cannot read the private key' } });
    const config = network('4', WIREGUARD);
    assert.throws(() => backend.attributes(config, facts), new BackendError('Cannot read the private key'));
    assert.throws(() => backend.attributes(config, plainHost()), BackendError);
  });

  it('owns its devices', () => {
    assert.deepEqual(backend.ownership(network('46', WIREGUARD), host()).devices, [
      'flannel-wg',
      'flannel-wg-v6',
    ]);
    const single = network('46', { ...WIREGUARD, mode: 'auto', slot: 1 });
    assert.deepEqual(backend.ownership(single, host()).devices, ['flannel-wg.1']);
  });

  it('refuses an underlay that leaves IPv6 too little', () => {
    const small = host({ interface: { ...host().interface, mtu: 1359 as UnderlayMtu } });
    assert.throws(
      () => backend.mtu(network('6', WIREGUARD), small),
      /raise Backend.MTU or the interface's MTU to 1360/,
    );
  });

  for (const [listenPort, listenPortV6] of [
    [51820, 51821],
    [51820, 51822],
    [51820, 51826],
    [65535, 65533],
    [1, 7],
  ] as const)
    it(`no two slots share a port, from ${listenPort} and ${listenPortV6}`, () => {
      const config = { ...WIREGUARD, listenPort, listenPortV6 };
      const ports = [0, 1, 2, 3, 4].flatMap((slot) =>
        ([4, 6] as const).map((family) => wireguardPort({ ...config, slot }, family)),
      );
      assert.equal(new Set(ports).size, ports.length, ports.join());
      assert.ok(
        ports.every((port) => port > 0 && port <= 65_535),
        ports.join(),
      );
      for (const slot of [0, 1, 2, 3, 4])
        assert.equal(slotOfPort(config, 6, wireguardPort({ ...config, slot }, 6)), slot);
    });
});
