// The part of Registry's compliance suite that is about watches.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, it } from 'mocha';
import { NO_LEASE, NO_REVISION, revisionAfter, toRevision } from '../../allocator/registry/registry.ts';
import type { Registry, RegistryEvent } from '../../allocator/registry/registry.ts';
import { recordWatch } from '../support/watch-recorder.ts';
import { UNUSUAL } from './registry-fixture.ts';
import type { RegistryFixture } from './registry-fixture.ts';

/** Declares the tests. `fixture` returns the store of the running test. */
export function describeWatch(fixture: () => RegistryFixture): void {
  describe('watch', () => {
    let store: RegistryFixture;
    let registry: Registry;

    beforeEach(() => {
      store = fixture();
      registry = store.registry;
    });

    const created = async (key: string, value = 'v', leaseId = NO_LEASE): Promise<number> => {
      const result = await registry.create({ keys: [key], value, leaseId });
      assert.equal(result.created, true, `${key} was not free`);
      return result.revision;
    };

    it('reports what happens after it is ready, in order', async () => {
      const from = (await registry.snapshot()).revision + 1;
      const watch = recordWatch(registry, toRevision(from));
      await watch.ready;
      const leaseId = await registry.grant(60);
      const put = await created('a', 'one', leaseId);
      await store.putConfig('{}');
      const update = await registry.update({ key: 'a', value: 'two', leaseId }, toRevision(put));
      await registry.remove('a', update.revision);
      await store.putConfig(undefined);
      await watch.seen(5);
      assert.deepEqual(withoutConfigRevision(watch.events), [
        { type: 'put', entry: { key: 'a', value: 'one', leaseId, modRevision: put } },
        { type: 'config', config: { text: '{}', modRevision: NO_REVISION } },
        { type: 'put', entry: { key: 'a', value: 'two', leaseId, modRevision: update.revision } },
        { type: 'delete', key: 'a' },
        { type: 'config' },
      ]);
      await watch.stop();
    });

    it('brings the reader to a revision that never goes back', async () => {
      const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
      await watch.ready;
      for (const key of ['a', 'b', 'c']) await created(key);
      await watch.seen(3);
      assert.deepEqual(
        [...watch.revisions].sort((a, b) => a - b),
        watch.revisions,
      );
      assert.equal(watch.revisions.at(-1), (await registry.snapshot()).revision);
      await watch.stop();
    });

    it('from a past revision replays what happened since', async () => {
      await created('before');
      const { revision } = await registry.snapshot();
      await created('a', 'one');
      await store.rawDelete('before');
      await store.putConfig('{"Network":"10.6.0.0/16"}');
      const watch = recordWatch(registry, revisionAfter(revision));
      await watch.seen(3);
      assert.deepEqual(
        watch.events.flatMap((event) => (event.type === 'config' ? [] : [keyOf(event)])),
        ['a', 'before'],
      );
      const config = watch.events.find((event) => event.type === 'config')?.config;
      assert.equal(config?.text, '{"Network":"10.6.0.0/16"}');
      await watch.stop();
    });

    it('reports the keys that an expired lease takes along', async () => {
      const leaseId = await registry.grant(60);
      await created('a', 'v', leaseId);
      await created('b', 'v', leaseId);
      const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
      await watch.ready;
      await store.expireLease(leaseId);
      await watch.seen(2);
      assert.deepEqual(watch.events.map(keyOf).sort(), ['a', 'b']);
      assert.ok(watch.events.every((event) => event.type === 'delete'));
      await watch.stop();
    });

    it('reports unusual keys and values unchanged', async () => {
      const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
      await watch.ready;
      for (const { key, value } of UNUSUAL) await store.rawPut(key, value);
      await watch.seen(UNUSUAL.length);
      assert.deepEqual(
        watch.events.map((event) => event.type === 'put' && [event.entry.key, event.entry.value]),
        UNUSUAL.map(({ key, value }) => [key, value]),
      );
      await watch.stop();
    });

    it('loses nothing of many quick writes', async () => {
      const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
      const wanted = Array.from({ length: 200 }, (_, index) => `k${index}`);
      await Promise.all(wanted.map((key) => created(key)));
      await watch.seen(wanted.length);
      assert.deepEqual(watch.events.map(keyOf).sort(), wanted.sort());
      await watch.stop();
    });

    it('from a forgotten revision ends as compacted', async () => {
      const { revision } = await registry.snapshot();
      for (const key of ['a', 'b', 'c']) await created(key);
      await store.compact();
      const watch = recordWatch(registry, revisionAfter(revision));
      assert.deepEqual(await watch.ended, { reason: 'compacted' });
      assert.deepEqual(watch.events, []);
    });

    it('stops on abort and reports nothing more', async () => {
      const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
      await watch.ready;
      assert.deepEqual(await watch.stop(), { reason: 'aborted' });
      await created('late');
      await registry.snapshot();
      assert.deepEqual(watch.events, []);
    });

    it('with a signal that was aborted before does not start', async () => {
      const end = await registry.watch({
        fromRevision: toRevision(1),
        onReady: () => assert.fail('the watch started'),
        onEvents: () => assert.fail('the watch started'),
        signal: AbortSignal.abort(),
      });
      assert.deepEqual(end, { reason: 'aborted' });
    });

    it('whose reader throws ends as lost with that error', async () => {
      const failure = new Error('reader failed');
      const end = registry.watch({
        fromRevision: toRevision((await registry.snapshot()).revision + 1),
        onReady: () => void created('a').catch(() => undefined),
        onEvents: () => {
          throw failure;
        },
        signal: new AbortController().signal,
      });
      assert.deepEqual(await end, { reason: 'lost', error: failure });
    });

    it('leaves other watches of the same client alone', async () => {
      const from = (await registry.snapshot()).revision + 1;
      const [one, two] = [recordWatch(registry, toRevision(from)), recordWatch(registry, toRevision(from))];
      await Promise.all([one.ready, two.ready]);
      await one.stop();
      await created('a');
      await two.seen(1);
      assert.deepEqual(two.events.map(keyOf), ['a']);
      await two.stop();
    });
  });

  describe('followMeta', () => {
    it('reports keys of its folder that are written, and that go with their lease', async () => {
      const { registry } = fixture();
      const ended = new AbortController();
      const seen: string[] = [];
      const following = registry
        .followMeta('requests/a/', (key, text = '(none)') => seen.push(`${key} ${text}`), ended.signal)
        .catch((error: unknown) => error);
      // Until the watch exists, keys are missed.
      for (let count = 0; seen.length === 0; count++) {
        await registry.writeMeta({ key: 'requests/a/first', value: String(count), leaseId: NO_LEASE });
        await sleep(5);
      }
      const leaseId = await registry.grant(60);
      await registry.writeMeta({ key: 'requests/ab/x', value: 'another folder', leaseId });
      await registry.writeMeta({ key: 'requests/a/x', value: 'asked', leaseId });
      await registry.revoke(leaseId);
      while (!seen.includes('x (none)')) await sleep(5);
      assert.deepEqual(
        seen.filter((line) => !line.startsWith('first ')),
        ['x asked', 'x (none)'],
      );
      const reason = new Error('enough');
      ended.abort(reason);
      assert.equal(await following, reason);
    });
  });
}

function keyOf(event: RegistryEvent): string {
  if (event.type === 'config') return '(config)';
  return event.type === 'put' ? event.entry.key : event.key;
}

/** The fixture's config writes return no revision, so the expected one is not known. */
function withoutConfigRevision(events: readonly RegistryEvent[]): RegistryEvent[] {
  return events.map((event) =>
    event.type === 'config' && event.config !== undefined
      ? { type: 'config', config: { ...event.config, modRevision: NO_REVISION } }
      : event,
  );
}
