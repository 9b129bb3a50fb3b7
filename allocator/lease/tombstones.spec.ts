import assert from 'node:assert/strict';
import { toRevision } from '../registry/registry.ts';
import { bury, isBuried, NO_TOMBSTONES, settle, unbury } from './tombstones.ts';

const version = (key: string, revision: number) => ({ key, modRevision: toRevision(revision) });
const [A, B] = [version('a', 5), version('b', 6)];
const BOTH = bury(bury(NO_TOMBSTONES, A), B, toRevision(9));

describe('tombstones', () => {
  it('hold of one version of a key', () => {
    assert.deepEqual(
      [A, B, version('a', 6), version('c', 5)].map((each) => isBuried(BOTH, each)),
      [true, true, false, false],
    );
    assert.equal(isBuried(NO_TOMBSTONES, A), false);
  });

  for (const [what, removed, revision, hasA, hasB] of [
    ['before the removal', [], 8, true, true],
    ['at the removal', [], 9, true, false],
    ['after it', [], 100, true, false],
    ['that saw a key go', ['a'], 8, false, true],
    ['that saw both go', ['a', 'b'], 9, false, false],
    ['that saw another go', ['c'], 8, true, true],
  ] as const)
    it(`are dropped by a cache ${what}: ${!hasA}, ${!hasB}`, () => {
      const settled = settle(BOTH, removed, toRevision(revision));
      assert.deepEqual([isBuried(settled, A), isBuried(settled, B)], [hasA, hasB]);
      assert.equal(settled.removedAt.has('b'), revision < 9);
    });

  it('go with the key that is wanted again', () => {
    assert.deepEqual([isBuried(unbury(BOTH, 'a'), A), isBuried(unbury(BOTH, 'a'), B)], [false, true]);
    assert.equal(unbury(BOTH, 'c'), BOTH);
  });

  it('cost nothing while there are none', () =>
    assert.equal(settle(NO_TOMBSTONES, ['a'], toRevision(1)), NO_TOMBSTONES));
});
