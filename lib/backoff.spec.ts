import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Backoff, NO_RETRY, afterFailure, backoffDelayMs, expedite } from './backoff.ts';

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

describe('backoffDelayMs', () => {
  const bounds = { baseMs: 100, capMs: 500 };

  const CASES: readonly (readonly [number, number, number])[] = [
    [0, 0.5, 50],
    [1, 0.5, 100],
    [2, 0.999, 400],
    [10, 0.5, 250],
    [5000, 0.5, 250],
    [3, 0, 1],
  ];
  for (const [failures, jitter, expected] of CASES)
    it(`is ${expected} ms after ${failures} failures at a jitter of ${jitter}`, () =>
      assert.equal(backoffDelayMs(bounds, failures, jitter), expected));
});

describe('Retry', () => {
  const bounds = { baseMs: 100, capMs: 500 };
  const now = { ms: 1000, jitter: 0.5 };

  it('is due at once before the first failure', () => assert.ok(NO_RETRY.dueMs <= 0));

  it('is due later after each failure', () => {
    const once = afterFailure(NO_RETRY, bounds, now);
    assert.deepEqual(once, { failures: 1, dueMs: 1050 });
    assert.deepEqual(afterFailure(once, bounds, now), { failures: 2, dueMs: 1100 });
  });

  it('moves forward, never back', () => {
    const retry = { failures: 1, dueMs: 1050 };
    assert.deepEqual(expedite(retry, 1020), { failures: 1, dueMs: 1020 });
    assert.equal(expedite(retry, 2000), retry);
  });
});
