import assert from 'node:assert/strict';
import type { Measure } from './record.ts';
import { pValueOfLarger, smallestPValue, median, ratiosOf, shiftOf, valuesOf } from './statistics.ts';

describe('median', () => {
  const cases: readonly (readonly [readonly number[], number])[] = [
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 3, 2], 2.5],
    [[], NaN],
  ];
  for (const [values, expected] of cases)
    it(`of [${values.join(', ')}] is ${expected}`, () => assert.equal(median(values), expected));
});

describe('ratios', () => {
  const measure: Measure = {
    name: 'speed',
    unit: 'Gbit/s',
    better: 'more',
    reference: 'kernel',
    subjects: [
      { name: 'kernel', rounds: [10, 20, null, 0] },
      { name: 'weft', rounds: [5, null, 9, 7] },
    ],
  };
  it('are formed within a round, and rounds without either value give none', () => {
    assert.deepEqual(ratiosOf(measure, measure.subjects[1]!), [0.5]);
    assert.deepEqual(valuesOf(measure.subjects[1]!), [5, 9, 7]);
  });

  it('of the reference to itself are none', () => {
    assert.deepEqual(ratiosOf(measure, measure.subjects[0]!), []);
  });
});

describe('p-value of larger values', () => {
  it('is the share of rankings at least as extreme', () => {
    assert.equal(pValueOfLarger([1, 2, 3], [4, 5, 6]), 1 / 20);
    assert.equal(pValueOfLarger([4, 5, 6], [1, 2, 3]), 1);
    // Of the six placements of two among four, three have a sum of ranks of at least 5.
    assert.equal(pValueOfLarger([1, 4], [2, 3]), 4 / 6);
  });

  it('counts ties as half', () => {
    assert.equal(pValueOfLarger([7, 7], [7, 7]), 1);
    assert.equal(pValueOfLarger([1, 2], [2, 3]), 2 / 6);
  });

  it('is 1 without values', () => {
    assert.equal(pValueOfLarger([], [1]), 1);
    assert.equal(pValueOfLarger([1], []), 1);
  });

  it('reaches its minimum at complete separation', () => {
    assert.equal(pValueOfLarger([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), smallestPValue(5, 5));
    assert.equal(Math.round(1 / smallestPValue(5, 5)), 252);
  });
});

describe('shift', () => {
  it('is the median quotient, which one outlier does not move', () => {
    assert.equal(shiftOf([1, 1, 1], [0.8, 0.8, 50]), 0.8);
  });
});
