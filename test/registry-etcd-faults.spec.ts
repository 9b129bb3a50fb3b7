// The etcd registry when servers and networks fail: each test breaks something, sees the promised
// error within the promised time, ends it and sees the same client work again. Mocha fails a test
// on an unhandled rejection.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { createEtcdRegistry } from '../allocator/registry/etcd/index.ts';
import type { EtcdOptions } from '../allocator/registry/etcd/index.ts';
import { NO_LEASE, revisionAfter, toLeaseId, toRevision } from '../allocator/registry/registry.ts';
import type { Registry, WatchEnd } from '../allocator/registry/registry.ts';
import { startEtcd } from '../lab/etcd-server.ts';
import type { EtcdServer } from '../lab/etcd-server.ts';
import { TcpProxy } from './support/tcp-proxy.ts';
import { waitFor } from '../lab/wait.ts';
import { recordWatch } from './support/watch-recorder.ts';
import { rejectsWith } from './compliance/registry-fixture.ts';

/** Shorter ones pass on a busy machine while etcd is well. */
const QUICK = { requestTimeoutMs: 1000, idleProbeMs: 200 };

describe('etcd registry and faults', () => {
  let server: EtcdServer;
  let near: TcpProxy;
  let far: TcpProxy;
  let prefixes = 0;
  const open: Registry[] = [];

  before(async () => {
    server = await startEtcd();
  });
  after(() => server.stop());
  beforeEach(async () => {
    near = await TcpProxy.start(server.port);
    far = await TcpProxy.start(server.port);
    prefixes++;
  });
  afterEach(async () => {
    for (const registry of open.splice(0)) registry.close();
    await Promise.all([near.close(), far.close()]);
  });

  const connect = (endpoints: readonly string[], options: Partial<EtcdOptions> = QUICK): Registry => {
    const registry = createEtcdRegistry({ prefix: `/faults-${prefixes}`, ...options, endpoints });
    open.push(registry);
    return registry;
  };
  const create = (registry: Registry, key: string): ReturnType<Registry['create']> =>
    registry.create({ keys: [key], value: 'v', leaseId: NO_LEASE });
  const works = (registry: Registry): Promise<void> =>
    waitFor('the registry answers again', () => registry.snapshot().then(Boolean, () => false));
  const watchNow = async (registry: Registry): Promise<ReturnType<typeof recordWatch>> => {
    const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
    await watch.ready;
    return watch;
  };

  describe('endpoints', () => {
    it('passes over a dead endpoint and stays with the one that works', async () => {
      const dead = await deadUrl();
      const registry = connect([dead, near.url, far.url]);
      await registry.snapshot();
      await create(registry, 'a');
      await registry.grant(60);
      assert.equal(near.accepted, 1);
      assert.equal(far.accepted, 0);
    });

    it('moves on when its endpoint falls silent, within one call if that may be repeated', async () => {
      const registry = connect([near.url, far.url], { ...QUICK, requestTimeoutMs: 2000 });
      await create(registry, 'a');
      near.hold();
      assert.equal((await registry.snapshot()).entries.length, 1);
      await create(registry, 'b');
      assert.equal(far.accepted, 1);
    });

    it('moves on when its endpoint is reset, and comes back when that one fails', async () => {
      const registry = connect([near.url, far.url]);
      await registry.snapshot();
      await near.close();
      await works(registry);
      assert.equal(far.accepted, 1);
      near = await TcpProxy.start(server.port);
    });

    it('names every endpoint and why it failed when none answers', async () => {
      const [one, two] = [await deadUrl(), await deadUrl()];
      const error = await rejectsWith('REGISTRY_UNAVAILABLE', connect([one, two]).snapshot());
      for (const url of [one, two])
        assert.ok(error.message.includes(`snapshot at ${url} failed`), error.message);
      assert.match(error.message, /ECONNREFUSED/);
      assert.equal(error.isTransient, true);
    });

    it('names a host that does not resolve', async () => {
      const error = await rejectsWith(
        'REGISTRY_UNAVAILABLE',
        connect(['http://host.invalid:2379']).snapshot(),
      );
      assert.match(error.message, /host\.invalid/);
    });

    it('recovers at once when a server that was down at start comes up', async () => {
      const late = await startEtcd();
      try {
        const registry = connect([late.url]);
        await late.kill();
        for (let tries = 0; tries < 5; tries++)
          await rejectsWith('REGISTRY_UNAVAILABLE', registry.snapshot());
        await late.restart();
        await registry.snapshot();
      } finally {
        await late.stop();
      }
    });
  });

  describe('a black hole', () => {
    it('ends every call at its deadline, and the same client works when it is gone', async () => {
      const registry = connect([near.url]);
      const leaseId = await registry.grant(60);
      near.hold();
      const calls = [
        registry.snapshot(),
        registry.grant(60),
        create(registry, 'a'),
        registry.update({ key: 'a', value: 'v', leaseId }, toRevision(1)),
        registry.remove('a', toRevision(1)),
        registry.keepAlive(leaseId),
        registry.revoke(leaseId),
      ];
      await Promise.all(calls.map((call) => rejectsWith('REGISTRY_UNAVAILABLE', call)));
      near.pass();
      await works(registry);
      await create(registry, 'b');
    });

    it('is noticed by a quiet watch', async () => {
      const registry = connect([near.url]);
      const watch = await watchNow(registry);
      // etcd may send the first event before its answer to the first probe, but not the second.
      for (const count of [1, 2]) {
        await create(registry, `sign-${count}`);
        await watch.seen(count);
      }
      near.hold();
      const end = await watch.ended;
      assert.match(lostMessage(end), /no sign of life/);
      near.pass();
      await works(registry);
      const again = await watchNow(registry);
      await create(registry, 'a');
      await again.seen(1);
      assert.deepEqual(await again.stop(), { reason: 'aborted' });
    });

    it('that is there before a watch begins ends it as lost', async () => {
      const registry = connect([near.url]);
      const { revision } = await registry.snapshot();
      near.hold();
      assert.match(
        lostMessage(await recordWatch(registry, revisionAfter(revision)).ended),
        /did not accept the watch/,
      );
    });

    it('does not end a quiet watch that is alive', async () => {
      const idleProbeMs = 200;
      const registry = connect([near.url], { requestTimeoutMs: 5000, idleProbeMs });
      const watch = await watchNow(registry);
      let hasEnded = false;
      const ended = watch.ended.finally(() => (hasEnded = true));
      const endMs = performance.now() + 5 * idleProbeMs;
      await waitFor('several probes passed', () => performance.now() > endMs);
      assert.equal(hasEnded, false);
      await watch.stop();
      await ended;
    });

    it('that swallows an answer leaves a create which the next snapshot shows', async () => {
      const registry = connect([near.url]);
      await registry.snapshot();
      near.holdAnswers();
      const error = await rejectsWith('REGISTRY_UNAVAILABLE', create(registry, 'a'));
      assert.match(error.message, /may have been carried out/);
      near.pass();
      await works(registry);
      assert.deepEqual(
        (await registry.snapshot()).entries.map((entry) => entry.key),
        ['a'],
      );
    });

    it('that swallows an answer does not make a create try the next endpoint and take two keys', async () => {
      const registry = connect([near.url, far.url]);
      await registry.snapshot();
      near.holdAnswers();
      const request = { keys: ['a', 'b'], value: 'v', leaseId: NO_LEASE };
      await rejectsWith('REGISTRY_UNAVAILABLE', registry.create(request));
      assert.deepEqual(
        (await registry.snapshot()).entries.map((entry) => entry.key),
        ['a'],
      );
    });

    it('lets an abort and a close through', async () => {
      const registry = connect([near.url], { requestTimeoutMs: 30_000 });
      const watch = await watchNow(registry);
      near.hold();
      const controller = new AbortController();
      const aborted = registry.snapshot(controller.signal);
      const [pending, starting] = [registry.keepAlive(toLeaseId('1')), connect([near.url], {}).snapshot()];
      const reason = new Error('enough');
      controller.abort(reason);
      await assert.rejects(aborted, reason);
      for (const each of open) each.close();
      await rejectsWith('REGISTRY_REJECTED', pending);
      await rejectsWith('REGISTRY_REJECTED', starting);
      assert.deepEqual(await watch.ended, { reason: 'aborted' });
    });
  });

  it('works over a slow network', async () => {
    near.delay(20);
    const registry = connect([near.url], { requestTimeoutMs: 5000, idleProbeMs: 1000 });
    const watch = await watchNow(registry);
    await create(registry, 'a');
    await watch.seen(1);
    await watch.stop();
  });

  it('a reset ends a watch as lost at once, and the next one works', async () => {
    const registry = connect([near.url], { idleProbeMs: 30_000 });
    const watch = await watchNow(registry);
    near.reset();
    assert.equal((await watch.ended).reason, 'lost');
    const again = await watchNow(registry);
    await create(registry, 'a');
    await again.seen(1);
    await again.stop();
  });

  describe('a server', () => {
    it('that is stopped and continued costs deadlines and nothing else', async () => {
      const registry = connect([server.url]);
      const watch = await watchNow(registry);
      server.pause();
      try {
        await rejectsWith('REGISTRY_UNAVAILABLE', registry.snapshot());
        await rejectsWith('REGISTRY_UNAVAILABLE', registry.keepAlive(toLeaseId('1')));
        assert.equal((await watch.ended).reason, 'lost');
      } finally {
        server.resume();
      }
      // The member may lose its leadership once more: it has missed its own heartbeats.
      const isWatched = () =>
        watchNow(registry)
          .then((again) => again.stop())
          .then(() => true);
      await waitFor('the registry answers and is watched again', isWatched);
    });

    it('that restarts ends a watch as lost; leases, keys and revisions are still there', async () => {
      const registry = connect([server.url]);
      const leaseId = await registry.grant(60);
      const { revision } = await registry.create({ keys: ['a'], value: 'v', leaseId });
      const watch = await watchNow(registry);
      await server.restart();
      assert.equal((await watch.ended).reason, 'lost');
      const snapshot = await registry.snapshot();
      assert.deepEqual(snapshot.entries, [{ key: 'a', value: 'v', leaseId, modRevision: revision }]);
      assert.equal(await registry.keepAlive(leaseId), 60);
      const again = recordWatch(registry, revision);
      await again.seen(1);
      await again.stop();
    });

    it('that is restored from a backup shows an older revision and ends a watch of the lost future', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'weft-backup-'));
      try {
        const registry = connect([server.url]);
        await create(registry, 'kept');
        const backup = join(directory, 'snapshot.db');
        await server.snapshotSave(backup);
        for (const key of ['a', 'b', 'c']) await create(registry, key);
        const { revision } = await registry.snapshot();
        await server.snapshotRestore(backup);
        assert.match(
          lostMessage(await recordWatch(registry, revisionAfter(revision)).ended),
          /the registry is at revision/,
        );
        const restored = await registry.snapshot();
        assert.ok(restored.revision < revision);
        assert.deepEqual(
          restored.entries.map((entry) => entry.key),
          ['kept'],
        );
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    });
  });
});

function lostMessage(end: WatchEnd): string {
  assert.ok(end.reason === 'lost', end.reason);
  return end.error.message;
}

/** A URL that refuses connections: its port was just given back. */
async function deadUrl(): Promise<string> {
  const proxy = await TcpProxy.start(1);
  const { url } = proxy;
  await proxy.close();
  return url;
}
