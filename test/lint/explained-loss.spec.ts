import assert from 'node:assert/strict';
import { explainedLoss } from '../support/path/explained-loss.ts';

describe('the loss that drops explain', () => {
  const none = { sends: 0, batches: 0, overflow: 0 };
  for (const [what, drops, traffic, expected] of [
    ['nothing', none, { segments: 32, gro: true }, 0],
    ['a send with all its segments', { ...none, sends: 1 }, { segments: 32 }, 32],
    ['a batch of the path, which joins several sends', { ...none, batches: 1 }, { segments: 32 }, 64],
    ['a batch of single sends', { ...none, batches: 1 }, {}, 64],
    ['single datagrams at a socket without GRO', { ...none, overflow: 2 }, { segments: 32 }, 2],
    ['joined datagrams at a socket with GRO', { ...none, overflow: 2 }, { segments: 32, gro: true }, 128],
  ] as const)
    it(`is that of ${what}`, () => assert.equal(explainedLoss(drops, traffic), expected));
});
