import assert from 'node:assert/strict';
import { costsOf, parseBusySeconds } from './path-cost.ts';

describe('cost of packets', () => {
  it('counts what processors worked, not what they waited', () => {
    const stat = 'cpu  100 20 300 9999 50 6 74 888 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n';
    assert.equal(parseBusySeconds(stat), 5);
  });

  it('is busy time through bits that arrived, for goodput alone', () => {
    const readings = [
      { metric: 'tcp', unit: 'Gbit/s', value: 10 },
      { metric: 'ping', unit: 'µs', value: 80 },
    ] as const;
    assert.deepEqual(costsOf(readings, 3, 2), [{ metric: 'tcp CPU', unit: 's/Gbit', value: 0.15 }]);
  });
});
