import assert from 'node:assert/strict';
import { pauseMs, waitFor } from './wait.ts';

describe('the pause between two polls', () => {
  for (const [what, intervalMs, pollMs, waitedMs, expected] of [
    ['is the interval at first', 10, 1, 5, 10],
    ['is as long as a poll takes', 10, 30, 30, 30],
    ['grows to a quarter of the time waited', 10, 30, 400, 100],
    ['leaves polls at most a tenth of a processor', 10, 30, 10_000, 270],
    ['stays at the interval for polls that cost nothing', 50, 0.1, 10_000, 50],
  ] as const)
    it(what, () => assert.equal(pauseMs({ intervalMs, pollMs, waitedMs }), expected));
});

describe('a wait', () => {
  it('polls once more at its deadline', async () => {
    const startMs = performance.now();
    await waitFor('60 ms', () => performance.now() - startMs >= 60, 60, 50);
  });

  it('names what it waited for, and the last error', async () => {
    const fail = () => Promise.reject(new Error('no such host'));
    await assert.rejects(waitFor('h1', fail, 20), (error: Error) => {
      assert.equal(error.message, 'Waited 20 ms for h1');
      assert.equal((error.cause as Error).message, 'no such host');
      return true;
    });
  });
});
