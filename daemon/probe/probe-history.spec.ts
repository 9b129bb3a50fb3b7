import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import type { EchoResult } from './echo-socket.ts';
import { ProbeHistory } from './probe-history.ts';
import { reportOf } from './report.ts';

const ADDRESS = '10.5.100.0' as IpAddress;
const LOST: EchoResult = { kind: 'lost' };
const reply = (rttMs: number): EchoResult => ({ kind: 'reply', rttMs });

describe('the history of probes', () => {
  const history = new ProbeHistory();
  const record = (key: string, ...results: EchoResult[]): void =>
    history.record(key, { atMs: 0, report: reportOf(ADDRESS, results) });

  it('is all zeros without probes', () => {
    assert.deepEqual(
      history.summary(() => true),
      { peers: 0, sent: 0, lost: 0, noReply: 0 },
    );
  });

  it('sums the latest probes of the peers that are left', () => {
    record('a', LOST, LOST);
    record('a', reply(1), reply(3));
    record('b', reply(6), LOST);
    record('c', LOST, LOST);
    record('gone', reply(99));
    const expected = { peers: 3, sent: 6, lost: 3, noReply: 1, avgMs: 4, maxMs: 6 };
    assert.deepEqual(
      history.summary((key) => key !== 'gone'),
      expected,
    );
    assert.equal(history.get('gone'), undefined);
    assert.equal(history.get('a')?.report.received, 2);
  });
});
