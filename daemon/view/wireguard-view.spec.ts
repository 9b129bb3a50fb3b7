import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { KernelObject } from '../../backends/kernel-state.ts';
import type { IpAddress } from '../../lib/address.ts';
import type { WireguardMonitorView, WireguardPeerView } from './node-view.ts';
import { silenceReason, silentHandshakes, wireguardOf } from './wireguard-view.ts';

const NOW_MS = 1_700_000_000_000;
const objectOf = (dev: string): KernelObject => ({
  kind: 'wireguard-peer',
  dev,
  publicKey: 'key',
  pskId: '',
  endpoint: '192.0.2.2:51820',
  keepaliveSec: 0,
  allowedIps: '10.5.2.0/24',
});

function monitorOf(peers: Readonly<Record<string, Partial<WireguardPeerView>>>): WireguardMonitorView {
  const found = new Map(Object.entries(peers)) as ReadonlyMap<string, WireguardPeerView>;
  return { peers: found, silent: 0, peerOf: (dev) => found.get(dev) };
}

describe('WireGuard in the peers document', () => {
  it('is the family with the younger handshake, with the endpoint that packets come from', () => {
    const endpoint = { address: '198.51.100.7' as IpAddress, port: 4711 };
    const monitor = monitorOf({
      'flannel-wg': { lastHandshakeMs: NOW_MS - 90_000, isSilent: false, rxBytes: 1, txBytes: 2 },
      'flannel-wg-v6': { lastHandshakeMs: NOW_MS - 7_000, endpoint, isSilent: false, rxBytes: 3, txBytes: 4 },
    });
    const objects = [objectOf('flannel-wg'), objectOf('flannel-wg-v6')];
    assert.deepEqual(wireguardOf(objects, monitor, NOW_MS), {
      publicKey: 'key',
      endpoint: '198.51.100.7:4711',
      handshakeAgeSec: 7,
      isSilent: false,
      rxBytes: 3,
      txBytes: 4,
    });
  });

  it('is the published endpoint before anything is known, and nothing without WireGuard', () => {
    const found = wireguardOf([objectOf('flannel-wg')], undefined, NOW_MS);
    assert.deepEqual([found?.endpoint, found?.handshakeAgeSec], ['192.0.2.2:51820', undefined]);
    assert.equal(wireguardOf([], monitorOf({}), NOW_MS), undefined);
  });

  it('counts silent peers once: not those that liveness reports', () => {
    const silent = monitorOf({ 'flannel-wg': { isSilent: true }, other: { isSilent: false } });
    const devices = { a: 'flannel-wg', b: 'flannel-wg', c: 'other' };
    const node = {
      leaseManager: { peers: new Map(Object.keys(devices).map((key) => [key, {}])) },
      reconciler: {
        objectsOf: (key: keyof typeof devices) => new Map([['x', objectOf(devices[key])]]),
      },
      wireguard: silent,
    };
    const count = (states: Readonly<Record<string, string>>): number =>
      silentHandshakes({
        ...node,
        liveness: { of: (key: string) => (states[key] === undefined ? undefined : { state: states[key] }) },
      } as unknown as Parameters<typeof silentHandshakes>[0]);
    assert.equal(count({}), 2);
    assert.equal(count({ a: 'reachable', b: 'reachable' }), 2);
    assert.equal(count({ a: 'silent', b: 'reachable' }), 1);
  });

  it('says why a silent peer is in error', () => {
    const peer = { publicKey: 'key', endpoint: '192.0.2.2:51820', rxBytes: 0, txBytes: 0 };
    assert.equal(silenceReason({ ...peer, isSilent: false }), undefined);
    assert.match(silenceReason({ ...peer, isSilent: true }) ?? '', /at 192\.0\.2\.2:51820 \(it never did\)/);
    assert.match(silenceReason({ ...peer, isSilent: true, handshakeAgeSec: 200 }) ?? '', /200 s ago it did/);
  });
});
