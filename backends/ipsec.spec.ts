// ipsec: golden text, refusals, and what differs during a migration.
import assert from 'node:assert/strict';
import type { IpsecConfig } from '../allocator/config/config.ts';
import { Secret } from '../lib/secret.ts';
import { context, host, ip4, network, plainPeer } from './fixture.ts';
import { backendFor } from './index.ts';
import { renderObjects } from './render.ts';

const backend = backendFor('ipsec');
const IPSEC: IpsecConfig = {
  type: 'ipsec',
  psk: new Secret('topsecret'),
  isUdpEncap: false,
  espProposal: 'aes128gcm16-sha256-prfsha256-ecp256',
};
const config = network('4', IPSEC);
const peer = plainPeer(2, '4', { backendType: 'ipsec' });

describe('ipsec', () => {
  it("derives flannel's policies and connection", () => {
    const own = context(backend, config);
    const state = backend.derivePeer(own, peer);
    assert.equal(state.mode, 'tunnel');
    assert.deepEqual(renderObjects([...backend.deriveHost(own), ...state.objects]), [
      'charon at /var/run/charon.vici',
      'ike 10.9.0.1-10.5.1.0/24-10.5.2.0/24-10.9.0.2 aes128gcm16-sha256-prfsha256-ecp256',
      'src 10.5.1.0/24 dst 10.5.2.0/24 dir out tmpl src 10.9.0.1 dst 10.9.0.2 proto esp mode tunnel',
      'src 10.5.2.0/24 dst 10.5.1.0/24 dir fwd tmpl src 10.9.0.2 dst 10.9.0.1 proto esp mode tunnel',
      'src 10.5.2.0/24 dst 10.5.1.0/24 dir in tmpl src 10.9.0.2 dst 10.9.0.1 proto esp mode tunnel',
    ]);
    assert.ok(!JSON.stringify(state).includes('topsecret'));
  });

  it('takes packets without IPsec during a migration alone', () => {
    const own = { ...context(backend, config), isMigrating: true };
    const levels = backend
      .derivePeer(own, peer)
      .objects.map((each) => 'isOptional' in each && each.isOptional);
    assert.deepEqual(levels, [false, true, true, false]);
  });

  it("sends from the interface's address behind a NAT, and is named by the public one", () => {
    const own = context(backend, config, host({ publicIp: ip4('203.0.113.5') }));
    const text = renderObjects(backend.derivePeer(own, peer).objects).join('\n');
    assert.match(text, /tmpl src 10\.9\.0\.1 dst 10\.9\.0\.2/);
    assert.match(text, /ike 203\.0\.113\.5-10\.5\.1\.0/);
  });

  it('cannot be used where only a lease names it, as the key is missing', () =>
    assert.throws(
      () => backend.attributes(network('4', { ...IPSEC, psk: undefined }), host()),
      /without a key: the network config in force has no PSK/,
    ));

  it('publishes its type and address; leaves 77 bytes, in UDP 85; is refused with IPv6', () => {
    assert.deepEqual(backend.attributes(config, host()), { backendType: 'ipsec', publicIp: '10.9.0.1' });
    assert.equal(backend.mtu(config, host()), 1423);
    assert.equal(backend.mtu(network('4', { ...IPSEC, isUdpEncap: true }), host()), 1415);
    assert.throws(() => backend.attributes(network('46', IPSEC), host()), /set EnableIPv6 to false/);
  });
});
