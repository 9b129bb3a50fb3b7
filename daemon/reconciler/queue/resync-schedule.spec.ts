import assert from 'node:assert/strict';
import { ResyncSchedule } from './resync-schedule.ts';

describe('the schedule of checks', () => {
  it('has none before the first plan', () => {
    const schedule = new ResyncSchedule(1000, () => 0.5);
    assert.deepEqual([schedule.nextMs, schedule.take(1e12)], [Infinity, undefined]);
  });

  for (const [random, nextMs] of [
    [0, 5900],
    [0.5, 6000],
    [1, 6100],
  ] as const)
    it(`plans the next one at ${nextMs} with ${random}`, () => {
      const schedule = new ResyncSchedule(1000, () => random);
      schedule.plan(5000);
      assert.equal(Math.round(schedule.nextMs), nextMs);
    });

  it('takes one when it is due, and plans the next from then', () => {
    const schedule = new ResyncSchedule(1000, () => 0.5);
    schedule.plan(0);
    assert.deepEqual([schedule.take(999), schedule.take(1500), schedule.nextMs], [undefined, 'resync', 2500]);
  });

  it('reads all more and more seldom, up to one of ten, while that finds nothing', () => {
    const schedule = new ResyncSchedule(1000, () => 0.5);
    schedule.plan(0);
    const gaps: number[] = [];
    for (let checks = 0, since = 0; checks < 60; checks++) {
      since++;
      if (schedule.take((checks + 1) * 1000) !== 'resync') continue;
      gaps.push(since);
      since = 0;
      schedule.onResync(gaps.length === 7);
    }
    assert.deepEqual(gaps, [1, 2, 4, 8, 10, 10, 10, 1, 2, 4, 8]);
  });
});
