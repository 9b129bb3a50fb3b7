import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { createLogRateLimit } from '../../log/log-rate-limit.ts';
import { createLogger } from '../../log/log.ts';
import { NodeCondition } from './node-condition.ts';

describe('NodeCondition', () => {
  let clock: FakeClock;
  let written: string[];
  let failures: number;
  let condition: NodeCondition;

  beforeEach(() => {
    clock = new FakeClock();
    written = [];
    failures = 0;
    condition = new NodeCondition({
      registry: {
        setReady: (isReady, reason) => {
          if (failures-- > 0) return Promise.reject(new Error('denied'));
          written.push(`${isReady} ${reason}`);
          return Promise.resolve();
        },
      },
      clock,
      log: createLogger({ format: 'human', level: 'error', write: () => undefined }),
      limit: createLogRateLimit(),
    });
  });
  afterEach(() => condition.stop());

  it('is written once, whatever changes later', async () => {
    condition.setReady('one');
    await clock.settle();
    condition.setReady('two');
    await clock.settle();
    assert.deepEqual(written, ['true one']);
  });

  it('is tried again until it is written', async () => {
    failures = 2;
    condition.setReady('one');
    await clock.settle();
    assert.deepEqual(written, []);
    await clock.advance(120_000);
    assert.deepEqual(written, ['true one']);
  });

  it('is written again for a node that was made again', async () => {
    condition.setReady('one');
    await clock.settle();
    condition.forget();
    condition.setReady('two');
    await clock.settle();
    assert.deepEqual(written, ['true one', 'true two']);
  });

  it('is written again for a node that was made again during the write', async () => {
    let answer = (): void => undefined;
    const registry = {
      setReady: (_: boolean, reason: string): Promise<void> => {
        written.push(reason);
        return new Promise((resolve) => (answer = resolve));
      },
    };
    const log = createLogger({ level: 'error', write: () => undefined });
    const busy = new NodeCondition({ registry, clock, log, limit: createLogRateLimit() });
    busy.setReady('same');
    await clock.settle();
    busy.forget();
    busy.setReady('same');
    answer();
    await clock.settle();
    assert.deepEqual(written, ['same', 'same']);
    busy.stop();
  });
});
