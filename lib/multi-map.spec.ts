import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { MultiMap } from './multi-map.ts';

describe('MultiMap', () => {
  it('has what a map of sets has', () => {
    const change = fc.record({ isAdded: fc.boolean(), key: fc.nat(2), value: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const map = new MultiMap<number, number>();
        const model = new Map<number, Set<number>>([0, 1, 2].map((key) => [key, new Set()]));
        for (const { isAdded, key, value } of changes) {
          if (isAdded) map.add(key, value);
          else map.delete(key, value);
          if (isAdded) model.get(key)!.add(value);
          else model.get(key)!.delete(value);
          for (const [each, values] of model) {
            assert.deepEqual(map.get(each), [...values]);
            assert.equal(map.has(each), values.size > 0);
          }
        }
      }),
    );
  });
});
