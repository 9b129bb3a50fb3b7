import assert from 'node:assert/strict';
import type { RegistryCacheListener } from '../../allocator/registry/cache-listeners.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { createLogger } from '../log/log.ts';
import { readRegistry } from './registry-setup.ts';

describe('the log of a registry that is away', () => {
  it('has each cause: before the first answer, and of every loss after it', async () => {
    const lines: string[] = [];
    const listeners = new Set<RegistryCacheListener>();
    const limit = createLogRateLimit();
    let markReady: () => void = () => undefined;
    const registryCache = {
      subscribe: (listener: RegistryCacheListener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      start: () => undefined,
      ready: new Promise<void>((resolve) => (markReady = resolve)),
    };
    const notify = (isConnected: boolean, ...causes: string[]): void => {
      for (const listener of listeners)
        if (isConnected) listener.onConnection?.(true);
        else for (const cause of causes) listener.onConnection?.(false, new Error(cause));
    };
    const logged = (): string[] => lines.splice(0).map((line) => line.slice(line.indexOf(' ') + 1).trim());

    const reading = readRegistry(registryCache, createLogger({ write: (line) => lines.push(line) }), limit);
    notify(false, 'timed out', 'invalid password', 'timed out');
    assert.deepEqual(logged(), [
      'ERROR Registry unavailable, waiting for it: timed out',
      'ERROR Registry unavailable, waiting for it: invalid password',
    ]);
    markReady();
    await reading;
    assert.notEqual(limit.take('registry-unreachable'), undefined, 'the next loss must be logged');
    for (let loss = 0; loss < 2; loss++) {
      notify(false, 'timed out', 'invalid password', 'timed out', 'invalid password');
      assert.deepEqual(logged(), ['WARN  Registry still unavailable error="invalid password"']);
      notify(true);
    }
    notify(false, ...Array.from({ length: 100 }, (_, index) => `cause ${index}`));
    assert.equal(logged().length, 19);
  });
});
