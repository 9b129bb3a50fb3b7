import assert from 'node:assert/strict';
import type { DeviceCountersV1 } from '../../api/index.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { NO_COUNTERS } from '../view/device-counters.ts';
import type { NodeView } from '../view/node-view.ts';
import { History } from './history.ts';

describe('history of the last hour', () => {
  let clock: FakeClock;
  let devices: Map<string, DeviceCountersV1>;
  let node: { drift: number; silent: number; rttSum: number; rttCount: number };
  let intervalSec: number;

  beforeEach(() => {
    clock = new FakeClock();
    node = { drift: 0, silent: 0, rttSum: 0, rttCount: 0 };
    intervalSec = 20;
    setBytes(0, 0);
  });

  function setBytes(txBytes: number, rxBytes: number): void {
    devices = new Map([['flannel.1', { ...NO_COUNTERS, txBytes, rxBytes }]]);
  }

  function start(): History {
    const daemon = {
      options: { livenessIntervalSec: intervalSec },
      reconciler: {
        status: () => ({ counters: { drift: { route: node.drift, link: 1 } } }),
        ownership: { devices: ['flannel.1'] },
      },
      liveness: {
        counts: () => ({ reachable: 1, silent: node.silent, 'overlay-broken': 1, unknown: 0 }),
        rtts: () => ({ bounds: [1], cumulative: [0, node.rttCount], sum: node.rttSum }),
      },
    } as unknown as NodeView;
    const history = new History({ clock, daemon, readDevices: () => Promise.resolve(devices) });
    history.start();
    return history;
  }

  it('is empty at first', async () => {
    const history = start();
    await clock.advance(1000);
    assert.deepEqual(history.document().txBytesPerSec, []);
  });

  it('has rates, the mean round trip, silent peers and drift of each half minute', async () => {
    const history = start();
    await clock.advance(1000);
    setBytes(3000, 6000);
    node = { drift: 2, silent: 3, rttSum: 5, rttCount: 10 };
    await clock.advance(30_000);
    await clock.advance(30_000);
    const { stepSec, txBytesPerSec, rxBytesPerSec, rttMs, silentPeers, drift } = history.document();
    assert.deepEqual([stepSec, txBytesPerSec, rxBytesPerSec], [30, [100, 0], [200, 0]]);
    assert.deepEqual(
      [rttMs, silentPeers, drift],
      [
        [0.5, null],
        [4, 4],
        [2, 0],
      ],
    );
  });

  it('knows nothing of a device that was replaced, nor of peers without probes', async () => {
    intervalSec = 0;
    setBytes(100, 100);
    const history = start();
    await clock.advance(1000);
    setBytes(0, 200);
    await clock.advance(30_000);
    const { txBytesPerSec, rttMs, silentPeers } = history.document();
    assert.deepEqual([txBytesPerSec, rttMs, silentPeers], [[null], [null], [null]]);
  });

  it('keeps one hour, and leaves no timer when it is stopped', async () => {
    const history = start();
    for (let step = 0; step <= 130; step++) {
      node.drift += step;
      await clock.advance(30_000);
    }
    const { drift } = history.document();
    assert.deepEqual([drift.length, drift[0], drift.at(-1)], [120, 11, 130]);
    await history.stop();
    assert.equal(clock.pendingTimers, 0);
  });
});
