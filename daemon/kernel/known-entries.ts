// What became of each message of a table when it was last read, by digest: a message that has not changed since is neither
// decoded nor compared field by field. An entry takes 16 bytes. Tables come in nearly the same order each time, so a message
// is searched only where the last one was found and shortly behind: what is found nowhere is decoded, which costs time and
// nothing else.
import type { ObjectKey } from '../../backends/kernel-state.ts';
import type { TableEntry } from './kernel-tables.ts';

/** So many entries may be gone in a row before those behind them are taken for new. */
const MOST_SKIPPED = 64;
const LEAST_CAPACITY = 64;

/** The object that a message became; unset: it is none of ours. */
export type EntryKey = ObjectKey | undefined;

export class KnownEntries {
  /** Two numbers each. */
  #digests = new Int32Array(2 * LEAST_CAPACITY);
  readonly #keys: EntryKey[] = [];

  add({ high, low }: Pick<TableEntry<unknown>, 'high' | 'low'>, key: EntryKey): void {
    const at = 2 * this.#keys.length;
    if (at === this.#digests.length) this.#resize(2 * at);
    this.#digests[at] = high;
    this.#digests[at + 1] = low;
    this.#keys.push(key);
  }

  /** No more are added. */
  end(): void {
    this.#resize(2 * this.#keys.length);
  }

  /** Where the entry is at `from` or shortly behind; -1: it is new. */
  find({ high, low }: Pick<TableEntry<unknown>, 'high' | 'low'>, from: number): number {
    const end = Math.min(from + MOST_SKIPPED, this.#keys.length);
    for (let at = from; at < end; at++)
      if (this.#digests[2 * at] === high && this.#digests[2 * at + 1] === low) return at;
    return -1;
  }

  keyAt(index: number): EntryKey {
    return this.#keys[index];
  }

  #resize(size: number): void {
    const digests = new Int32Array(size);
    digests.set(this.#digests.subarray(0, size));
    this.#digests = digests;
  }
}
