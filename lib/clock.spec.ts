import assert from 'node:assert/strict';
import { FakeClock } from '../test/support/fake-clock.ts';
import { delay, systemClock } from './clock.ts';

describe('systemClock', () => {
  it('never goes back', () => {
    const before = systemClock.nowMs();
    assert.ok(systemClock.nowMs() >= before);
  });

  it('fires a timer once, and not if it is cancelled', async () => {
    let fired = 0;
    const cancel = systemClock.setTimer(0, () => (fired += 100));
    cancel();
    await new Promise<void>((resolve) => systemClock.setTimer(1, () => resolve(void fired++)));
    assert.equal(fired, 1);
  });

  it('does not fire a timer at once that is longer than Node allows', async () => {
    let isFired = false;
    const cancel = systemClock.setTimer(2 ** 40, () => (isFired = true));
    await new Promise((resolve) => setImmediate(resolve));
    cancel();
    assert.equal(isFired, false);
  });
});

describe('delay', () => {
  let clock: FakeClock;
  beforeEach(() => (clock = new FakeClock()));

  it('resolves after its time', async () => {
    let isOver = false;
    void delay(clock, 100).then(() => (isOver = true));
    await clock.advance(99);
    assert.equal(isOver, false);
    await clock.advance(1);
    assert.equal(isOver, true);
  });

  it('rejects with the reason as soon as the signal aborts, and leaves no timer', async () => {
    const controller = new AbortController();
    const delayed = delay(clock, 100, controller.signal);
    controller.abort(new Error('stopped'));
    await assert.rejects(delayed, /stopped/);
    assert.equal(clock.pendingTimers, 0);
  });

  it('rejects at once if the signal is aborted already', async () => {
    await assert.rejects(delay(clock, 100, AbortSignal.abort(new Error('stopped'))), /stopped/);
    assert.equal(clock.pendingTimers, 0);
  });
});
