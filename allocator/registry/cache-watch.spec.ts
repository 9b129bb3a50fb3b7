// Why a watch of the cache ends, and what it passes on until then.
import assert from 'node:assert/strict';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { CacheWatch, resyncPeriodMs, type WatchOutcome } from './cache-watch.ts';
import { toRevision, type RegistryEvent, type WatchEnd, type WatchOptions } from './registry.ts';

const EVENT: RegistryEvent = { type: 'delete', key: '10.5.7.0-24' };
const PERIOD_MS = 7000;

describe('a watch of the cache', () => {
  let clock: FakeClock;
  let revision: number;
  let given: WatchOptions;
  let endWith: (end: WatchEnd) => void;
  let passed: number[];
  let ready: number;
  let watch: CacheWatch;
  let outcome: WatchOutcome | undefined;

  beforeEach(() => {
    [clock, revision, passed, ready, outcome] = [new FakeClock(), 41, [], 0, undefined];
    watch = new CacheWatch({
      clock,
      periodMs: PERIOD_MS,
      registry: {
        watch: (options) => {
          given = options;
          return new Promise((resolve) => {
            endWith = resolve;
            options.signal.addEventListener('abort', () => resolve({ reason: 'aborted' }));
          });
        },
      },
      revision: () => toRevision(revision),
      onReady: () => ready++,
      onEvents: (events, reached) => passed.push(events.length, reached),
    });
    void watch.run().then((result) => (outcome = result));
  });

  const receive = (reached: number): void => given.onEvents([EVENT], toRevision(reached));

  it('begins after what the cache has', () => {
    assert.equal(given.fromRevision, 42);
    given.onReady?.();
    assert.equal(ready, 1);
  });

  for (const [reached, isPassed] of [
    [42, true],
    [41, true],
    [40, false],
    [1, false],
  ] as const)
    it(`${isPassed ? 'passes events' : 'ends, as the registry was restored,'} at revision ${reached} after 41`, async () => {
      receive(reached);
      await clock.settle();
      assert.deepEqual(passed, isPassed ? [1, reached] : []);
      assert.equal(outcome?.reason, isPassed ? undefined : 'restored');
      assert.equal(given.signal.aborted, !isPassed);
    });

  it('compares with what the cache has by then', async () => {
    receive(43);
    revision = 43;
    receive(42);
    receive(44);
    await clock.settle();
    assert.deepEqual([passed, outcome?.reason], [[1, 43], 'restored']);
  });

  const ENDS: readonly (readonly [reason: WatchOutcome['reason'], end: () => void])[] = [
    ['requested', () => watch.end('requested')],
    ['watch-lost', () => endWith({ reason: 'lost', error: new Error('broken') })],
    ['compacted', () => endWith({ reason: 'compacted' })],
    ['requested', () => endWith({ reason: 'aborted' })],
    ['periodic', () => void clock.advance(PERIOD_MS - 1234)],
  ];
  for (const [reason, end] of ENDS)
    it(`ends as ${reason}, with the time that it took and no timer left`, async () => {
      await clock.advance(1234);
      end();
      await clock.settle();
      assert.deepEqual(
        [outcome?.reason, outcome?.durationMs],
        [reason, reason === 'periodic' ? PERIOD_MS : 1234],
      );
      assert.equal(outcome?.error?.message, reason === 'watch-lost' ? 'broken' : undefined);
      assert.equal(clock.pendingTimers, 0);
    });

  it('does not end before its time', async () => {
    await clock.advance(PERIOD_MS - 1);
    assert.equal(outcome, undefined);
  });

  it('keeps its first reason', async () => {
    watch.end('restored');
    watch.end('periodic');
    endWith({ reason: 'compacted' });
    await clock.settle();
    assert.equal(outcome?.reason, 'restored');
  });
});

describe('the period of comparisons', () => {
  for (const [entries, jitter, ms] of [
    [0, 0, 300_000],
    [1000, 0, 300_000],
    [1000, 1, 240_000],
    [1000, 0.5, 270_000],
    [3000, 0, 900_000],
    [144_000, 0, 43_200_000],
    [10_000_000, 0, 43_200_000],
    [10_000_000, 1, 34_560_000],
  ] as const)
    it(`is ${ms} ms for ${entries} entries and jitter ${jitter}`, () =>
      assert.equal(resyncPeriodMs(300_000, entries, jitter), ms));
});
