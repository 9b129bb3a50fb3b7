// What is routed to a device of the packet path, and that nothing which the path sends is routed
// back into it.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { contains, fromBigInt, networkOf, prefixLengthOf } from '../lib/address.ts';
import type { Cidr, Ipv4, Ipv4Cidr } from '../lib/address.ts';
import type { NetworkConfig } from '../allocator/config/config.ts';
import type { BackendContext } from './backend.ts';
import { UDP, cidr, context, host, ip4, ip6, lease, network, plainPeer, route } from './fixture.ts';
import { backendFor } from './index.ts';
import { renderObjects } from './render.ts';

const backend = backendFor('udp');

/**
 * Own side in the IPv4 network `text`, with the range that the parser derives unless `changes` has
 * another.
 */
function ownIn(
  text: string,
  own: string,
  changes: Partial<NonNullable<NetworkConfig['ipv4']>> = {},
  interfaceAddress = '10.9.0.1',
): BackendContext {
  const base = context(backend, network('4', UDP));
  const ipv4 = { ...base.config.ipv4!, network: cidr(text) as Ipv4Cidr, ...changes };
  const address = ip4(interfaceAddress);
  return {
    config: { ...base.config, ipv4 },
    host: host({ interface: { ...base.host.interface, ipv4: address }, publicIp: address }),
    own: { subnets: { ipv4: cidr(own) as Ipv4Cidr }, attributes: { backendType: '', publicIp: address } },
  };
}

function routesOf(own: BackendContext, peers = [plainPeer(2)]): readonly string[] {
  const objects = [backend.deriveHost(own), ...peers.map((peer) => backend.derivePeer(own, peer).objects)];
  return renderObjects(objects.flat().filter(({ kind }) => kind === 'route'));
}

describe('the packet path is given', () => {
  const PER_PEER = ['10.5.2.0/24 dev flannel0'];
  const cases: readonly [string, BackendContext, readonly string[]][] = [
    ['the whole network', ownIn('10.5.0.0/16', '10.5.1.0/24'), ['10.5.0.0/16 dev flannel0']],
    [
      'the whole network if its first subnet is leased too',
      ownIn('10.5.0.0/16', '10.5.1.0/24', { min: ip4('10.5.0.0') }),
      ['10.5.0.0/16 dev flannel0'],
    ],
    [
      'subnets if SubnetMin keeps a part',
      ownIn('10.5.0.0/16', '10.5.1.0/24', { min: ip4('10.5.2.0') }),
      PER_PEER,
    ],
    [
      'subnets if SubnetMax keeps a part',
      ownIn('10.5.0.0/16', '10.5.1.0/24', { max: ip4('10.5.254.0') }),
      PER_PEER,
    ],
    [
      'subnets if the interface has an address in the network',
      ownIn('10.5.0.0/16', '10.5.1.0/24', {}, '10.5.200.1'),
      PER_PEER,
    ],
  ];
  for (const [name, own, expected] of cases)
    it(name, () => {
      assert.deepEqual(routesOf(own), expected);
    });

  it('nothing in a family without a subnet', () => {
    const own = context(backend, network('46', UDP));
    const { ipv4 } = own.own.subnets;
    const state = backend.deriveHost({ ...own, own: { ...own.own, subnets: { ...(ipv4 && { ipv4 }) } } });
    assert.ok(!renderObjects(state).some((line) => line.includes('flannel-v6')));
  });
});

describe('a peer with a public address in the network', () => {
  const peer = plainPeer(2, '4', { publicIp: ip4('10.5.200.2') });

  it('is an error where the device takes the whole network, with the remedy', () => {
    const state = backend.derivePeer(ownIn('10.5.0.0/16', '10.5.1.0/24'), peer);
    assert.ok(state.mode === 'error');
    assert.match(
      state.reason,
      /10\.5\.200\.2 lies in the network 10\.5\.0\.0\/16, which flannel0 takes whole.*SubnetMax/,
    );
  });

  it('is reached if a route of the host leads there nevertheless', () => {
    const own = ownIn('10.5.0.0/16', '10.5.1.0/24');
    const facts = { ...own.host, underlayRoutes: [route('10.5.200.0/24', { dev: 'eth1' })] };
    assert.equal(backend.derivePeer({ ...own, host: facts }, peer).mode, 'userspace');
  });

  it('is reached where the device takes subnets only', () => {
    const own = ownIn('10.5.0.0/16', '10.5.1.0/24', { max: ip4('10.5.99.0') });
    assert.deepEqual(routesOf(own, [peer]), ['10.5.2.0/24 dev flannel0']);
  });

  it('in IPv6 is judged the same', () => {
    const own = context(backend, network('6', UDP));
    const inside = plainPeer(2, '6', { publicIpv6: ip6('fd00:0:0:9999::2') });
    assert.equal(backend.derivePeer(own, inside).mode, 'error');
  });
});

describe('what the path sends to a peer', () => {
  /**
   * Addresses around 10.5.0.0/16, where they may fall into subnets, the network and the underlay
   * alike.
   */
  const address = fc
    .tuple(fc.constantFrom(4, 5, 9), fc.constantFrom(0, 1, 2, 3, 200, 255), fc.integer({ min: 1, max: 254 }))
    .map(([second, third, last]) => ip4(`10.${second}.${third}.${last}`));
  const routes = fc.array(
    fc
      .tuple(address, fc.constantFrom(8, 14, 15, 16, 17, 24, 32))
      .map(([at, length]) => networkOf(at, length)),
    { maxLength: 4 },
  );
  const range = fc.constantFrom({}, { max: ip4('10.5.99.0') }, { min: ip4('10.5.100.0') });

  it('is never routed back to it, wherever hosts are and whatever the underlay', () => {
    fc.assert(
      fc.property(address, address, routes, range, (interfaceAddress, publicIp, underlay, changes) => {
        const own = ownIn('10.5.0.0/16', '10.5.1.0/24', changes, interfaceAddress);
        const underlayRoutes = ['0.0.0.0/0' as Cidr, ...underlay].map((each) => route(each));
        const facts = { ...own, host: { ...own.host, underlayRoutes } };
        const peer = lease('10.5.2.0/24', { backendType: '', publicIp });
        const state = backend.derivePeer(facts, peer);
        if (state.mode === 'error') return;
        const ours = [...backend.deriveHost(facts), ...state.objects].flatMap((object) =>
          object.kind === 'route' ? [object.destination] : [],
        );
        assert.equal(ours.length, 1);
        assert.ok(
          longest(ours, publicIp) <
            longest(
              underlayRoutes.map(({ destination }) => destination),
              publicIp,
            ),
        );
      }),
      { numRuns: 2000 },
    );
  });

  function longest(destinations: readonly Cidr[], to: Ipv4): number {
    const lengths = destinations.filter((each) => contains(each, to)).map(prefixLengthOf);
    return Math.max(-1, ...lengths);
  }
});

describe('a host in its own network', () => {
  it('keeps its link: no route of the path has the interface address, whichever subnets peers have', () => {
    const third = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(third, third, (mine, theirs) => {
        const interfaceAddress = fromBigInt(0x0a05_0007n + BigInt(mine * 256), 4) as Ipv4;
        const own = ownIn('10.5.0.0/16', '10.5.1.0/24', {}, interfaceAddress);
        const peer = lease(`10.5.${theirs}.0/24`, plainPeer(2).attributes);
        const objects = [...backend.deriveHost(own), ...backend.derivePeer(own, peer).objects];
        for (const object of objects)
          assert.ok(object.kind !== 'route' || !contains(object.destination, interfaceAddress));
      }),
    );
  });
});
