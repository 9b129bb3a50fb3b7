import assert from 'node:assert/strict';
import { RegistryError } from '../../allocator/registry/registry.ts';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { createLogger } from '../log/log.ts';
import { SharedSilence, SILENT_FOLDER } from './shared-silence.ts';

describe('what hosts report of silent peers', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let hosts: SharedSilence[];
  let reports: string[];

  function host(name: string, registry = new MemoryRegistry(store)): SharedSilence {
    const sharing = new SharedSilence({
      registry,
      clock,
      random: () => 0.5,
      log: createLogger({ level: 'error' }),
      onReport: (key) => void reports.push(`${name}: ${key}`),
    });
    sharing.start();
    hosts.push(sharing);
    return sharing;
  }

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1000) await clock.advance(1000);
  }

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    hosts = [];
    reports = [];
  });
  afterEach(() => hosts.forEach((each) => each.stop()));

  it('reaches every host, once a minute for each peer', async () => {
    const [a, b] = [host('a'), host('b')];
    await pass(20_000);
    assert.ok(a.isShared && b.isShared);
    await a.report('10.5.2.0-24');
    await pass(1000);
    assert.deepEqual(reports.toSorted(), ['a: 10.5.2.0-24', 'b: 10.5.2.0-24']);
    await b.report('10.5.2.0-24');
    await a.report('10.5.2.0-24');
    await pass(1000);
    assert.equal(reports.length, 2);
    await pass(61_000);
    await b.report('10.5.2.0-24');
    await pass(1000);
    assert.equal(reports.length, 4);
  });

  it('is bounded for each host', async () => {
    const a = host('a');
    await pass(20_000);
    for (let peer = 0; peer < 50; peer++) await a.report(`10.5.${peer}.0-24`);
    await pass(1000);
    assert.equal(reports.length, 10);
  });

  it('is no reason to rely on others where this host may not report', async () => {
    const registry = new MemoryRegistry(store);
    const a = host('a', registry);
    await pass(20_000);
    registry.writeMeta = () => Promise.reject(new RegistryError('REGISTRY_DENIED', 'permission denied'));
    await a.report('10.5.2.0-24');
    assert.equal(a.isShared, false);
  });

  it('leaves nothing in the registry', async () => {
    const registry = new MemoryRegistry(store);
    const a = host('a', registry);
    await pass(20_000);
    await a.report('10.5.2.0-24');
    assert.equal((await registry.listMeta(SILENT_FOLDER)).size, 1);
    await pass(61_000);
    assert.equal((await registry.listMeta(SILENT_FOLDER)).size, 0);
  });

  it('is no reason to rely on others while the registry does not bring it', async () => {
    const registry = new MemoryRegistry(store);
    const a = host('a', registry);
    assert.equal(a.isShared, false);
    await pass(20_000);
    assert.equal(a.isShared, true);
    registry.setUnavailable(true);
    registry.breakWatches();
    await pass(20_000);
    assert.equal(a.isShared, false);
    await a.report('10.5.2.0-24');
    registry.setUnavailable(false);
    await pass(60_000);
    assert.deepEqual([a.isShared, reports], [true, []]);
  });
});
