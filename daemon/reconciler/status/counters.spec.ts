import assert from 'node:assert/strict';
import type { KernelObject } from '../../../backends/kernel-state.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { Counters } from './counters.ts';

const outcome = (kind: StepOutcome['kind'], objectKind: string, action: string): StepOutcome =>
  ({ kind, step: { action, object: { kind: objectKind } } }) as unknown as StepOutcome;

describe('the counters of the reconciler', () => {
  it('add the durations of runs in milliseconds', () => {
    const counters = new Counters();
    assert.deepEqual(
      [counters.snapshot().lastRunMs, counters.snapshot().lastDurationMs],
      [undefined, undefined],
    );
    counters.onRun(1000, 1007);
    counters.onRun(2000, 2030);
    const { runs, busyMs, lastRunMs, lastDurationMs } = counters.snapshot();
    assert.deepEqual(
      { runs, busyMs, lastRunMs, lastDurationMs },
      { runs: 2, busyMs: 37, lastRunMs: 2030, lastDurationMs: 30 },
    );
  });

  it('count acknowledged steps by kind and action, and the others as failures', () => {
    const counters = new Counters();
    for (let index = 0; index < 3; index++) counters.onOutcome(outcome('applied', 'route', 'set'));
    counters.onOutcome(outcome('applied', 'route', 'remove'));
    counters.onOutcome(outcome('applied', 'fdb', 'remove'));
    for (const kind of ['failed', 'failed-too', 'unanswered', 'link-replaced'] as const)
      counters.onOutcome(outcome(kind, 'link', 'set'));
    for (const kind of ['setting-rejected', 'device-missing'] as const)
      counters.onOutcome(outcome(kind, 'sysctl', 'set'));
    const { steps, failures } = counters.snapshot();
    assert.deepEqual(
      [steps.route, steps.fdb, steps.link, steps.sysctl, failures],
      [{ set: 3, remove: 1 }, { set: 0, remove: 1 }, { set: 0, remove: 0 }, { set: 0, remove: 0 }, 4],
    );
  });

  it('count drift, resyncs and overruns, each by its name', () => {
    const counters = new Counters();
    const before = counters.snapshot();
    counters.onDrift({ kind: 'route' } as KernelObject);
    counters.onDrift({ kind: 'route' } as KernelObject);
    counters.onDrift({ kind: 'link' } as KernelObject);
    counters.onResync('timer');
    counters.onOverrun();
    counters.onOverrun();
    const { drift, resyncs, overruns } = counters.snapshot();
    assert.deepEqual(
      [drift.route, drift.link, drift.fdb, resyncs.timer, resyncs.start, overruns],
      [2, 1, 0, 1, 0, 2],
    );
    // A copy stays as it is.
    assert.deepEqual([before.drift.route, before.overruns], [0, 0]);
    assert.deepEqual(Object.keys(resyncs).length, 8);
    assert.deepEqual(Object.keys(drift).length, 15);
  });
});
