import assert from 'node:assert/strict';
import { findCycles } from './support/import-cycles.ts';

describe('findCycles', () => {
  it('finds no circle in a tree', () => {
    assert.deepEqual(
      findCycles([
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'c'],
      ]),
      [],
    );
  });

  it('finds two circles beside each other', () => {
    const cycles = findCycles([
      ['a', 'b'],
      ['b', 'a'],
      ['b', 'c'],
      ['c', 'd'],
      ['d', 'e'],
      ['e', 'c'],
    ]);
    assert.deepEqual(cycles, [
      ['c', 'd', 'e'],
      ['a', 'b'],
    ]);
  });

  it('finds a file that imports itself', () => {
    assert.deepEqual(findCycles([['a', 'a']]), [['a']]);
  });
});
