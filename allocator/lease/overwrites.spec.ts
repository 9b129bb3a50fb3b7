import assert from 'node:assert/strict';
import type { Now } from '../../lib/clock.ts';
import { toRevision } from '../registry/registry.ts';
import { NO_OVERWRITES, recordOverwrite } from './overwrites.ts';

describe('overwrites of the own key', () => {
  const at = (ms: number, jitter: number): Now => ({ ms, jitter });

  // Revision, time, jitter; then the count and how long the answer waits.
  const cases: readonly (readonly [
    name: string,
    steps: readonly (readonly [
      revision: number,
      ms: number,
      jitter: number,
      count: number,
      waitMs: number,
    ])[],
  ])[] = [
    ['are answered at once the first time', [[7, 1_000_000, 0.5, 1, 0]]],
    [
      'are counted once for each revision',
      [
        [7, 1_000_000, 0.5, 1, 0],
        [7, 1_005_000, 0.5, 1, -5000],
        [8, 1_010_000, 1, 2, 2000],
      ],
    ],
    [
      'are answered later and later in a row',
      [
        [1, 1_000_000, 1, 1, 0],
        [2, 1_100_000, 1, 2, 2000],
        [3, 1_200_000, 1, 3, 4000],
        [4, 1_300_000, 1, 4, 8000],
        [5, 1_400_000, 0.5, 5, 8000],
      ],
    ],
    [
      'are independent after a calm time',
      [
        [1, 1_000_000, 1, 1, 0],
        [2, 1_900_000, 1, 2, 2000],
        [3, 2_800_001, 1, 1, 0],
      ],
    ],
  ];
  for (const [name, steps] of cases)
    it(name, () => {
      let overwrites = NO_OVERWRITES;
      for (const [revision, ms, jitter, count, waitMs] of steps) {
        overwrites = recordOverwrite(overwrites, toRevision(revision), at(ms, jitter));
        assert.deepEqual([overwrites.count, overwrites.dueMs - ms], [count, waitMs], `revision ${revision}`);
      }
    });

  it('wait at most five minutes', () => {
    let overwrites = NO_OVERWRITES;
    for (let revision = 1; revision <= 40; revision++)
      overwrites = recordOverwrite(overwrites, toRevision(revision), at(1_000_000, 1));
    assert.equal(overwrites.dueMs, 1_300_000);
  });
});
