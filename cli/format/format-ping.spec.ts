import assert from 'node:assert/strict';
import type { PingPeerV1 } from '../../api/index.ts';
import { formatEcho, formatPingedPeer, formatPingedPeers, hasAnswered } from './format-ping.ts';
import { PLAIN } from './style.ts';

const RTT = { minMs: 0.301, avgMs: 0.325, p50Ms: 0.31, maxMs: 12.34 };
const WELL: PingPeerV1 = {
  kind: 'peer',
  key: '10.5.100.0-24',
  ipv4: '10.5.100.0/24',
  publicIp: '198.18.1.2',
  payloadBytes: 56,
  overlay: { address: '10.5.100.0', sent: 3, received: 3, rtt: RTT, largestPacketBytes: 1450, errors: [] },
  underlay: { address: '198.18.1.2', sent: 3, received: 3, rtt: RTT, largestPacketBytes: 1500, errors: [] },
};
const SILENT: PingPeerV1 = {
  ...WELL,
  key: '10.5.104.0-24',
  ipv4: '10.5.104.0/24',
  publicIp: '198.18.1.3',
  overlay: {
    address: '10.5.104.0',
    sent: 3,
    received: 0,
    errors: [{ message: '198.18.0.1 says: no route to the network', count: 3 }],
  },
  underlay: { address: '198.18.1.3', sent: 3, received: 2, rtt: RTT, largestPacketBytes: 1500, errors: [] },
};

describe('weft ping prints', () => {
  it('echoes', () => {
    const echo = { kind: 'echo', key: 'k', layer: 'overlay', address: '10.5.100.0', sequence: 1 } as const;
    assert.equal(formatEcho({ ...echo, rttMs: 0.312 }, PLAIN), 'overlay   10.5.100.0  1  0.31 ms\n');
    const lost = { ...echo, layer: 'underlay', error: 'no answer in time' } as const;
    assert.equal(formatEcho(lost, PLAIN), 'underlay  10.5.100.0  1  no answer in time\n');
  });

  it('a peer without loss', () => {
    assert.equal(
      formatPingedPeer(WELL, PLAIN),
      `10.5.100.0/24  198.18.1.2
overlay   10.5.100.0  3 sent; all answered; min 0.30, median 0.31, mean 0.33, max 12.3 ms; packets of up to 1450 bytes pass
underlay  198.18.1.2  3 sent; all answered; min 0.30, median 0.31, mean 0.33, max 12.3 ms; packets of up to 1500 bytes pass
`,
    );
  });

  it('a peer that does not answer in the overlay', () => {
    assert.equal(
      formatPingedPeer(SILENT, PLAIN),
      `10.5.104.0/24  198.18.1.3
overlay   10.5.104.0  3 sent; none answered; 198.18.0.1 says: no route to the network
underlay  198.18.1.3  3 sent; 1 lost; min 0.30, median 0.31, mean 0.33, max 12.3 ms; packets of up to 1500 bytes pass
`,
    );
  });

  it('a peer without an address in the overlay', () => {
    const { overlay, ...peer } = WELL;
    assert.match(formatPingedPeer(peer, PLAIN), /^overlay {3}its backend gives it no address there$/m);
    assert.ok(overlay);
  });

  it('all peers', () => {
    assert.equal(
      formatPingedPeers([WELL, SILENT], PLAIN),
      `SUBNET         PUBLIC IP   OVERLAY      LARGEST  UNDERLAY              LARGEST
10.5.100.0/24  198.18.1.2  0.33 ms         1450  0.33 ms                  1500
10.5.104.0/24  198.18.1.3  3 of 3 lost        -  0.33 ms, 1 of 3 lost     1500
  ! overlay: 198.18.0.1 says: no route to the network
2 peers, 1 with losses
`,
    );
    assert.equal(formatPingedPeers([], PLAIN), 'no peers: this host is alone in its network\n');
  });

  it('and reports whether every echo was answered', () => {
    const { overlay, underlay, ...nowhere } = WELL;
    assert.ok(overlay && underlay);
    assert.deepEqual([WELL, SILENT, nowhere].map(hasAnswered), [true, false, false]);
  });
});
