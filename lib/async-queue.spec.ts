import assert from 'node:assert/strict';
import { AsyncQueue } from './async-queue.ts';

async function readAll(queue: AsyncQueue<number>): Promise<number[]> {
  const lines: number[] = [];
  for await (const line of queue) lines.push(line);
  return lines;
}

describe('AsyncQueue', () => {
  it('delivers lines in their order, earlier and later ones', async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1);
    queue.push(2);
    const reading = readAll(queue);
    await new Promise((resolve) => setImmediate(resolve));
    queue.push(3);
    queue.end();
    assert.deepEqual(await reading, [1, 2, 3]);
  });

  it('is empty if it ends at once', async () => {
    const queue = new AsyncQueue<number>();
    queue.end();
    assert.deepEqual(await readAll(queue), []);
  });

  it('fails behind the lines that were there', async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1);
    queue.fail(new Error('no more'));
    const lines = queue[Symbol.asyncIterator]();
    assert.deepEqual(await lines.next(), { done: false, value: 1 });
    await assert.rejects(lines.next(), /no more/);
  });
});
