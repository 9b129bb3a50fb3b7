import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Backoff } from './backoff.ts';

describe('Backoff', () => {
  it('doubles its bound up to the cap and starts again after success', () => {
    const backoff = new Backoff({ baseMs: 100, capMs: 500, random: () => 0.999999 });
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => backoff.nextMs()),
      [100, 200, 400, 500, 500],
    );
    backoff.reset();
    assert.equal(backoff.nextMs(), 100);
  });

  it('spreads over the whole range but never is zero', () => {
    const draws = [0, 0.25, 0.5];
    const backoff = new Backoff({ baseMs: 1000, capMs: 1000, random: () => draws.shift() ?? 0 });
    assert.deepEqual(
      [1, 2, 3].map(() => backoff.nextMs()),
      [1, 250, 500],
    );
  });

  it('stays at the cap however often it fails', () => {
    const backoff = new Backoff({ baseMs: 100, capMs: 500, random: () => 0.999999 });
    for (let round = 0; round < 5000; round++) backoff.nextMs();
    assert.equal(backoff.nextMs(), 500);
  });
});
