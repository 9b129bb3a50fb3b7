import assert from 'node:assert/strict';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { NO_LEASE } from '../../allocator/registry/registry.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { StatusPublisher } from './status-publisher.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { createLogger } from '../log/log.ts';

const STATUS = { version: 1, key: '10.5.1.0-24', config: { revision: 3 } } as const;
const KEY = 'hosts/198.18.1.1';

describe('status that a node publishes', () => {
  let clock: FakeClock;
  let registry: MemoryRegistry;
  let publisher: StatusPublisher;

  beforeEach(() => {
    clock = new FakeClock();
    registry = new MemoryRegistry(new MemoryStore({ clock }));
    const log = createLogger({ write: () => undefined });
    publisher = new StatusPublisher({ registry, clock, log, limit: createLogRateLimit() });
  });

  const read = async () => (await registry.readMeta(KEY))?.text;

  it('ends with the lease of the node', async () => {
    const lease = await registry.grant(3600);
    publisher.publish('198.18.1.1', STATUS, lease);
    await clock.settle();
    assert.equal(await read(), JSON.stringify(STATUS));
    await registry.revoke(lease);
    assert.equal(await read(), undefined);
  });

  it('of a reservation stays while the daemon runs and ends a minute after it', async () => {
    publisher.publish('198.18.1.1', STATUS, NO_LEASE);
    await clock.advance(3_600_000);
    assert.equal(await read(), JSON.stringify(STATUS));
    publisher.stop();
    await clock.advance(61_000);
    assert.equal(await read(), undefined);
    assert.equal(clock.pendingTimers, 0);
  });

  it('of a reservation comes back after the registry forgot it', async () => {
    publisher.publish('198.18.1.1', STATUS, NO_LEASE);
    await clock.jump(120_000);
    assert.equal(await read(), JSON.stringify(STATUS));
    publisher.publish('198.18.1.1', { ...STATUS, config: { revision: 4 } }, NO_LEASE);
    await clock.settle();
    assert.match((await read()) ?? '', /"revision":4/);
    publisher.stop();
  });
});
