import assert from 'node:assert/strict';
import { FakeClock } from '../test/support/fake-clock.ts';
import { ControlLoop } from './control-loop.ts';

describe('ControlLoop', () => {
  let clock: FakeClock;
  let steps: number;
  let loop: ControlLoop;

  beforeEach(() => (clock = new FakeClock()));

  /** A loop whose n-th step does what `act` says; without deadlines unless given. */
  function start(act: (step: number) => boolean | Promise<boolean>, deadlinesMs?: () => number[]): void {
    steps = 0;
    loop = new ControlLoop({ clock, step: () => act(++steps), ...(deadlinesMs && { deadlinesMs }) });
    loop.start();
  }

  it('steps until a step leaves nothing to do', async () => {
    start((step) => step < 3);
    await clock.settle();
    assert.equal(steps, 3);
    assert.equal(loop.isIdle, true);
  });

  it('does not step on a wake-up before the caller has finished its synchronous work', async () => {
    start(() => false);
    await clock.settle();
    loop.wake();
    assert.equal(steps, 1);
    assert.equal(loop.isIdle, false);
  });

  it('keeps a wake-up that comes during a step', async () => {
    let finish = (): void => {};
    start((step) => (step > 1 ? false : new Promise((resolve) => (finish = () => resolve(false)))));
    await clock.settle();
    loop.wake();
    assert.equal(steps, 1);
    finish();
    await clock.settle();
    assert.equal(steps, 2);
  });

  it('merges several wake-ups into one step', async () => {
    start(() => false);
    await clock.settle();
    for (let count = 0; count < 3; count++) loop.wake();
    await clock.settle();
    assert.equal(steps, 2);
  });

  it('steps at the earliest deadline that lies in the future', async () => {
    const startMs = clock.nowMs();
    start(
      () => false,
      () => [startMs - 5, startMs + 200, startMs + 100, Infinity],
    );
    await clock.settle();
    await clock.advance(99);
    assert.equal(steps, 1);
    await clock.advance(1);
    assert.equal(steps, 2);
  });

  it('steps again for a deadline that falls due during a step', async () => {
    let finish = (): void => {};
    const slow = (step: number): boolean | Promise<boolean> =>
      step > 1 ? false : new Promise((resolve) => (finish = () => resolve(false)));
    start(slow, () => [50]);
    await clock.advance(60);
    finish();
    await clock.advance(1);
    assert.equal(steps, 2);
  });

  it('steps no more once it is stopped, whatever wakes it', async () => {
    const startMs = clock.nowMs();
    start(
      () => false,
      () => [startMs + 100],
    );
    await clock.settle();
    await loop.stop();
    loop.wake();
    await clock.advance(200);
    assert.equal(steps, 1);
  });

  it('waits for the running step when it is stopped', async () => {
    let finish = (): void => {};
    start(() => new Promise((resolve) => (finish = () => resolve(true))));
    await clock.settle();
    let isStopped = false;
    const stopped = loop.stop().then(() => (isStopped = true));
    await clock.settle();
    assert.equal(isStopped, false);
    finish();
    await stopped;
    assert.equal(steps, 1);
  });
});
