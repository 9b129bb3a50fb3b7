// Takes leases of peers in, and has them derived once all that came are known: what a peer leads to depends on what other leases
// claim. Both in slices, each from leases as they are in its turn.
//
//   change ──► incoming ──slices──► taken in ──all──► sorted, derived in slices ──all──► onDerived
//
// Keys of leases that are gone come first. A key that changes while it waits is taken in, or derived, once more.
import type { Lease } from '../../allocator/lease.ts';
import { SliceQueue } from '../../lib/slices.ts';

export type Leases = ReadonlyMap<string, Lease>;

export interface PeerIntakeOptions {
  /** Most peers that are derived in a turn of the event loop. Default: 64. */
  readonly size?: number | undefined;
  /** Takes these leases in; those that are not in `current` are gone. Returns keys of others, to be derived again. */
  readonly takeIn: (keys: ReadonlySet<string>, current: Leases) => Iterable<string>;
  readonly derive: (keys: readonly string[]) => void;
  /** Every peer is derived from what is known. */
  readonly onDerived: () => void;
}

/** Some milliseconds of deriving. */
const PEERS_PER_SLICE = 64;
/** Taking a peer in costs that part of deriving it. */
const TAKEN_IN_PER_DERIVED = 3;

export class PeerIntake {
  readonly #options: PeerIntakeOptions;
  readonly #incoming: SliceQueue<string>;
  /** Keys to derive once nothing is to be taken in. */
  readonly #underived = new Set<string>();
  /** Keys to derive. */
  readonly #deriving: SliceQueue<string>;
  /** Leases of peers, as they are now. */
  #current: Leases = new Map();

  constructor(options: PeerIntakeOptions) {
    const { size = PEERS_PER_SLICE } = options;
    this.#options = options;
    this.#incoming = new SliceQueue({
      size: size * TAKEN_IN_PER_DERIVED,
      work: (keys) => this.#takeIn(new Set(keys)),
      onDrained: () => this.#deriveTakenIn(),
    });
    this.#deriving = new SliceQueue({
      size,
      work: (keys) => this.#options.derive(keys),
      onDrained: () => this.#onDrained(),
    });
  }

  /** Nothing is to be taken in or derived. */
  get isEmpty(): boolean {
    return this.#incoming.isEmpty && this.#underived.size === 0 && this.#deriving.isEmpty;
  }

  /** The leases under `changedKeys` are as in `current`, a live map, or gone. */
  add(changedKeys: ReadonlySet<string>, current: Leases): void {
    this.#current = current;
    this.#addTo(this.#incoming, [...changedKeys]);
  }

  /** What is known of other things than leases changed: these peers are derived again. */
  deriveAgain(keys: Iterable<string>): void {
    if (this.#incoming.isEmpty) this.#deriving.add(keys);
    else for (const key of keys) this.#underived.add(key);
  }

  /** What waits is never done. */
  stop(): void {
    this.#incoming.stop();
    this.#deriving.stop();
  }

  #addTo(queue: SliceQueue<string>, keys: readonly string[]): void {
    const isGone = (key: string): boolean => !this.#current.has(key);
    queue.add(keys, keys.filter(isGone));
  }

  #takeIn(changedKeys: ReadonlySet<string>): void {
    const affected = this.#options.takeIn(changedKeys, this.#current);
    for (const keys of [changedKeys, affected]) for (const key of keys) this.#underived.add(key);
  }

  /** Of two that claim one MAC the first in this order has it. */
  #deriveTakenIn(): void {
    const keys = [...this.#underived].sort();
    this.#underived.clear();
    this.#addTo(this.#deriving, keys);
  }

  #onDrained(): void {
    if (this.#incoming.isEmpty) this.#options.onDerived();
  }
}
