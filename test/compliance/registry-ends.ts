// The part of Registry's compliance suite that is about aborting calls and closing clients.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { NO_LEASE, toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import type { Registry, RegistryError } from '../../allocator/registry/registry.ts';
import { recordWatch } from '../support/watch-recorder.ts';
import { rejectsWith } from './registry-fixture.ts';
import type { RegistryFixture } from './registry-fixture.ts';

/** Declares the tests. `fixture` returns the store of the running test. */
export function describeEnds(fixture: () => RegistryFixture): void {
  describe('signal and close', () => {
    let store: RegistryFixture;
    let registry: Registry;

    beforeEach(() => {
      store = fixture();
      registry = store.registry;
    });

    const calls: readonly (readonly [string, (signal?: AbortSignal) => Promise<unknown>])[] = [
      ['snapshot', (signal) => registry.snapshot(signal)],
      ['grant', (signal) => registry.grant(60, signal)],
      ['create', (signal) => registry.create({ keys: ['a'], value: 'v', leaseId: NO_LEASE }, signal)],
      [
        'update',
        (signal) => registry.update({ key: 'a', value: 'v', leaseId: NO_LEASE }, toRevision(1), signal),
      ],
      ['remove', (signal) => registry.remove('a', toRevision(1), signal)],
      ['keepAlive', (signal) => registry.keepAlive(toLeaseId('1'), signal)],
      ['revoke', (signal) => registry.revoke(toLeaseId('1'), signal)],
    ];

    for (const [method, call] of calls) {
      it(`${method} rejects with the reason of an aborted signal`, async () => {
        const reason = new Error('stop it');
        await assert.rejects(call(AbortSignal.abort(reason)), reason);
        assert.deepEqual((await registry.snapshot()).entries, []);
      });

      it(`${method} after close is refused for good`, async () => {
        registry.close();
        await rejectsWith('REGISTRY_REJECTED', call());
      });
    }

    it('close ends a watch, and twice is once', async () => {
      const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
      await watch.ready;
      registry.close();
      registry.close();
      assert.deepEqual(await watch.ended, { reason: 'aborted' });
    });

    it('close ends the calls that are pending', async () => {
      const settled = Promise.allSettled(calls.map(([, call]) => call()));
      registry.close();
      for (const result of await settled)
        if (result.status === 'rejected')
          assert.equal((result.reason as RegistryError).code, 'REGISTRY_REJECTED');
    });

    it('reconnect ends a watch as lost, and calls work again at once', async () => {
      const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
      await watch.ready;
      registry.reconnect();
      assert.equal((await watch.ended).reason, 'lost');
      assert.deepEqual((await registry.snapshot()).entries, []);
    });

    it('close of one client leaves another alone', async () => {
      const other = store.second();
      await other.grant(60);
      registry.close();
      assert.deepEqual((await other.snapshot()).entries, []);
    });
  });
}
