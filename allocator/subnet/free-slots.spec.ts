import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { FreeSlots } from './free-slots.ts';
import type { SlotRun } from './free-slots.ts';

const run: fc.Arbitrary<SlotRun> = fc
  .tuple(fc.integer({ min: -5, max: 45 }), fc.integer({ min: -1, max: 6 }))
  .map(([first, length]) => ({ first, last: first + length }));

/** The same by checking every slot. */
function freeSlotsOf(size: number, taken: readonly SlotRun[]): number[] {
  const slots = Array.from({ length: size }, (_, slot) => slot);
  return slots.filter((slot) => !taken.some(({ first, last }) => slot >= first && slot <= last));
}

describe('FreeSlots', () => {
  it('agrees with a check of every slot', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(run, { maxLength: 12 }), (size, taken) => {
        const free = new FreeSlots(size, taken);
        const expected = freeSlotsOf(size, taken);
        assert.equal(free.count, expected.length);
        assert.deepEqual(
          expected.map((_, rank) => free.at(rank)),
          expected,
        );
        for (let slot = 0; slot < size; slot++) {
          assert.equal(free.isFree(slot), expected.includes(slot));
          assert.equal(free.next(slot), expected.find((candidate) => candidate >= slot) ?? expected[0]);
        }
      }),
    );
  });

  it('counts no slot outside', () => {
    const free = new FreeSlots(4, [
      { first: -10, last: 0 },
      { first: 3, last: 99 },
      { first: 7, last: 9 },
    ]);
    assert.equal(free.count, 2);
    assert.equal(free.isFree(-1), false);
    assert.equal(free.isFree(4), false);
  });

  it('stays exact where slots are far too many to list', () => {
    const size = 2 ** 48;
    const free = new FreeSlots(size, [
      { first: 5, last: 5 },
      { first: size - 1, last: size + 7 },
    ]);
    assert.equal(free.count, size - 2);
    assert.equal(free.at(4), 4);
    assert.equal(free.at(5), 6);
    assert.equal(free.at(size - 3), size - 2);
    assert.equal(free.next(size - 1), 0);
  });
});
