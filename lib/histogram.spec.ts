import assert from 'node:assert/strict';
import { Histogram } from './histogram.ts';

describe('histogram', () => {
  it('counts each value in its bucket and in all larger ones', () => {
    const histogram = new Histogram([1, 10]);
    for (const value of [0.5, 1, 1.5, 10, 11]) histogram.observe(value);
    assert.deepEqual(histogram.snapshot(), { bounds: [1, 10], cumulative: [2, 4, 5], sum: 24 });
  });

  it('is zero before the first value', () =>
    assert.deepEqual(new Histogram([1]).snapshot(), { bounds: [1], cumulative: [0, 0], sum: 0 }));
});
