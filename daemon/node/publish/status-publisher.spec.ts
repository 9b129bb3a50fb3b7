import assert from 'node:assert/strict';
import { MemoryRegistry } from '../../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../../allocator/registry/memory/registry-memory-store.ts';
import { NO_LEASE } from '../../../allocator/registry/registry.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { StatusPublisher } from './status-publisher.ts';
import { createLogRateLimit } from '../../log/log-rate-limit.ts';
import { createLogger } from '../../log/log.ts';

const STATUS = { version: 1, key: '10.5.1.0-24', config: { revision: 3 } } as const;
/** Of the store, for the lease that all share. */
const LEASE_TIMER = 1;
const KEY = 'hosts/198.18.1.1';

describe('status of two hosts with one public IP', () => {
  /** A host whose own key the others watch. */
  class Host {
    readonly publisher: StatusPublisher;
    readonly registry: MemoryRegistry;
    readonly conflicts: string[] = [];
    touches = 0;
    readonly #world: World;

    constructor(world: World, boot: string, nodeId = '198.18.1.1') {
      this.#world = world;
      this.registry = new MemoryRegistry(world.store);
      this.publisher = new StatusPublisher({
        registry: this.registry,
        clock: world.clock,
        log: createLogger({ write: () => undefined }),
        limit: createLogRateLimit(),
        conflicts: {
          boot,
          touch: () => this.#touch(),
          onConflict: (id, count) => this.conflicts.push(`${id} ${count > 1}`),
          onResolved: (id) => this.conflicts.push(`${id} resolved`),
        },
      });
      world.hosts.push(this);
      this.publisher.publish(nodeId, { ...STATUS, boot }, world.lease);
    }

    stop(): void {
      this.publisher.stop();
      this.#world.hosts.splice(this.#world.hosts.indexOf(this), 1);
    }

    #touch(): Promise<void> {
      this.touches++;
      for (const { publisher } of this.#world.hosts) publisher.checkConflict();
      return Promise.resolve();
    }
  }

  class World {
    readonly clock = new FakeClock();
    readonly store = new MemoryStore({ clock: this.clock });
    readonly lease = this.store.grant(86_400);
    readonly hosts: Host[] = [];
    readonly registry = new MemoryRegistry(this.store);
  }

  let world: World;
  beforeEach(() => (world = new World()));
  afterEach(() => world.hosts.forEach(({ publisher }) => publisher.stop()));

  it('is an error on both within a minute, wherever they start', async () => {
    for (const delayMs of [0, 5, 3_600_000]) {
      world = new World();
      const a = new Host(world, 'a');
      await world.clock.advance(delayMs);
      const b = new Host(world, 'b');
      await world.clock.advance(60_000);
      assert.deepEqual(
        [a.conflicts, b.conflicts],
        [['198.18.1.1 true'], ['198.18.1.1 true']],
        `${delayMs} ms`,
      );
    }
  });

  it('stays an error while both live, and ends on the other when one stops', async () => {
    const [a, b] = [new Host(world, 'a'), new Host(world, 'b')];
    await world.clock.advance(3_600_000);
    assert.deepEqual([a.conflicts.length, b.conflicts.length], [1, 1]);
    b.stop();
    await world.clock.advance(180_000);
    assert.deepEqual(a.conflicts, ['198.18.1.1 true', '198.18.1.1 resolved']);
    assert.equal(world.clock.pendingTimers, LEASE_TIMER);
  });

  it('ends on both when one gets another address', async () => {
    const [a, b] = [new Host(world, 'a'), new Host(world, 'b')];
    await world.clock.advance(60_000);
    b.publisher.publish('198.18.1.2', { ...STATUS, boot: 'b' }, world.lease);
    await world.clock.advance(180_000);
    assert.equal(a.conflicts.at(-1), '198.18.1.1 resolved');
    assert.equal(b.conflicts.length, 1);
  });

  it('is no error of a host that booted again or was installed again', async () => {
    new Host(world, 'a').stop();
    await world.clock.advance(1000);
    for (const boot of ['a', 'b', 'c']) {
      const host = new Host(world, boot);
      await world.clock.advance(120_000);
      assert.deepEqual([host.conflicts, host.touches], [[], boot === 'a' ? 0 : 1]);
      assert.match((await world.registry.readMeta(KEY))?.text ?? '', new RegExp(`"boot":"${boot}"`));
      assert.equal(world.clock.pendingTimers, LEASE_TIMER);
      host.stop();
    }
  });

  it('loses no status that is wanted while it is written again', async () => {
    const a = new Host(world, 'a');
    await world.clock.advance(20_000);
    await world.registry.writeMeta({
      key: KEY,
      value: JSON.stringify({ ...STATUS, boot: 'b' }),
      leaseId: world.lease,
    });
    const write = a.registry.writeMeta.bind(a.registry);
    const next = { ...STATUS, boot: 'a', config: { revision: 4 } };
    a.registry.writeMeta = async (...args) => {
      a.registry.writeMeta = write;
      const revision = await write(...args);
      a.publisher.publish('198.18.1.1', next, world.lease);
      return revision;
    };
    a.publisher.checkConflict();
    await world.clock.advance(1000);
    assert.deepEqual(JSON.parse((await world.registry.readMeta(KEY))!.text), next);
  });

  it('is no error of hosts that swap their addresses', async () => {
    const [a, b] = [new Host(world, 'a'), new Host(world, 'b', '198.18.1.2')];
    await world.clock.advance(60_000);
    a.publisher.publish('198.18.1.2', { ...STATUS, boot: 'a' }, world.lease);
    await world.clock.advance(2000);
    b.publisher.publish('198.18.1.1', { ...STATUS, boot: 'b' }, world.lease);
    await world.clock.advance(300_000);
    assert.deepEqual([a.conflicts, b.conflicts], [[], []]);
  });

  it('costs a host without conflict two reads and one write', async () => {
    const { registry, touches } = new Host(world, 'a');
    await world.clock.advance(86_000_000);
    assert.deepEqual([touches, registry.unaryCalls, registry.calls.readMeta], [0, 3, 2]);
    assert.equal(world.clock.pendingTimers, LEASE_TIMER);
  });
});

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

  it('of a reservation is renewed three times in its life, and after a lost answer in time', async () => {
    publisher.publish('198.18.1.1', STATUS, NO_LEASE);
    const renewals: number[] = [];
    for (let seconds = 0; seconds < 61; seconds++) {
      const before = registry.calls.keepAlive;
      await clock.advance(1000);
      if (registry.calls.keepAlive > before) renewals.push(seconds + 1);
    }
    assert.deepEqual(renewals, [20, 40, 60]);
    registry.setUnavailable(true);
    await clock.advance(25_000);
    registry.setUnavailable(false);
    await clock.advance(20_000);
    assert.equal(await read(), JSON.stringify(STATUS));
    publisher.stop();
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
