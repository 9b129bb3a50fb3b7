import assert from 'node:assert/strict';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { createLogger } from '../log/log.ts';
import { awaitNetworkConfig, readConfig, type ConfigSource } from './network-config.ts';

const KEY = '/coreos.com/network/config';

describe('waiting for the network config', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let registryCache: RegistryCache;
  let lines: string[];
  let source: ConfigSource;

  beforeEach(async () => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    registryCache = new RegistryCache({ registry: new MemoryRegistry(store), clock, random: () => 0.5 });
    lines = [];
    const log = createLogger({ write: (line) => lines.push(line), nowMs: () => 0 });
    source = { registryCache, key: KEY, log, limit: createLogRateLimit({ nowMs: () => clock.nowMs() }) };
    registryCache.start();
    await clock.settle();
  });
  afterEach(() => registryCache.stop());

  async function put(text: string): Promise<void> {
    store.putConfig(text);
    await clock.advance(10);
  }

  it('says which key is missing and what to put there, once a minute', async () => {
    readConfig(source);
    readConfig(source);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /ERROR.*no network config at \/coreos\.com\/network\/config.*\{"Network"/);
    assert.match(
      lines[0]!,
      /echo '\{"Network":"10\.5\.0\.0\/16","Backend":\{"Type":"vxlan"\}\}' \| weft config set -\n$/,
    );
    await clock.advance(61_000);
    readConfig(source);
    assert.equal(lines.length, 2);
  });

  const NEAR_MISSES: readonly (readonly [string, () => Promise<readonly string[]>, RegExp | undefined])[] = [
    [
      'the key without /config',
      () => Promise.resolve(['/coreos.com/network', '/kubernetes/network']),
      /WARN +Found a key .*network config: weft does not read the one at \/coreos\.com\/network: move it to \/coreos\.com\/network\/config\n$/,
    ],
    [
      'another prefix',
      () => Promise.resolve(['/atomic.io/network/config']),
      /at \/atomic\.io\/network\/config: move it .*, or give --etcd-prefix \/atomic\.io\/network\n$/,
    ],
    ['nothing', () => Promise.resolve([]), undefined],
    ['a registry that is away', () => Promise.reject(new Error('gone')), undefined],
  ];
  for (const [what, nearMisses, expected] of NEAR_MISSES)
    it(`warns of a config that no host reads, with the remedy, beside ${what}`, async () => {
      for (let call = 0; call < 2; call++) readConfig({ ...source, nearMisses });
      await clock.settle();
      assert.match(lines[0]!, /ERROR There is no network config/);
      assert.equal(lines.length, expected === undefined ? 1 : 2);
      if (expected !== undefined) assert.match(lines[1]!, expected);
    });

  it('does not warn of another key once the document is there', async () => {
    let answer = (_keys: readonly string[]): void => undefined;
    readConfig({ ...source, nearMisses: () => new Promise((resolve) => (answer = resolve)) });
    await put('{"Network":"10.5.0.0/16"}');
    answer(['/coreos.com/network']);
    await clock.settle();
    assert.equal(lines.length, 1);
  });

  it('takes the first valid document, and reports what is wrong with those before', async () => {
    const waiting = awaitNetworkConfig(source, new AbortController().signal);
    await put('{"Network":"10.5.0.0/33","Backend":{"Type":"vxlan"}}');
    assert.match(lines.at(-1)!, /ERROR \/coreos\.com\/network\/config: .*\/Network.*10\.5\.0\.0\/33/);
    await put('{"Network":');
    assert.match(lines.at(-1)!, /ERROR \/coreos\.com\/network\/config: /);
    await put('{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw","Port":1}}');
    assert.equal((await waiting).config.backend.type, 'host-gw');
    assert.match(lines.at(-1)!, /WARN .*\/Backend\/Port/);
    const count = lines.length;
    await put('{}');
    assert.equal(lines.length, count, 'it goes on waiting');
  });

  it('ends when the daemon is stopped', async () => {
    const stop = new AbortController();
    const waiting = awaitNetworkConfig(source, stop.signal);
    stop.abort(new Error('stopped'));
    await assert.rejects(waiting, /stopped/);
  });
});
