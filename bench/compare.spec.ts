import assert from 'node:assert/strict';
import { formatComparison, hasFailed } from './compare-text.ts';
import { compareRecords, type ComparisonResult } from './compare.ts';
import { measuresOf, type Metric } from './metrics.ts';
import type { BenchRecord, Measure } from './record.ts';

const OPTIONS = { alpha: 0.01, tolerance: 0.1 };
const KERNEL = [100, 120, 90, 110, 105];

interface Odds {
  readonly better?: Measure['better'];
  readonly conditions?: Readonly<Record<string, string | number>>;
  readonly node?: string;
  readonly kernel?: readonly number[];
}

/** A record in which weft's value is `ratios` times the kernel's, round by round. */
function record(ratios: readonly number[], odds: Odds = {}): BenchRecord {
  const { better = 'more', conditions = { seconds: 1 }, node = 'v20.19.0', kernel = KERNEL } = odds;
  const machine = { cpu: 'A', cores: 2, memoryGiB: 4, kernel: '6.18', node, virtualisation: 'none', load: 1 };
  const subjects = [
    { name: 'kernel', rounds: kernel },
    { name: 'weft', rounds: ratios.map((ratio, round) => ratio * kernel[round]!) },
  ];
  const measures: Measure[] = [{ name: 'speed', unit: 'kpps', better, reference: 'kernel', subjects }];
  const benchmarks = [{ benchmark: 'path', invalidatedBy: 'never', conditions, measures }];
  return { version: 2, takenAt: '2026-01-01T00:00:00.000Z', machine, benchmarks };
}

const STEADY = [1, 1.02, 0.98, 1.01, 0.99];

function result(before: BenchRecord, after: BenchRecord): ComparisonResult {
  return compareRecords(before, after, OPTIONS)[0]!.result;
}

describe('comparison', () => {
  const times = (factor: number) => STEADY.map((ratio) => ratio * factor);

  it('calls a loss beyond noise worse, and a gain better', () => {
    assert.equal(result(record(STEADY), record(times(0.8))), 'worse');
    assert.equal(result(record(STEADY), record(times(1.3))), 'better');
  });

  it('respects measures of which less is better', () => {
    assert.equal(result(record(STEADY, { better: 'less' }), record(times(1.3), { better: 'less' })), 'worse');
    assert.equal(
      result(record(STEADY, { better: 'less' }), record(times(0.7), { better: 'less' })),
      'better',
    );
  });

  it('compares ratios alone: a machine at half its speed changes nothing', () => {
    const slow = record(STEADY, { kernel: KERNEL.map((value) => value / 2) });
    assert.equal(result(record(STEADY), slow), 'same');
  });

  it('takes a difference within the range of rounds for noise', () => {
    assert.equal(result(record([0.5, 1.5, 1, 0.7, 1.3]), record([0.4, 1.3, 0.8, 0.6, 1.1])), 'same');
  });

  it('takes a difference within the tolerance for one between runs', () => {
    assert.equal(result(record(STEADY), record(times(0.93))), 'same');
  });

  it('reports too few rounds instead of a difference', () => {
    assert.equal(result(record(STEADY.slice(0, 3)), record([0.1, 0.1, 0.1])), 'few');
  });

  it('ignores competitors', () => {
    const [benchmark] = record(STEADY).benchmarks;
    const [measure] = benchmark!.measures;
    const subjects = measure!.subjects.map((subject) => ({ ...subject, isCompetitor: true as const }));
    const before = {
      ...record(STEADY),
      benchmarks: [{ ...benchmark!, measures: [{ ...measure!, subjects }] }],
    };
    assert.throws(() => compareRecords(before, record(times(0.5)), OPTIONS), /nothing in common/);
  });

  describe('of what has no reference', () => {
    /** A benchmark with one metric, as `runs` are. */
    function metrics(runs: readonly number[], more: Partial<Metric> = {}): BenchRecord {
      const measures = measuresOf([{ name: 'cost', unit: 'ms', runs, ...more }]);
      return {
        ...record([]),
        benchmarks: [{ benchmark: 'control', invalidatedBy: 'never', conditions: {}, measures }],
      };
    }
    const resultOf = (before: readonly number[], after: readonly number[], more?: Partial<Metric>) =>
      result(metrics(before, more), metrics(after, more));

    it('takes half as much more for a difference between runs', () => {
      assert.equal(resultOf(times(100), times(140)), 'same');
      assert.equal(resultOf(times(100), times(160)), 'worse');
      assert.equal(resultOf(times(100), times(60)), 'better');
    });

    it('takes twice as much for noise where rounds are few, and no more', () => {
      assert.equal(resultOf([100], [195]), 'same');
      assert.equal(resultOf([100], [210]), 'worse');
    });

    it('compares one round of a count, from zero as well', () => {
      assert.equal(resultOf([4000], [4000], { isExact: true }), 'same');
      assert.equal(resultOf([4000], [6000], { isExact: true }), 'worse');
      assert.equal(resultOf([0], [0], { isExact: true }), 'same');
      assert.equal(resultOf([0], [1], { isExact: true }), 'worse');
      assert.equal(resultOf([1], [0], { isExact: true }), 'better');
    });

    it('respects measures of which more is better, and ignores neutral ones', () => {
      assert.equal(resultOf([100], [20], { better: 'more' }), 'worse');
      assert.throws(() => resultOf([100], [20], { better: 'neither' }), /nothing in common/);
    });

    it('ignores competitors', () => {
      assert.throws(() => resultOf([100], [20], { isCompetitor: true }), /nothing in common/);
    });
  });

  it('fails for what is worse or missing only', () => {
    const failed = (after: BenchRecord) => hasFailed(compareRecords(record(STEADY), after, OPTIONS));
    assert.equal(failed(record(times(0.5))), true);
    assert.equal(failed(record([])), true);
    assert.equal(failed(record(times(2))), false);
    assert.equal(failed(record(STEADY)), false);
  });

  for (const [after, reason] of [
    [
      record(STEADY, { node: 'v24.0.0' }),
      /machine has node v20.19.0 in the first run and v24.0.0 in the second/,
    ],
    [
      record(STEADY, { conditions: { seconds: 2 } }),
      /Benchmark path has seconds 1 in the first run and 2 in/,
    ],
    [record(STEADY, { conditions: { seconds: 1, mtu: 9000 } }), /mtu undefined in the first run and 9000/],
    [{ ...record(STEADY), benchmarks: [] }, /nothing in common/],
  ] as const)
    it(`rejects runs that differ: ${reason.source.slice(0, 30)}`, () => {
      assert.throws(() => compareRecords(record(STEADY), after, OPTIONS), { message: reason });
    });

  it('prints both medians, the difference and the result', () => {
    const text = formatComparison(compareRecords(record(STEADY), record(times(0.5)), OPTIONS), OPTIONS);
    assert.match(text, /path speed: weft {2}×1\.00 \[0\.980–1\.02\] to ×0\.500 .*−50\.0 %, p 0\.004 +WORSE/);
    assert.match(text, /1 compared: 1 worse, 0 better, 0 the same/);
  });
});
