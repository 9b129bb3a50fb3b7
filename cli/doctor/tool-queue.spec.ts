import assert from 'node:assert/strict';
import { ToolQueue } from './tool-queue.ts';

describe('the queue of programs', () => {
  it('runs six at a time, in order, and goes on after a failure', async () => {
    const queue = new ToolQueue();
    const started: number[] = [];
    const ends: (() => void)[] = [];
    const results = Array.from({ length: 9 }, (_, index) =>
      queue
        .run(async () => {
          started.push(index);
          await new Promise<void>((resolve) => ends.push(resolve));
          if (index === 0) throw new Error('failed');
          return index;
        })
        .catch(() => -1),
    );
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(started, [0, 1, 2, 3, 4, 5]);
    for (let index = 0; index < 9; index++) {
      ends[index]!();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await Promise.all(results), [-1, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
