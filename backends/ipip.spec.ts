// ipip: golden text, refusals, publications, and a flannel host as peer.
import assert from 'node:assert/strict';
import { BackendError } from './backend.ts';
import { IPIP, context, host, ip4, network, plainPeer } from './fixture.ts';
import { backendFor } from './index.ts';
import type { UnderlayMtu } from './kernel-state.ts';
import { renderObjects } from './render.ts';

const backend = backendFor('ipip');
const config = network('4', IPIP);
const peer = (publicIp = '10.9.0.2') => plainPeer(2, '4', { backendType: 'ipip', publicIp: ip4(publicIp) });

describe('ipip derives', () => {
  it("flannel's device, and a route whose gateway is the peer", () => {
    const own = context(backend, config);
    const state = backend.derivePeer(own, peer());
    assert.equal(state.mode, 'tunnel');
    assert.deepEqual(renderObjects([...backend.deriveHost(own), ...state.objects]), [
      '10.5.2.0/24 via 10.9.0.2 dev flannel.ipip onlink',
      'flannel.ipip mtu 1480 ipip local 10.9.0.1 dev eth0',
      'inet 10.5.1.0/32 dev flannel.ipip',
      'net/ipv6/conf/flannel.ipip/accept_ra = 0',
    ]);
    assert.deepEqual(backend.ownership(config, host()).devices, ['flannel.ipip']);
  });

  const direct = network('4', { ...IPIP, directRouting: true });
  it('with DirectRouting a route through the interface to a peer on its link', () => {
    const state = backend.derivePeer(context(backend, direct), peer());
    assert.equal(state.mode, 'direct');
    assert.deepEqual(renderObjects(state.objects), ['10.5.2.0/24 via 10.9.0.2 dev eth0 onlink']);
  });

  it('with DirectRouting the tunnel to a peer behind a router', () => {
    const state = backend.derivePeer(context(backend, direct), peer('192.0.2.7'));
    assert.equal(state.mode, 'tunnel');
    assert.deepEqual(renderObjects(state.objects), ['10.5.2.0/24 via 192.0.2.7 dev flannel.ipip onlink']);
  });

  it("the interface's address as source behind a NAT, and publishes the other", () => {
    const own = context(backend, config, host({ publicIp: ip4('203.0.113.5') }));
    assert.equal(own.own.attributes.publicIp, '203.0.113.5');
    assert.match(renderObjects(backend.deriveHost(own)).join('\n'), /ipip local 10\.9\.0\.1 /);
  });

  it('an error for a peer of another backend', () => {
    const state = backend.derivePeer(context(backend, config), plainPeer(2, '4', { backendType: 'vxlan' }));
    assert.ok(state.mode === 'error' && state.reason.includes('"vxlan"'));
  });
});

describe('ipip publishes', () => {
  it('its address and type', () =>
    assert.deepEqual(backend.attributes(config, host()), { backendType: 'ipip', publicIp: '10.9.0.1' }));

  for (const families of ['6', '46'] as const)
    it(`nothing with IPv6 (${families}): an error with the remedy`, () =>
      assert.throws(
        () => backend.attributes(network(families, IPIP), host()),
        (error) => error instanceof BackendError && /IPv4 alone; set EnableIPv6 to false/.test(error.message),
      ));

  it('no MTU below what IPv4 needs', () =>
    assert.throws(
      () => backend.mtu(config, host({ interface: { ...host().interface, mtu: 80 as UnderlayMtu } })),
      /leaves 60 bytes and IPv4 needs 68/,
    ));
});
