import assert from 'node:assert/strict';
import { receivedGbit } from './probe.ts';

describe('a report of iperf3', () => {
  it('has what the receiver counted', () => {
    assert.equal(receivedGbit('{"end":{"sum_received":{"bits_per_second":2500000000}}}'), 2.5);
  });

  const without: readonly (readonly [report: string, reason: RegExp])[] = [
    ['{"end":{},"error":"control socket has closed unexpectedly"}', /nothing: control socket has closed/],
    ['{"error":"the server has terminated"}', /nothing: the server has terminated/],
    ['{"end":{"sum_sent":{}}}', /its report has no result/],
  ];
  for (const [report, reason] of without)
    it(`without a result names the reason: ${report}`, () =>
      assert.throws(() => receivedGbit(report), reason));
});
