// host-gw and alloc: golden text, refusals, publications.
import assert from 'node:assert/strict';
import type { Lease } from '../allocator/lease.ts';
import { BackendError } from './backend.ts';
import type { HostFacts } from './backend.ts';
import { context, host, ip4, ip6, lease, network } from './fixture.ts';
import type { Families } from './fixture.ts';
import { backendFor } from './index.ts';
import { renderObjects } from './render.ts';

const backend = backendFor('host-gw');
const config = (families: Families = '4') => network(families, { type: 'host-gw' });

function peer(number: number, families: Families = '4', publicIp = `10.9.0.${number}`): Lease {
  const subnets = families.includes('6')
    ? `10.5.${number}.0/24 fd00:0:0:${number}::/64`
    : `10.5.${number}.0/24`;
  const ipv6 = families.includes('6') ? { publicIpv6: ip6(`2001:db8::${number}`) } : {};
  return lease(subnets, { backendType: 'host-gw', publicIp: ip4(publicIp), ...ipv6 });
}

describe('host-gw derives', () => {
  const cases: readonly [string, Families, Lease, readonly string[]][] = [
    ['one route', '4', peer(2), ['10.5.2.0/24 via 10.9.0.2 dev eth0']],
    [
      'a route a family',
      '46',
      peer(2, '46'),
      ['10.5.2.0/24 via 10.9.0.2 dev eth0', 'fd00:0:0:2::/64 via 2001:db8::2 dev eth0'],
    ],
    ['the common half', '4', peer(2, '46'), ['10.5.2.0/24 via 10.9.0.2 dev eth0']],
  ];
  for (const [name, families, each, expected] of cases)
    it(name, () => {
      const own = context(backend, config(families));
      const state = backend.derivePeer(own, each);
      assert.equal(state.mode, 'direct');
      assert.deepEqual(renderObjects([...backend.deriveHost(own), ...state.objects]), expected);
    });

  it('an error for a peer behind a router, with address, interface and remedy', () => {
    const state = backend.derivePeer(context(backend, config()), peer(2, '4', '192.0.2.7'));
    assert.ok(state.mode === 'error');
    assert.match(state.reason, /192\.0\.2\.7 is not on the link of eth0: .*vxlan with DirectRouting/);
  });

  it('an error for a vxlan peer', () => {
    const attributes = { ...peer(2).attributes, backendType: 'vxlan' };
    const state = backend.derivePeer(context(backend, config()), lease('10.5.2.0/24', attributes));
    assert.ok(state.mode === 'error' && state.reason.includes('"vxlan"'));
  });
});

describe('host-gw publishes', () => {
  it('its addresses and type', () => {
    assert.deepEqual(backend.attributes(config('46'), host()), {
      backendType: 'host-gw',
      publicIp: '10.9.0.1',
      publicIpv6: '2001:db8::1',
    });
  });

  const behindNat: readonly [string, HostFacts][] = [
    ['IPv4', host({ publicIp: ip4('203.0.113.9') })],
    ['IPv6', host({ publicIpv6: ip6('2001:db8:9::9') })],
  ];
  for (const [family, facts] of behindNat)
    it(`nothing behind a NAT (${family}): peers could not use that next hop`, () => {
      assert.throws(
        () => backend.attributes(config('46'), facts),
        (error) => error instanceof BackendError && /--public-ip, or use backend vxlan/.test(error.message),
      );
    });

  it('and owns no device', () => {
    assert.deepEqual(backend.ownership(config(), host()), {
      devices: [],
      networks: [{ network: '10.5.0.0/16', subnetLength: 24 }],
      interface: 'eth0',
    });
  });
});

describe('alloc', () => {
  const alloc = backendFor('alloc');

  it('leaves the kernel alone', () => {
    const own = context(alloc, network('46', { type: 'alloc' }));
    assert.deepEqual(alloc.deriveHost(own), []);
    assert.deepEqual(alloc.derivePeer(own, peer(2, '46')), { mode: 'none', objects: [] });
    assert.deepEqual(alloc.ownership(own.config, own.host), { devices: [], networks: [], interface: 'eth0' });
  });

  for (const [families, expected] of [
    ['4', { backendType: '', publicIp: '10.9.0.1' }],
    ['46', { backendType: '', publicIp: '10.9.0.1' }],
    ['6', { backendType: '', publicIpv6: '2001:db8::1' }],
  ] as const)
    it(`publishes one identity on families ${families}`, () => {
      assert.deepEqual(alloc.attributes(network(families, { type: 'alloc' }), host()), expected);
    });
});
