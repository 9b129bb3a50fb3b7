import assert from 'node:assert/strict';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { HostWatcher } from './host-watcher.ts';

describe('the host watcher', () => {
  let clock: FakeClock;
  let reads: number;
  let errors: number;
  let error: Error | undefined;
  let watcher: HostWatcher;

  beforeEach(() => {
    clock = new FakeClock();
    [reads, errors, error] = [0, 0, undefined];
    const read = (): Promise<void> => {
      reads++;
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    };
    watcher = new HostWatcher({ clock, read, onError: () => errors++ });
  });

  afterEach(() => {
    watcher.stop();
    assert.equal(clock.pendingTimers, 0);
  });

  it('reads nothing without a request', async () => {
    await clock.advance(60_000);
    assert.equal(reads, 0);
  });

  it('reads once for a burst of requests', async () => {
    for (let index = 0; index < 5; index++) {
      watcher.request();
      await clock.advance(1);
    }
    await clock.advance(1_000);
    assert.equal(reads, 1);
  });

  it('reads though requests never end', async () => {
    for (let ms = 0; ms < 60; ms++) {
      watcher.request();
      await clock.advance(1);
    }
    assert.ok(reads >= 10 && reads <= 12, `${reads} reads in 60 ms`);
  });

  it('reads nothing after its end, whatever the last read becomes', async () => {
    error = new Error('no answer');
    watcher.request();
    await clock.advance(10);
    watcher.stop();
    watcher.request();
    await clock.advance(60_000);
    assert.deepEqual([reads, errors], [1, 1]);
  });

  it('reads again after a failure, and not earlier for further requests', async () => {
    error = new Error('no answer');
    watcher.request();
    await clock.advance(10);
    watcher.request();
    await clock.advance(900);
    assert.deepEqual([reads, errors], [1, 1]);
    error = undefined;
    await clock.advance(200);
    assert.deepEqual([reads, errors], [2, 1]);
    await clock.advance(60_000);
    assert.equal(reads, 2);
  });
});
