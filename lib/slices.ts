// Long work cut in slices: after a bounded number of items the event loop serves what is due, timers and packets of sockets
// among it. The bound is a number, not a time, so that what a turn does depends on no clock.
//
// State changes between slices. Work that only reads what cannot change takes `eachInSlices`. Work on live state takes a
// `SliceQueue` of keys: it reads the state of a key when the key's turn comes, and a change meanwhile adds the key again.
//
//   idle ──add──► one slice at once ──keys left──► waiting ──next turn──► one slice ──keys left──► waiting
//                      └──none left──► idle, onDrained                        └──none left──► idle, onDrained
//
// Cases: a key is added while it waits: it is done once, with what is current then. A key is added by the work itself: it
// waits behind the others. Urgent keys are added while others wait: they are first in the next turn. The queue is stopped:
// waiting keys are never done.
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Calls `work` on each item, and lets the event loop have a turn after each `size` of them. With no more than that, all are
 * done before the first await of the caller. `work` may throw to end it.
 */
export async function eachInSlices<Item>(
  items: Iterable<Item>,
  size: number,
  work: (item: Item) => void,
): Promise<void> {
  let left = size;
  for (const item of items) {
    if (left === 0) {
      await nextTurn();
      left = size;
    }
    left--;
    work(item);
  }
}

export interface SliceQueueOptions<Key> {
  /** Most keys of a turn. */
  readonly size: number;
  /** Does what is due for these keys. Must not throw. */
  readonly work: (keys: readonly Key[]) => void;
  /** No key waits any more. Must not throw. */
  readonly onDrained?: () => void;
}

export class SliceQueue<Key> {
  readonly #options: SliceQueueOptions<Key>;
  readonly #urgent = new Set<Key>();
  readonly #waiting = new Set<Key>();
  #isWorking = false;
  #nextTurn: NodeJS.Immediate | undefined;
  #isStopped = false;

  constructor(options: SliceQueueOptions<Key>) {
    this.#options = options;
  }

  /** Every key that was added is done. */
  get isEmpty(): boolean {
    return this.size === 0 && !this.#isWorking;
  }

  /** How many keys wait. */
  get size(): number {
    return this.#urgent.size + this.#waiting.size;
  }

  /** Does a slice at once, unless others wait already. `urgent` keys come before all others. */
  add(keys: Iterable<Key>, urgent: Iterable<Key> = []): void {
    if (this.#isStopped) return;
    for (const key of urgent) {
      this.#waiting.delete(key);
      this.#urgent.add(key);
    }
    for (const key of keys) if (!this.#urgent.has(key)) this.#waiting.add(key);
    if (!this.#isWorking && this.#nextTurn === undefined) this.#run();
  }

  stop(): void {
    this.#isStopped = true;
    this.#urgent.clear();
    this.#waiting.clear();
    clearImmediate(this.#nextTurn);
  }

  #run(): void {
    const { onDrained, size, work } = this.#options;
    if (this.size === 0) return;
    this.#nextTurn = undefined;
    this.#isWorking = true;
    // Keys that the work adds are part of the same turn as long as they fit.
    for (let left = size; left > 0 && this.size > 0;) {
      const keys = this.#take(left);
      left -= keys.length;
      work(keys);
    }
    this.#isWorking = false;
    if (this.size > 0) this.#nextTurn = setImmediate(() => this.#run());
    else onDrained?.();
  }

  #take(count: number): readonly Key[] {
    const keys: Key[] = [];
    for (const queue of [this.#urgent, this.#waiting])
      for (const key of queue) {
        if (keys.length === count) return keys;
        queue.delete(key);
        keys.push(key);
      }
    return keys;
  }
}
