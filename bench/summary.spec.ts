import assert from 'node:assert/strict';
import type { BenchmarkRecord } from './record.ts';
import { formatNumber, formatBenchmark } from './summary.ts';

const BENCHMARK: BenchmarkRecord = {
  benchmark: 'path',
  invalidatedBy: 'it is slower',
  conditions: { seconds: 2, gro: 'off' },
  measures: [
    {
      name: 'tcp',
      unit: 'Gbit/s',
      better: 'more',
      reference: 'kernel',
      subjects: [
        { name: 'kernel', rounds: [10, 20, 10] },
        { name: 'weft', rounds: [9, 22, 12], threshold: { of: 'ratio', atLeast: 0.85 } },
        { name: 'slow', rounds: [1, 2, null], threshold: { of: 'value', atLeast: 8 } },
        { name: 'absent', rounds: [null, null, null], failure: 'no such program' },
      ],
    },
  ],
};

describe('summary', () => {
  const text = formatBenchmark(BENCHMARK).join('\n');

  it('shows median and range, and the ratio to the reference of the same round', () => {
    assert.match(text, /kernel +10\.0 \[10\.0–20\.0\], n=3$/m);
    assert.match(text, /weft +12\.0 \[9\.00–22\.0\], n=3 +×1\.10 \[0\.900–1\.20\]/);
  });

  it('marks a met threshold and a missed one', () => {
    assert.match(text, /weft .* ok \(≥ 0\.850\)$/m);
    assert.match(text, /slow .* MISSED \(≥ 8\.00\)$/m);
  });

  it('shows what failed with its cause, without a value', () => {
    assert.match(text, /absent +FAILED: no such program$/m);
  });

  it('names the conditions, and what would show it to be false', () => {
    assert.match(text, /^path \(seconds 2, gro off\)$/m);
    assert.match(text, /would be false if: it is slower$/m);
  });
});

describe('numbers', () => {
  for (const [value, expected] of [
    [0, '0'],
    [12345.6, '12,346'],
    [99.94, '99.9'],
    [1.0349, '1.03'],
    [0.0512, '0.051'],
    [0.00012, '0.00012'],
  ] as const)
    it(`${value} is ${expected}`, () => assert.equal(formatNumber(value), expected));
});
