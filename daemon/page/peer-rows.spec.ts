import assert from 'node:assert/strict';
import type { PeerV1 } from '../../api/index.ts';
import { matches, ratesOf, rowOf, sorted, type Column, type Rate } from './peer-rows.ts';

const peerOf = (third: number, more: Partial<PeerV1> = {}): PeerV1 => ({
  key: `10.5.${third}.0-24`,
  ipv4: `10.5.${third}.0/24`,
  publicIp: `198.18.0.${third}`,
  mode: 'kernel',
  state: 'in-sync',
  missing: [],
  since: '2026-11-25T09:17:00.000Z',
  isReservation: false,
  ...more,
});
const answers = (rttMs: number): Partial<PeerV1> => ({
  liveness: { state: 'reachable', since: '2026-11-25T09:17:00.000Z', rttMs },
});
const NEVER: Partial<PeerV1> = { liveness: { state: 'silent', since: '2026-11-25T09:17:00.000Z' } };

describe('rows of peers', () => {
  for (const [what, peer, state, reason] of [
    ['answers', peerOf(1, answers(0.3)), 'reachable', ''],
    ['is not probed', peerOf(1), 'in-sync', ''],
    ['has nothing to program', peerOf(1, { mode: 'none' }), 'idle', ''],
    ['is silent', peerOf(1, NEVER), 'silent', 'neither its overlay address nor its public IP answers'],
    [
      'is pending',
      peerOf(1, { state: 'pending', missing: ['route a', 'fdb b'] }),
      'pending',
      'missing in the kernel: route a, fdb b',
    ],
    ['is in error', peerOf(1, { state: 'error', reason: 'no VNI', ...NEVER }), 'error', 'no VNI'],
  ] as const)
    it(`of one that ${what}`, () => {
      const row = rowOf(peer, undefined);
      assert.deepEqual([row.state, row.reason], [state, reason]);
    });

  it('sorts addresses, round trips and traffic by number, and equal ones by subnet', () => {
    const rows = [
      rowOf(peerOf(10, answers(2)), { tx: 5, rx: 0 }),
      rowOf(peerOf(9, answers(10)), { tx: 0, rx: 40 }),
      rowOf(peerOf(100, NEVER), undefined),
    ];
    const order = (column: Column, isDescending = false): number[] =>
      sorted(rows, { column, isDescending }).map(({ peer }) => Number(peer.ipv4!.split('.')[2]));
    assert.deepEqual(order('name'), [9, 10, 100]);
    assert.deepEqual(order('address', true), [100, 10, 9]);
    assert.deepEqual(order('rtt', true), [9, 10, 100]);
    assert.deepEqual(order('traffic', true), [9, 10, 100]);
    assert.deepEqual(order('state', true), [100, 9, 10]);
    assert.deepEqual(order('since'), [9, 10, 100]);
  });

  it('finds by subnet, address and reason, or only what is bad', () => {
    const [good, bad] = [rowOf(peerOf(1, answers(1)), undefined), rowOf(peerOf(2, NEVER), undefined)];
    assert.deepEqual([matches(good, '198.18.0.1', false), matches(good, '10.5.2', false)], [true, false]);
    assert.deepEqual([matches(good, '', true), matches(bad, '', true)], [false, true]);
    assert.ok(matches(bad, 'overlay address', false));
  });

  it('has rates of peers whose counters grew', () => {
    const traffic = (txBytes: number, rxBytes: number): Partial<PeerV1> => ({
      traffic: { txBytes, rxBytes, txPackets: 0, rxPackets: 0 },
    });
    const before = new Map<string, Rate>([
      [peerOf(1).key, { tx: 100, rx: 100 }],
      [peerOf(2).key, { tx: 100, rx: 100 }],
    ]);
    const peers = [
      peerOf(1, traffic(300, 100)),
      peerOf(2, traffic(0, 200)),
      peerOf(3, traffic(1, 1)),
      peerOf(4),
    ];
    const { rates, totals } = ratesOf(peers, before, 2);
    assert.deepEqual([...rates], [[peerOf(1).key, { tx: 100, rx: 0 }]]);
    assert.deepEqual(totals.size, 3);
  });
});
