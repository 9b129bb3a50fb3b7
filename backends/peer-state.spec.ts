import assert from 'node:assert/strict';
import type { Lease } from '../allocator/lease.ts';
import type { BackendConfig } from '../allocator/config/config.ts';
import type { PeerState, UnderlayRoute } from './backend.ts';
import {
  UDP,
  VXLAN,
  context,
  host,
  ip4,
  ip6,
  lease,
  network,
  plainPeer,
  route,
  vxlanPeer,
} from './fixture.ts';
import { backendFor } from './index.ts';
import { isOnLink } from './underlay.ts';
import type { KernelObject, UnderlayMtu } from './kernel-state.ts';

describe('a subnet that is reserved for a host which never was there', () => {
  const backend = backendFor('vxlan');
  const bare = lease('10.5.9.0/24', { publicIp: ip4('10.9.0.9'), backendType: '' });
  const here = context(backend, network('4', VXLAN));
  const modeOf = (peer: Lease): string => backend.derivePeer(here, peer).mode;

  it('has nothing in the kernel, and that is no error', () => {
    assert.deepEqual(backend.derivePeer(here, { ...bare, isReservation: true }), {
      mode: 'none',
      objects: [],
    });
  });

  it('is an error if a host leased it, of another backend', () => {
    assert.equal(modeOf(bare), 'error');
  });

  it('is an error if its host publishes what this one cannot use', () => {
    const other = lease('10.5.9.0/24', { publicIp: ip4('10.9.0.9'), backendType: 'host-gw' });
    assert.equal(modeOf({ ...other, isReservation: true }), 'error');
  });
});

describe('a reservation with udp', () => {
  const backend = backendFor('udp');
  const here = context(backend, network('4', UDP));
  const stateOf = (peer: Lease) => backend.derivePeer(here, { ...peer, isReservation: true });

  it('is a peer: the value of a host that runs is the same', () => {
    const leased = backend.derivePeer(here, plainPeer(9));
    assert.equal(leased.mode, 'userspace');
    assert.deepEqual(stateOf(plainPeer(9)), leased);
  });

  it('has nothing in the kernel without an address', () => {
    assert.deepEqual(stateOf(lease('10.5.9.0/24', { backendType: '' })), { mode: 'none', objects: [] });
  });
});

describe('a peer whose subnet holds an address that this host needs', () => {
  const needed: Readonly<Record<string, string>> = {
    'an address of etcd': '10.5.9.0/24',
    'a gateway of eth0': '10.5.8.0/24',
    "this host's address on eth0": '10.5.7.0/24',
    "this host's public address": '10.5.6.0/24',
    'an address of etcd ': 'fd00:0:0:9::/64',
  };
  const here = host({
    interface: { name: 'eth0', mtu: 1500 as UnderlayMtu, ipv4: ip4('10.5.7.1'), ipv6: ip6('2001:db8::1') },
    publicIp: ip4('10.5.6.1'),
    etcdAddresses: [ip4('10.5.9.7'), ip6('fd00:0:0:9::7'), ip4('192.0.2.1')],
    underlayRoutes: [
      route('0.0.0.0/0', { gateway: ip4('10.5.8.1') }),
      route('172.16.0.0/12', { gateway: ip4('10.5.5.1'), dev: 'br0' }),
    ],
  });
  const configs: readonly BackendConfig[] = [VXLAN, { ...VXLAN, userspace: true }, { type: 'host-gw' }, UDP];
  for (const config of configs) {
    const backend = backendFor(config.type);
    const type = config.type === 'udp' ? '' : config.type;
    const isNatted = config.type !== 'host-gw';
    const stateOf = (text: string): PeerState =>
      backend.derivePeer(
        context(backend, network('46', config), isNatted ? here : { ...here, publicIp: ip4('10.5.7.1') }),
        lease(text, { ...vxlanPeer(9, '46').attributes, backendType: type, publicIp: ip4('10.9.0.9') }),
      );
    for (const [role, subnet] of Object.entries(needed).filter(
      ([each]) => isNatted || !each.includes('public'),
    ))
      it(`is refused with ${JSON.stringify(config.type)}: ${role}`, () => {
        const { mode, objects, reason } = stateOf(subnet);
        assert.deepEqual([mode, objects], ['error', []]);
        assert.match(reason ?? '', new RegExp(`its subnet ${subnet} contains \\S+, ${role.trim()}$`));
      });
    it(`is none with ${config.type} for a gateway of another device`, () => {
      assert.doesNotMatch(stateOf('10.5.5.0/24').reason ?? '', /contains/);
    });
  }
});

describe('a peer whose subnet this host discards', () => {
  for (const discards of ['blackhole', 'unreachable', 'prohibit'] as const)
    for (const metric of [0, 77])
      it(`is refused: ${discards} metric ${metric}`, () => {
        const underlayRoutes = [route('10.5.9.0/24', { dev: '', discards, metric })];
        const here = context(backendFor('vxlan'), network('4', VXLAN), host({ underlayRoutes }));
        const { mode, objects, reason } = backendFor('vxlan').derivePeer(here, vxlanPeer(9));
        assert.deepEqual([mode, objects], ['error', []]);
        assert.match(
          reason ?? '',
          new RegExp(`this host has the route "${discards} 10.5.9.0/24", which stays`),
        );
      });

  it('is behind no link, as far as its address is discarded', () => {
    const underlayRoutes = [route('10.9.0.0/24'), route('10.9.0.9/32', { dev: '', discards: 'blackhole' })];
    assert.equal(isOnLink(underlayRoutes, ip4('10.9.0.9')), false);
    assert.equal(isOnLink(underlayRoutes, ip4('10.9.0.8')), true);
  });
});

describe('a peer whose subnet another device of this host has a route to', () => {
  const peers: Readonly<Record<string, (families: '4' | '6' | '46') => Lease>> = {
    vxlan: (families) => vxlanPeer(9, families),
    'host-gw': (families) => plainPeer(9, families, { backendType: 'host-gw' }),
    udp: (families) => plainPeer(9, families),
  };
  const configs: readonly BackendConfig[] = [VXLAN, { ...VXLAN, userspace: true }, { type: 'host-gw' }, UDP];
  const routes = {
    4: [
      route('10.5.9.0/24', { dev: 'lan1' }),
      route('10.5.9.0/24', { dev: 'br0', metric: 100, gateway: ip4('10.8.0.1') }),
    ],
    6: [route('fd00:0:0:9::/64', { dev: 'lan1', metric: 256 })],
  };
  const facts = (extra: readonly UnderlayRoute[]) =>
    host({ underlayRoutes: [...host().underlayRoutes, ...extra] });

  for (const config of configs)
    for (const family of [4, 6] as const)
      for (const extra of routes[family])
        it(`is an error: ${JSON.stringify(config)}, IPv${family}, ${extra.dev}`, () => {
          const backend = backendFor(config.type);
          const here = context(backend, network(`${family}`, config), facts([extra]));
          const state = backend.derivePeer(here, peers[config.type]!(`${family}`));
          assert.deepEqual(state.objects, []);
          assert.ok(state.mode === 'error');
          const subnet = `to its subnet ${extra.destination} through ${extra.dev}, which stays`;
          assert.ok(state.reason.includes(subnet), state.reason);
        });

  it('keeps its other family', () => {
    const backend = backendFor('vxlan');
    const here = context(backend, network('46', VXLAN), facts(routes[4]));
    const state = backend.derivePeer(here, vxlanPeer(9, '46'));
    assert.equal(state.mode, 'tunnel');
    assert.match(state.mode === 'tunnel' ? (state.reason ?? '') : '', /10\.5\.9\.0\/24 through lan1/);
    assert.ok(state.objects.every((object) => JSON.stringify(object).includes(':')));
  });

  for (const destination of ['10.5.0.0/16', '10.5.9.0/25', '10.5.10.0/24'])
    it(`is reached beside a route to ${destination}`, () => {
      const backend = backendFor('vxlan');
      const here = context(backend, network('4', VXLAN), facts([route(destination, { dev: 'lan1' })]));
      assert.equal(backend.derivePeer(here, vxlanPeer(9)).mode, 'tunnel');
    });

  it('is the network itself: the packet path routes each peer then', () => {
    const backend = backendFor('udp');
    const here = context(backend, network('4', UDP), facts([route('10.5.0.0/16', { dev: 'lan1' })]));
    const isRoute = ({ kind }: KernelObject): boolean => kind === 'route';
    assert.deepEqual(backend.deriveHost(here).filter(isRoute), []);
    const state = backend.derivePeer(here, plainPeer(9));
    assert.equal(state.objects.filter(isRoute).length, 1);
  });
});
