import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { TurnMeter } from './turn-meter.ts';
import { eachInSlices, SliceQueue } from './slices.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('eachInSlices', () => {
  it('does all items in order, at most a slice of them a turn', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(200), fc.integer({ min: 1, max: 50 }), async (count, size) => {
        const items = Array.from({ length: count }, (_, index) => index);
        const done: number[] = [];
        const meter = new TurnMeter();
        await eachInSlices(items, size, (item) => {
          meter.count(1);
          done.push(item);
        });
        assert.deepEqual(done, items);
        assert.ok(meter.most <= size, `${meter.most} of ${size}`);
      }),
    ));

  it('does few items before the caller goes on', () => {
    const done: number[] = [];
    void eachInSlices([1, 2, 3], 3, (item) => done.push(item));
    assert.deepEqual(done, [1, 2, 3]);
  });

  it('ends with what the work throws', async () => {
    const done: number[] = [];
    const work = (item: number): void => {
      if (item === 3) throw new Error('three');
      done.push(item);
    };
    await assert.rejects(eachInSlices([1, 2, 3, 4], 1, work), /three/);
    assert.deepEqual(done, [1, 2]);
  });
});

describe('SliceQueue', () => {
  it('does a slice at once, the rest in later turns, and says when it is empty', async () => {
    const slices: (readonly number[])[] = [];
    let drained = 0;
    const queue = new SliceQueue<number>({
      size: 2,
      work: (keys) => slices.push(keys),
      onDrained: () => drained++,
    });
    queue.add([1, 2, 3, 4, 5]);
    assert.deepEqual(slices, [[1, 2]]);
    assert.equal(queue.isEmpty, false);
    assert.equal(queue.size, 3);
    await turn();
    await turn();
    assert.deepEqual(slices, [[1, 2], [3, 4], [5]]);
    assert.deepEqual([queue.isEmpty, drained], [true, 1]);
  });

  it('does urgent keys first, and a key that waits already once', async () => {
    const done: number[] = [];
    const queue = new SliceQueue<number>({ size: 1, work: (keys) => done.push(...keys) });
    queue.add([1, 2, 3]);
    queue.add([3, 4], [4]);
    await turn();
    assert.deepEqual(done, [1, 4]);
    for (let index = 0; index < 3; index++) await turn();
    assert.deepEqual(done, [1, 4, 2, 3]);
  });

  it('does keys that the work adds, in the same turn if they fit', async () => {
    const done: number[] = [];
    const queue: SliceQueue<number> = new SliceQueue({
      size: 3,
      work: (keys) => {
        done.push(...keys);
        if (keys.includes(1)) queue.add([7, 8, 9]);
      },
    });
    queue.add([1]);
    assert.deepEqual(done, [1, 7, 8]);
    await turn();
    assert.deepEqual(done, [1, 7, 8, 9]);
  });

  it('does nothing more once stopped', async () => {
    const done: number[] = [];
    const queue = new SliceQueue<number>({ size: 1, work: (keys) => done.push(...keys) });
    queue.add([1, 2]);
    queue.stop();
    queue.add([3]);
    await turn();
    assert.deepEqual(done, [1]);
  });

  it('ends as if all had been done at once, whatever changes between slices, and keeps to its bound', () => {
    const change = fc.record({
      keys: fc.array(fc.nat(30), { maxLength: 40 }),
      value: fc.nat(),
      isUrgent: fc.boolean(),
      turns: fc.nat(2),
    });
    return fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 12 }),
        fc.integer({ min: 1, max: 8 }),
        async (changes, size) => {
          const state = new Map<number, number>();
          const seen = new Map<number, number | undefined>();
          const meter = new TurnMeter();
          const queue = new SliceQueue<number>({
            size,
            work: (keys) => {
              assert.ok(keys.length > 0 && keys.length <= size);
              for (const key of keys) seen.set(key, state.get(key));
            },
          });
          for (const { keys, value, isUrgent, turns } of changes) {
            for (const key of keys) state.set(key, value);
            queue.add(keys, isUrgent ? keys : []);
            for (let index = 0; index < turns; index++) await turn();
          }
          while (!queue.isEmpty) await turn();
          assert.deepEqual([...seen].sort(byKey), [...state].sort(byKey));
          assert.ok(meter.most <= size);
        },
      ),
    );
  });
});

const byKey = (a: readonly [number, unknown], b: readonly [number, unknown]): number => a[0] - b[0];
