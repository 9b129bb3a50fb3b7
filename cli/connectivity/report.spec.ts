import assert from 'node:assert/strict';
import { PLAIN } from '../format/style.ts';
import type { PeerV1 } from '../../api/index.ts';
import { formatConnectivity } from './format-connectivity.ts';
import { chooseSample } from './report.ts';

function peer(number: number, more: Partial<PeerV1> = {}): PeerV1 {
  const base = { mode: 'kernel', state: 'in-sync', missing: [], since: '', isReservation: false } as const;
  return { key: `10.5.${number}.0-24`, ...base, ...more };
}

describe('weft connectivity', () => {
  it('takes a sample evenly over the peers that the kernel leads to', () => {
    const peers = Array.from({ length: 9 }, (_, index) => peer(index));
    const keys = chooseSample(
      [peer(100, { state: 'error' }), ...peers, peer(101, { isReservation: true })],
      3,
      () => 0,
    );
    assert.deepEqual(
      keys.map(({ key }) => key),
      ['10.5.0.0-24', '10.5.3.0-24', '10.5.6.0-24'],
    );
    assert.equal(chooseSample(peers.slice(0, 2), 3).length, 2);
    assert.deepEqual(
      chooseSample(peers, 3, () => 0.99).map(({ key }) => key),
      ['10.5.8.0-24', '10.5.2.0-24', '10.5.5.0-24'],
    );
  });

  it('says so where no peer can be tested', () => {
    const text = formatConnectivity({ version: 1, at: '', otherPeers: 2, mtu: 1450, peers: [] }, PLAIN);
    assert.equal(text, 'No peer to test: 2 are known, and the kernel leads to none\n');
  });

  it('prints a matrix, the place, the next step, and what was not chosen', () => {
    const text = formatConnectivity(
      {
        version: 1,
        at: '',
        otherPeers: 5,
        mtu: 1450,
        peers: [
          {
            key: '10.5.2.0-24',
            name: 'h2',
            publicIp: '198.18.0.2',
            cells: [
              { family: 4, from: 'host', to: 'host', test: 'ping', address: '10.5.2.0', state: 'ok' },
              {
                family: 4,
                from: 'host',
                to: 'container',
                test: 'ping',
                address: '10.5.2.254',
                state: 'failed',
                reason: 'no answer',
              },
            ],
            back: [],
            failures: ['on h2'],
            next: 'weft doctor --to h2',
            notTested: ['container → host: not permitted'],
          },
        ],
      },
      PLAIN,
    );
    assert.equal(
      text,
      [
        'h2, 198.18.0.2, 10.5.2.0-24',
        '  IPv4               ping    ping 1450  tcp  udp  udp 1450',
        '  host →  host       ok',
        '  host →  container  FAILED',
        '  FAILED on h2',
        '  evidence:   ping from host to container 10.5.2.254: no answer',
        '  next:       weft doctor --to h2',
        '  not tested: container → host: not permitted',
        '',
        '1 of 1 peer failed, 5 more were not chosen: --peer names them',
        '',
      ].join('\n'),
    );
  });

  it('prints what the peer opened', () => {
    const of = { family: 4, from: 'container', to: 'container', test: 'tcp', address: '10.5.1.254' } as const;
    const text = formatConnectivity(
      {
        version: 1,
        at: '',
        otherPeers: 0,
        mtu: 1450,
        peers: [
          {
            key: '10.5.2.0-24',
            cells: [{ ...of, state: 'ok' }],
            back: [{ ...of, state: 'failed', reason: 'no answer' }],
            failures: ['a rule'],
            notTested: [],
          },
        ],
      },
      PLAIN,
    );
    assert.equal(
      text,
      [
        '10.5.2.0-24',
        '  IPv4                              ping  ping 1450  tcp     udp  udp 1450',
        '  container →        container                       ok',
        '  their container →  our container                   FAILED',
        '  FAILED a rule',
        '  evidence:   tcp from container of the peer to container 10.5.1.254: no answer',
        '',
        '1 of 1 peer failed',
        '',
      ].join('\n'),
    );
  });
});
