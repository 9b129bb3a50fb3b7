// Readings that take what did not change from the reading before, against readings that decode everything.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import * as fc from 'fast-check';
import type { IpAddress, MacAddress } from '../../lib/address.ts';
import type { Ownership } from '../../backends/backend.ts';
import type { NeighbourObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { ActualObject } from './actual-state.ts';
import type { KnownState } from './kernel.ts';
import type { TableEntry } from './kernel-tables.ts';
import { ReadMemory } from './read-memory.ts';

const OWNERSHIP: Ownership = { devices: ['flannel.1'], networks: [], interface: 'eth0' };
const NONE: KnownState = { objects: new Map(), isAsRead: () => false };

interface Message {
  readonly id: number;
  readonly value: number;
}

/** A table, and a caller of readings that keeps what it is given. */
class World {
  messages: readonly Message[];
  device = 'flannel.1';
  ownership = OWNERSHIP;
  decoded = 0;
  readonly changed = new Set<ObjectKey>();
  readonly #memory = new ReadMemory();
  #objects: Map<ObjectKey, ActualObject> | undefined;

  constructor(messages: readonly Message[]) {
    this.messages = messages;
  }

  /** What the caller made of it. */
  get objects(): Map<ObjectKey, ActualObject> {
    return this.#objects!;
  }

  /** Returns how many messages were decoded for it. */
  async read(known = this.#known()): Promise<number> {
    this.decoded = 0;
    this.#objects = await this.readWith(known);
    this.changed.clear();
    return this.decoded;
  }

  /** `undefined`: a reading for another caller. */
  async readWith(known: KnownState | undefined): Promise<Map<ObjectKey, ActualObject>> {
    const objects = new Map<ObjectKey, ActualObject>();
    const reading = this.#memory.begin(this.ownership, known, () => this.device);
    const again = (object: ActualObject, key: ObjectKey): void => {
      objects.set(`${key} (2)` as ObjectKey, object);
    };
    await reading.add('neighbours', this.#entries(), objects, toNeighbour, again);
    this.#memory.end(reading, this.ownership, objects);
    return objects;
  }

  /** A step or a notification. */
  record(id: number, value: number): void {
    const { key, object } = toNeighbour({ id, value }, () => this.device);
    if (this.objects.has(key)) this.changed.add(key);
    this.objects.set(key, object);
  }

  #known(): KnownState {
    const changed = new Set(this.changed);
    return this.#objects === undefined
      ? NONE
      : { objects: this.#objects, isAsRead: (key) => !changed.has(key) };
  }

  *#entries(): Iterable<TableEntry<Message>> {
    for (const message of this.messages)
      yield {
        high: message.id,
        low: message.value,
        decode: () => {
          this.decoded++;
          return message;
        },
      };
  }
}

function toNeighbour({ id, value }: Message, nameOf: (index: number) => string | undefined) {
  const dev = nameOf(1) ?? '';
  const address = `10.5.${id}.0` as IpAddress;
  const mac = `02:00:00:00:00:${value.toString(16).padStart(2, '0')}` as MacAddress;
  const object: NeighbourObject = { kind: 'neighbour', dev, address, mac };
  return { key: `neighbour ${dev} ${address}` as ObjectKey, object };
}

const many = (count: number): Message[] => Array.from({ length: count }, (_, id) => ({ id, value: 1 }));
const valueOf = (world: World, id: number): string | undefined => {
  const found = world.objects.get(`neighbour ${world.device} 10.5.${id}.0` as ObjectKey);
  return found?.kind === 'neighbour' ? found.mac.slice(-2) : undefined;
};

describe('what a reading keeps for the next', () => {
  it('saves decoding while nothing changes, and keeps the objects', async () => {
    const world = new World(many(3000));
    assert.equal(await world.read(), 3000);
    const before = [...world.objects.values()];
    assert.equal(await world.read(), 0);
    assert.ok([...world.objects.values()].every((object, index) => object === before[index]));
  });

  it('shows the one entry among thousands that is another, new or gone', async () => {
    const world = new World(many(3000));
    await world.read();
    world.messages = world.messages.map((one) => (one.id === 1234 ? { ...one, value: 9 } : one));
    assert.equal(await world.read(), 1);
    assert.deepEqual([valueOf(world, 1234), valueOf(world, 1235)], ['09', '01']);
    world.messages = [{ id: 4000, value: 4 }, ...world.messages.filter(({ id }) => id !== 77)];
    assert.equal(await world.read(), 1);
    assert.deepEqual([valueOf(world, 4000), valueOf(world, 77), world.objects.size], ['04', undefined, 3000]);
  });

  it('shows what is left when thousands are gone or in another order', async () => {
    const world = new World(many(3000));
    await world.read();
    world.messages = world.messages.filter(({ id }) => id % 1000 === 999);
    await world.read();
    assert.deepEqual([world.objects.size, valueOf(world, 2999)], [3, '01']);
    world.messages = world.messages.toReversed();
    await world.read();
    assert.deepEqual([world.objects.size, await world.read()], [3, 0]);
  });

  it('shows what is there where the caller has another object since', async () => {
    const world = new World(many(10));
    await world.read();
    world.record(3, 7);
    assert.equal(valueOf(world, 3), '07');
    await world.read();
    assert.equal(valueOf(world, 3), '01');
  });

  it('is not used after a change of what is owned or of a name, for another state, or for another caller', async () => {
    const world = new World(many(10));
    await world.read();
    world.device = 'flannel.2';
    assert.equal(await world.read(), 10);
    assert.equal(valueOf(world, 3), '01');
    world.ownership = { ...OWNERSHIP };
    assert.equal(await world.read(), 10);
    world.decoded = 0;
    await world.readWith(undefined);
    assert.equal(world.decoded, 10);
    assert.equal(await world.read(), 0);
    assert.equal(await world.read({ objects: new Map(world.objects), isAsRead: () => true }), 10);
  });

  it('shows the second message of a key once the first is gone', async () => {
    const world = new World([
      { id: 1, value: 1 },
      { id: 1, value: 2 },
    ]);
    await world.read();
    await world.read();
    assert.deepEqual([valueOf(world, 1), world.objects.size], ['01', 2]);
    world.messages = world.messages.slice(1);
    await world.read();
    assert.deepEqual([valueOf(world, 1), world.objects.size], ['02', 1]);
  });

  it('never shows other than what is there', async () => {
    const message = fc.record({ id: fc.nat(6), value: fc.nat(3) });
    const round = fc.record({
      messages: fc.array(message, { maxLength: 8 }),
      recorded: fc.array(message, { maxLength: 3 }),
      device: fc.constantFrom('flannel.1', 'flannel.2'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 2, maxLength: 8 }), async (rounds) => {
        const world = new World([]);
        for (const { messages, recorded, device } of rounds) {
          Object.assign(world, { messages, device });
          await world.read();
          assert.deepEqual([...world.objects], [...(await world.readWith(undefined))]);
          for (const { id, value } of recorded) world.record(id, value);
        }
      }),
    );
  });
});
