import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Turns } from './turns.ts';

describe('turns', () => {
  /** Begins work by name, which ends on demand. */
  function workshop() {
    const turns = new Turns();
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const take = (name: string, overlap: number): Promise<string> =>
      turns.take(overlap, async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        return name;
      });
    const end = async (name: string): Promise<void> => {
      ends.get(name)!();
      await new Promise(setImmediate);
    };
    return { turns, begun, take, end };
  }

  it('begin in order: two of those that may overlap, any other alone', async () => {
    const { begun, take, end } = workshop();
    const all = [take('a', 2), take('b', 2), take('c', 2), take('alone', 1), take('d', 2)];
    assert.deepEqual(begun, ['a', 'b']);
    await end('b');
    assert.deepEqual(begun, ['a', 'b', 'c']);
    await end('a');
    assert.deepEqual(begun.length, 3, 'one of them is left');
    await end('c');
    assert.deepEqual(begun.slice(3), ['alone']);
    await end('alone');
    await end('d');
    assert.deepEqual(await Promise.all(all), ['a', 'b', 'c', 'alone', 'd']);
  });

  it('go on after work that fails, at once or later', async () => {
    const { turns, begun, take, end } = workshop();
    const failures = [
      turns.take(1, () => {
        throw new Error('at once');
      }),
      turns.take(1, () => Promise.reject(new Error('later'))),
    ];
    const next = take('next', 1);
    await assert.rejects(failures[0]!, /at once/);
    await assert.rejects(failures[1]!, /later/);
    await new Promise(setImmediate);
    assert.deepEqual(begun, ['next']);
    await end('next');
    assert.equal(await next, 'next');
  });
});
