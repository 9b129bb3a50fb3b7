import assert from 'node:assert/strict';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { ConfigWatcher, type ConfigRejection } from './config-watcher.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { createLogger } from '../log/log.ts';

const vxlan = (vni: number): string => `{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":${vni}}}`;

describe('the watcher of the network config', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let registryCache: RegistryCache;
  let lines: string[];
  let applied: number[];
  let tries: number;
  let rejection: ConfigRejection | undefined;
  let duringApply: () => Promise<unknown>;
  let changes: number;
  let watcher: ConfigWatcher;

  beforeEach(async () => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    registryCache = new RegistryCache({ registry: new MemoryRegistry(store), clock, random: () => 0.5 });
    [lines, applied, tries, rejection, changes] = [[], [], 0, undefined, 0];
    duringApply = () => Promise.resolve();
    const log = createLogger({ write: (line) => lines.push(line), nowMs: () => 0 });
    store.putConfig(vxlan(1));
    registryCache.start();
    await clock.settle();
    watcher = new ConfigWatcher({
      source: {
        registryCache,
        key: 'config',
        log,
        limit: createLogRateLimit({ nowMs: () => clock.nowMs() }),
      },
      clock,
      revision: registryCache.config!.modRevision,
      apply: (config) => apply(config),
      changesOf: ({ backend }) =>
        backend.type === 'vxlan' && backend.vni > 2 ? [`Backend.VNI: 1 -> ${backend.vni}`] : [],
      onChange: () => changes++,
    });
    watcher.start();
  });
  afterEach(() => {
    watcher.stop();
    registryCache.stop();
  });

  async function apply({ backend }: NetworkConfig): Promise<ConfigRejection | undefined> {
    tries++;
    await duringApply();
    if (rejection === undefined && backend.type === 'vxlan') applied.push(backend.vni);
    return rejection;
  }

  async function put(text: string | undefined): Promise<void> {
    store.putConfig(text);
    await clock.advance(10);
  }

  const errors = () => lines.filter((line) => line.includes('ERROR'));

  it('applies what is right and says which revision is in force', async () => {
    await put(vxlan(2));
    assert.deepEqual(applied, [2]);
    assert.deepEqual(watcher.status, { revision: store.revision, counts: { applied: 2, rejected: 0 } });
    assert.equal(changes, 1);
    assert.match(lines.at(-1)!, /Network config in force revision=3 changes=none/);
    await put(vxlan(3));
    assert.deepEqual(watcher.status.changes, ['Backend.VNI: 1 -> 3']);
    assert.match(lines.at(-1)!, /Network config in force revision=4 changes="?\[?"?Backend\.VNI: 1 -> 3/);
  });

  for (const [name, text, reason] of [
    ['a wrong document', '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":0}}', /Backend\/VNI/],
    ['no document', undefined, /no network config at config/],
  ] as const)
    it(`keeps the last good one for ${name}, with the reason, until the next good one`, async () => {
      const before = watcher.status.revision;
      await put(text);
      assert.deepEqual(applied, []);
      assert.equal(watcher.status.revision, before);
      assert.match(watcher.status.rejected!.reason, reason);
      assert.equal(watcher.status.counts.rejected, 1);
      assert.match(errors().at(-1)!, /is rejected, the last good one stays in force/);
      await put(vxlan(3));
      assert.deepEqual(applied, [3]);
      assert.equal(watcher.status.rejected, undefined);
    });

  it('says once that this host cannot, and tries again as long as that may pass', async () => {
    rejection = { reason: 'no interface', isRetryable: true };
    await put(vxlan(2));
    await clock.advance(10_000);
    assert.equal(errors().length, 1);
    assert.equal(watcher.status.rejected?.reason, 'no interface');
    rejection = undefined;
    await clock.advance(5_000);
    assert.deepEqual(applied, [2]);
    assert.equal(watcher.status.rejected, undefined);
  });

  it('follows a document that is written again as it is, for who waits for its revision', async () => {
    await put(vxlan(1));
    assert.equal(watcher.status.revision, store.revision);
  });

  it('asks ever more rarely while it cannot, and at once for another document', async () => {
    rejection = { reason: 'not confirmed', isRetryable: true };
    await put(vxlan(2));
    await clock.advance(3_600_000);
    const before = tries;
    await clock.advance(3_600_000);
    assert.ok(tries - before <= 120, `${tries - before} tries in an hour`);
    rejection = undefined;
    await put(vxlan(3));
    assert.deepEqual(applied, [3]);
  });

  it('tries after 2, 4, 8, 16 and 30 s, and from the start for another reason or document', async () => {
    const waits = async (count: number): Promise<readonly number[]> => {
      const found: number[] = [];
      for (let seconds = 0, before = tries; found.length < count;) {
        await clock.advance(1000);
        seconds++;
        if (tries === before) continue;
        found.push(seconds);
        [seconds, before] = [0, tries];
      }
      return found;
    };
    rejection = { reason: 'no interface', isRetryable: true };
    await put(vxlan(2));
    assert.deepEqual(await waits(6), [2, 4, 8, 16, 30, 30]);
    rejection = { reason: 'no kernel', isRetryable: true };
    await waits(1);
    assert.deepEqual(await waits(2), [2, 4]);
    await put(vxlan(3));
    assert.deepEqual(await waits(2), [2, 4]);
    rejection = { reason: 'no kernel', isRetryable: false };
    await put(vxlan(4));
    const before = tries;
    await clock.advance(600_000);
    assert.equal(tries, before);
  });

  it('says nothing of a document that was being applied when it stopped', async () => {
    store.putConfig(vxlan(2));
    duringApply = () => Promise.resolve(watcher.stop());
    await clock.advance(10);
    assert.equal(tries, 1);
    const { status } = watcher;
    await clock.advance(60_000);
    assert.deepEqual([watcher.status, changes, lines], [status, 0, []]);
  });

  it('passes over documents that were replaced while another was being applied', async () => {
    store.putConfig(vxlan(2));
    await Promise.resolve();
    for (const vni of [3, 4, 5]) store.putConfig(vxlan(vni));
    await clock.advance(10);
    assert.equal(applied.at(-1), 5);
    assert.equal(watcher.status.revision, store.revision);
  });
});
