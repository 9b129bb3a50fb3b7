import assert from 'node:assert/strict';
import { RateLimiter } from './rate-limiter.ts';

const OPTIONS = { freeCount: 3, windowMs: 600, firstMs: 7, capMs: 40 };

describe('the rate limiter', () => {
  let limiter: RateLimiter<'x' | 'y'>;
  beforeEach(() => (limiter = new RateLimiter(OPTIONS)));
  const record = (times: number, nowMs: number): readonly number[] =>
    Array.from({ length: times }, () => limiter.record('x', nowMs));

  it('costs no wait for a burst, then twice as long each time up to a bound', () => {
    assert.deepEqual(record(8, 1000), [0, 0, 0, 7, 14, 28, 40, 40]);
  });

  for (const [afterMs, wait] of [
    [0, 7],
    [1, 7],
    [199, 7],
    [200, 0],
    [600, 0],
  ] as const)
    it(`waits ${wait} ms for one more than the burst after ${afterMs} ms`, () => {
      record(3, 1000);
      assert.deepEqual(record(1, 1000 + afterMs), [wait]);
    });

  it('drains as many in a window as it lets through at once', () => {
    record(5, 1000);
    assert.deepEqual(
      [1000, 1399, 1400].map((nowMs) => limiter.isLimited('x', nowMs)),
      [true, true, false],
    );
    assert.deepEqual(record(4, 10_000), [0, 0, 0, 7]);
  });

  it('counts each key for itself', () => {
    record(9, 1000);
    assert.deepEqual([limiter.isLimited('x', 1000), limiter.isLimited('y', 1000)], [true, false]);
    assert.equal(limiter.record('y', 1000), 0);
  });

  it('forgets what is drained, and only that', () => {
    record(4, 1000);
    limiter.prune(1100);
    assert.equal(limiter.isLimited('x', 1100), true);
    limiter.prune(1800);
    assert.deepEqual(record(4, 1800), [0, 0, 0, 7]);
  });
});
