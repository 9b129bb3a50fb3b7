import assert from 'node:assert/strict';
import type { ObjectKey } from '../../../backends/kernel-state.ts';
import { WorkQueue } from './work-queue.ts';

const KEYS = ['route 10.5.2.0/24', 'route 10.5.3.0/24'] as ObjectKey[];
const keys = { kind: 'keys', keys: KEYS };
const resync = (reason: string) => ({ kind: 'resync', reason });

const KNOWN = { hasState: true, hasPlanned: false, isComplete: true };
const UNKNOWN = { ...KNOWN, hasState: false };

describe('the work queue', () => {
  let queue: WorkQueue;
  beforeEach(() => (queue = new WorkQueue({ resyncIntervalMs: 9000, random: () => 0.5 })));

  it('starts with a full read and the first check after the interval', () => {
    queue.start(100);
    assert.deepEqual([queue.resyncAtMs, queue.checkAtMs, queue.isEmpty], [100, 9100, false]);
    assert.deepEqual([queue.take(100, UNKNOWN), queue.take(100, UNKNOWN)], [resync('start'), undefined]);
    assert.equal(queue.isEmpty, true);
  });

  it('merges requests into the earliest', () => {
    queue.requestResync('request', 50);
    queue.requestResync('overrun', 70);
    queue.requestResync('interfaces', 50);
    assert.deepEqual([queue.resyncAtMs, queue.take(49, KNOWN)], [50, undefined]);
    queue.requestResync('interfaces', 49);
    assert.deepEqual(queue.take(49, KNOWN), resync('interfaces'));
  });

  for (const [what, prepare, hasState, expected] of [
    ['no state', () => undefined, false, undefined],
    ['a state', () => undefined, true, keys],
    ['a read that is due', () => queue.requestResync('request', 10), true, resync('request')],
    ['a read later, as devices changed', () => queue.requestResync('interfaces', 11), true, undefined],
    ['a read later, as one failed', () => queue.requestResync('unknown', 11), true, keys],
    [
      'a check of settings that is due',
      () => (
        queue.start(-99_999),
        queue.take(0, KNOWN),
        queue.onPeriodicResync(false),
        queue.onPeriodicResync(false),
        queue.queueDue(10)
      ),
      true,
      { kind: 'sysctls' },
    ],
  ] as const)
    it(`takes ${JSON.stringify(expected) ?? 'nothing'} with dirty keys and ${what}`, () => {
      queue.add(KEYS);
      prepare();
      assert.deepEqual(queue.take(10, { ...KNOWN, hasState }), expected);
      assert.equal(queue.isDirty(KEYS[0]!), expected !== keys);
    });

  it('goes on with a plan while peers are set for the first time, and puts what changed first after that', () => {
    queue.add(KEYS);
    const setting = { ...KNOWN, hasPlanned: true, isComplete: false };
    assert.deepEqual(queue.take(10, setting), { kind: 'planned' });
    assert.deepEqual(queue.take(10, { ...setting, isComplete: true }), keys);
    queue.add(KEYS);
    assert.deepEqual(queue.take(10, { ...setting, hasPlanned: false }), keys);
  });

  it('goes on with a plan where so much changed that the kernel would wait, and gives what changed in parts', () => {
    const many = Array.from({ length: 601 }, (_, index) => `route 10.5.${index}.0/24` as ObjectKey);
    queue.add(many);
    assert.deepEqual(queue.take(10, { ...KNOWN, hasPlanned: true }), { kind: 'planned' });
    assert.deepEqual(
      queue.takeKeys(
        2,
        (key) => key !== many[0],
        (key) => key,
      ),
      many.slice(1, 3),
    );
    assert.equal(queue.isDirty(many[0]!), true);
    assert.equal(queue.take(10, { ...KNOWN, hasPlanned: true })?.kind, 'keys');
  });

  it('forgets dirty keys after a full read', () => {
    queue.add(KEYS);
    queue.onRead(10);
    assert.deepEqual([queue.isEmpty, queue.take(10, KNOWN)], [true, undefined]);
  });

  it('waits longer after each failed read, and no more after a good one', () => {
    const waits = [1, 2, 3].map((count) => {
      assert.equal(queue.onReadFailure(1000), count);
      const atMs = queue.resyncAtMs!;
      queue.take(atMs, UNKNOWN);
      return Math.round(atMs - 1000);
    });
    queue.onRead(2000);
    assert.equal(queue.onReadFailure(1000), 1);
    assert.deepEqual([...waits, Math.round(queue.resyncAtMs! - 1000)], [550, 1100, 2200, 550]);
  });

  it('reads at once after one unanswered batch, later after more in a row', () => {
    const waits = [1, 2, 3].map((count) => {
      assert.equal(queue.onUnanswered(1000), count);
      return Math.round(queue.resyncAtMs! - 1000);
    });
    queue.onAnswered();
    assert.equal(queue.onUnanswered(1000), 1);
    assert.deepEqual([...waits, queue.resyncAtMs], [0, 550, 1100, 1000]);
  });

  it('reads once, without a wait, for all changes of interfaces until then', () => {
    for (let fault = 0; fault < 5; fault++) {
      for (let notice = 0; notice < 20; notice++) queue.onInterfaces(1000);
      assert.deepEqual(queue.take(1000, KNOWN), resync('interfaces'));
    }
    queue.requestResync('link', 1000);
    for (let notice = 0; notice < 20; notice++) queue.onInterfaces(1000);
    assert.deepEqual(queue.take(1000, KNOWN), resync('link'));
    queue.onInterfaces(1000);
    assert.equal(queue.resyncAtMs, 1000);
  });

  it('reads later where interfaces keep changing', () => {
    const waits = Array.from({ length: 16 }, () => {
      queue.onInterfaces(1000);
      const atMs = queue.resyncAtMs!;
      queue.take(atMs, KNOWN);
      return atMs - 1000;
    });
    assert.deepEqual(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 40, 80, 160, 200, 200]);
  });
});
