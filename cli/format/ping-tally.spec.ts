import assert from 'node:assert/strict';
import type { PingEchoV1 } from '../../api/index.ts';
import { formatPingedPeer } from './format-ping.ts';
import { PingTally } from './ping-tally.ts';
import { PLAIN } from './style.ts';

const echo = (layer: PingEchoV1['layer'], sequence: number, more: object): PingEchoV1 => ({
  kind: 'echo',
  key: '10.5.100.0-24',
  layer,
  address: layer === 'overlay' ? '10.5.100.0' : '198.18.1.2',
  sequence,
  ...more,
});

describe('a ping that ends early', () => {
  it('has the sum of its echoes', () => {
    const tally = new PingTally();
    assert.deepEqual(tally.peers(), []);
    tally.add(echo('overlay', 1, { rttMs: 2 }));
    tally.add(echo('underlay', 1, { rttMs: 1 }));
    tally.add(echo('overlay', 2, { rttMs: 4 }));
    tally.add(echo('underlay', 2, { error: 'no reply in time' }));
    assert.equal(
      tally
        .peers()
        .map((peer) => formatPingedPeer(peer, PLAIN))
        .join(''),
      `10.5.100.0/24
overlay   10.5.100.0  2 sent; all answered; min 2.00, median 4.00, mean 3.00, max 4.00 ms
underlay  198.18.1.2  2 sent; 1 lost; min 1.00, median 1.00, mean 1.00, max 1.00 ms
`,
    );
  });
});
