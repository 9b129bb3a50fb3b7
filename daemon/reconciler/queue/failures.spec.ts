import assert from 'node:assert/strict';
import { Failures, retryDelayMs, type Rejection } from './failures.ts';

const REJECTION: Rejection = {
  object: { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' },
  errno: 'EROFS',
  message: 'EROFS: read-only',
};

describe('the wait after failures', () => {
  for (const [attempts, random, ms] of [
    [1, 0, 500],
    [2, 0, 1000],
    [3, 0, 2000],
    [7, 0, 32_000],
    [8, 0, 60_000],
    [1000, 0, 60_000],
    [1, 0.5, 550],
    [3, 1, 2400],
    [8, 1, 72_000],
  ] as const)
    it(`is ${ms} ms after ${attempts} with ${random}`, () =>
      assert.equal(Math.round(retryDelayMs(attempts, () => random)), ms));
});

describe('failures', () => {
  let failures: Failures<'a' | 'b' | 'c'>;
  beforeEach(() => {
    failures = new Failures(() => 0);
    failures.add('a', REJECTION, 10_000);
    failures.add('b', REJECTION, 10_100);
    failures.add('b', REJECTION, 10_200);
  });

  it('count in a row, with the cause and both times', () => {
    assert.deepEqual(failures.get('b'), {
      ...REJECTION,
      attempts: 2,
      failedAtMs: 10_200,
      retryAtMs: 11_200,
    });
    assert.equal(failures.get('c'), undefined);
  });

  for (const [nowMs, due, nextMs] of [
    [10_499, [], 10_500],
    [10_500, ['a'], 11_200],
    [11_199, ['a'], 11_200],
    [11_200, ['a', 'b'], undefined],
  ] as const)
    it(`are due at ${nowMs}: ${due.join(' and ') || 'none'}`, () => {
      assert.deepEqual(failures.due(nowMs), due);
      assert.equal(failures.nextRetryMs(nowMs), nextMs);
      assert.deepEqual(
        (['a', 'b', 'c'] as const).map((name) => failures.isWaiting(name, nowMs)),
        [!due.some((name) => name === 'a'), !due.some((name) => name === 'b'), false],
      );
    });

  it('begin at one after a success', () => {
    assert.deepEqual([failures.delete('b'), failures.delete('b')], [true, false]);
    assert.equal(failures.add('b', REJECTION, 20_000).attempts, 1);
  });

  for (const [leastMs, due] of [
    [0, ['a', 'b']],
    [100, ['a', 'b']],
    [101, ['a']],
    [300, ['a']],
    [301, []],
  ] as const)
    it(`of at least ${leastMs} ms are tried at once: ${due.join(' and ') || 'none'}`, () => {
      failures.retryNow(10_300, leastMs);
      assert.deepEqual(failures.due(10_300), due);
      assert.deepEqual([failures.get('a')?.attempts, failures.get('b')?.attempts], [1, 2]);
    });

  it('that are due already stay as they are', () => {
    failures.retryNow(50_000, 0);
    assert.deepEqual([failures.get('a')?.retryAtMs, failures.get('b')?.retryAtMs], [10_500, 11_200]);
  });
});
