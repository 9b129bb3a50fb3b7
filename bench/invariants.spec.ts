import assert from 'node:assert/strict';
import { violations, type RankingInvariant } from './invariants.ts';
import { PLANS } from './plans.ts';
import type { BenchmarkRecord } from './record.ts';

const INVARIANT: RankingInvariant = {
  benchmark: 'path',
  measure: 'tcp',
  ahead: 'weft',
  behind: 'competitor',
};

function records(weft: readonly (number | null)[], competitor: readonly number[]): BenchmarkRecord[] {
  const subjects = [
    { name: 'weft', rounds: weft },
    { name: 'competitor', rounds: competitor },
  ];
  const measures = [{ name: 'tcp', unit: 'Gbit/s', better: 'more' as const, subjects }];
  return [{ benchmark: 'path', invalidatedBy: 'never', conditions: {}, measures }];
}

describe('ranking invariants of a run', () => {
  it('hold by the medians of the rounds', () => {
    assert.deepEqual(violations([INVARIANT], records([5, 1, 5], [2, 2, 2])), []);
  });

  it('report both values when violated', () => {
    assert.deepEqual(violations([INVARIANT], records([1], [2])), [
      'path tcp: weft (1) is not ahead of competitor (2)',
    ]);
  });

  it('do not hold where nothing was measured', () => {
    assert.equal(violations([INVARIANT], records([null], [2])).length, 1);
    assert.equal(violations([INVARIANT], []).length, 1);
  });

  it('of plans are about benchmarks and subjects that the plans measure', () => {
    for (const { jobs, invariants = [] } of Object.values(PLANS))
      for (const { benchmark, measure, ahead, behind } of invariants) {
        const args = jobs.find((job) => job.benchmark === benchmark)?.args.join(' ') ?? '';
        for (const name of [...measure.split(', '), ahead, behind])
          assert.ok(args.includes(name), `${name} in ${args}`);
      }
  });
});
