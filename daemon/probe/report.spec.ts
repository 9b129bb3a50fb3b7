import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { IpAddress } from '../../lib/address.ts';
import type { EchoAnswer } from '../../native/index.ts';
import { describeEchoError, formatEchoError } from './echo-error.ts';
import type { EchoResult } from './echo-socket.ts';
import { reportOf, roundTripsOf } from './report.ts';

const ADDRESS = '10.5.72.0' as IpAddress;
const reply = (rttMs: number): EchoResult => ({ kind: 'reply', rttMs });

describe('the report of a series of echoes', () => {
  for (const [rtts, expected] of [
    [[3], [3, 3, 3, 3]],
    [
      [4, 1],
      [1, 2.5, 2.5, 4],
    ],
    [
      [9, 1, 2],
      [1, 4, 2, 9],
    ],
    [
      [10, 1, 2, 3],
      [1, 4, 2.5, 10],
    ],
  ])
    it(`round trips ${rtts!.join(', ')}`, () => {
      const { minMs, avgMs, p50Ms, maxMs } = roundTripsOf(rtts!)!;
      assert.deepEqual([minMs, avgMs, p50Ms, maxMs], expected);
    });

  it('has no round trips without replies', () => {
    assert.deepEqual(reportOf(ADDRESS, [{ kind: 'lost' }]), {
      address: ADDRESS,
      sent: 1,
      received: 0,
      errors: [],
    });
  });

  it('counts equal errors together', () => {
    const unreachable: EchoResult = {
      kind: 'error',
      error: { kind: 'unreachable', by: '198.18.0.1', reason: 'no route to the network' },
    };
    const report = reportOf(ADDRESS, [unreachable, reply(1), unreachable, { kind: 'lost' }]);
    assert.deepEqual([report.sent, report.received], [4, 1]);
    assert.deepEqual(report.errors, [{ error: unreachable.error, count: 2 }]);
  });
});

describe('the text of ICMP errors', () => {
  const answer = (type: number, code: number, mtu = 0): EchoAnswer => ({
    kind: 'error',
    from: '198.18.0.1',
    to: ADDRESS,
    sequence: 1,
    bytes: 28,
    timeUs: 0,
    hasToken: true,
    type,
    code,
    mtu,
  });
  for (const [family, type, code, mtu, text] of [
    [4, 3, 0, 0, '198.18.0.1 says: no route to the network'],
    [4, 3, 1, 0, '198.18.0.1 says: the host does not answer ARP'],
    [4, 3, 4, 1400, '198.18.0.1 says: too large, the limit is 1400 bytes'],
    [4, 3, 4, 0, '198.18.0.1 says: too large'],
    [4, 3, 99, 0, '198.18.0.1 says: ICMP type 3, code 99'],
    [4, 11, 0, 0, '198.18.0.1 says: time exceeded, packets may go in a circle'],
    [6, 2, 0, 1400, '198.18.0.1 says: too large, the limit is 1400 bytes'],
    [6, 1, 4, 0, '198.18.0.1 says: port unreachable'],
    [6, 3, 0, 0, '198.18.0.1 says: time exceeded, packets may go in a circle'],
  ] as const)
    it(`IPv${family}, type ${type}, code ${code}: ${text}`, () => {
      assert.equal(formatEchoError(describeEchoError(answer(type, code, mtu), family)), text);
    });

  it('names the MTU of the device for an error of this host', () => {
    assert.equal(
      formatEchoError({ kind: 'too-big', mtu: 1450 }),
      'larger than the MTU of the device, the limit is 1450 bytes',
    );
  });
});
