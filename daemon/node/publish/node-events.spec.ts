import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { NodeReport } from '../../../allocator/registry/registry.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { EventHub, type NewEvent } from '../../events/event-hub.ts';
import { createLogRateLimit } from '../../log/log-rate-limit.ts';
import { createLogger } from '../../log/log.ts';
import { NodeEvents } from './node-events.ts';

describe('Events on the Node', () => {
  let clock: FakeClock;
  let hub: EventHub;
  let reports: NodeReport[];
  let error: Error | undefined;
  let lines: string[];
  let isConnected: boolean;
  let events: NodeEvents;

  const overlap = (peerKey: string): NewEvent => ({
    topic: 'lease',
    level: 'error',
    code: 'subnet-overlap',
    message: 'Two hosts have one subnet',
    fields: { peerKey },
  });

  beforeEach(() => {
    clock = new FakeClock();
    hub = new EventHub();
    reports = [];
    lines = [];
    error = undefined;
    const report = (one: NodeReport): Promise<void> => {
      if (error !== undefined) return Promise.reject(error);
      reports.push(one);
      return Promise.resolve();
    };
    hub.publish(overlap('before'));
    const log = createLogger({ write: (line) => lines.push(line) });
    const limit = createLogRateLimit();
    isConnected = true;
    events = new NodeEvents({ registry: { report }, hub, isConnected: () => isConnected, clock, log, limit });
  });
  afterEach(() => events.stop());

  it('say what happened, also before this began', async () => {
    hub.publish(overlap('b'));
    await clock.settle();
    assert.deepEqual(reports, [
      { isWarning: true, reason: 'SubnetOverlap', message: 'Two hosts have one subnet (peerKey before)' },
      { isWarning: true, reason: 'SubnetOverlap', message: 'Two hosts have one subnet (peerKey b)' },
    ]);
  });

  it('leave out what is no business of an administrator of the cluster', async () => {
    hub.publish({ topic: 'lease', level: 'info', code: 'lease-put', message: 'A host leased', fields: {} });
    await clock.settle();
    assert.equal(reports.length, 1);
  });

  it('leave out failures while the API server is away', async () => {
    const failure = (text: string): NewEvent => ({
      topic: 'lease',
      level: 'warn',
      code: 'attempt-failed',
      message: 'A registry call failed',
      fields: { error: text },
    });
    isConnected = false;
    hub.publish(failure('refused'));
    await clock.settle();
    isConnected = true;
    hub.publish(failure('the node has no spec.podCIDR'));
    await clock.settle();
    assert.deepEqual(
      reports.map(({ message }) => message),
      [
        'Two hosts have one subnet (peerKey before)',
        'A registry call failed (error the node has no spec.podCIDR)',
      ],
    );
  });

  it('come once in ten minutes for one text', async () => {
    for (let minute = 0; minute < 12; minute++) {
      hub.publish(overlap('b'));
      await clock.advance(60_000);
    }
    assert.equal(reports.length, 3);
  });

  it('are ten in ten minutes at most', async () => {
    for (let peer = 0; peer < 50; peer++) hub.publish(overlap(`node-${peer}`));
    await clock.advance(1000);
    assert.equal(reports.length, 10);
    await clock.advance(600_000);
    hub.publish(overlap('last'));
    await clock.settle();
    assert.equal(reports.length, 11);
  });

  it('wait for an API server that is away, with one line in the log', async () => {
    await clock.settle();
    error = new Error('refused');
    hub.publish(overlap('b'));
    for (let second = 0; second < 50; second++) await clock.advance(1000);
    assert.match(lines.join('\n'), /Cannot report an Event on this node, trying again: refused/);
    assert.equal(lines.length, 1);
    error = undefined;
    await clock.advance(120_000);
    assert.equal(reports.length, 2);
  });
});
