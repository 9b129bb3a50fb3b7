// Peers whose lease has ended and whose entries are still in the kernel. A host whose key was
// deleted or whose registry lease was revoked takes the same subnet again within a few round trips;
// the grace time keeps traffic to it going.
import type { Clock } from '../../lib/clock.ts';

/** How long the entries of a peer outlive its lease. Packets to a host that is gone are answered by no error as long. */
const REMOVAL_GRACE_MS = 60;

export class DepartedPeers {
  readonly #clock: Clock;
  readonly #remove: (key: string) => void;
  /**
   * When to remove the entries, by key of the lease; earliest first, as the grace is the same for
   * all.
   */
  readonly #dueMs = new Map<string, number>();

  /** @param remove - removes the entries of a peer. */
  constructor(clock: Clock, remove: (key: string) => void) {
    this.#clock = clock;
    this.#remove = remove;
  }

  /** When the next peer is due. */
  get deadlinesMs(): readonly number[] {
    for (const dueMs of this.#dueMs.values()) return [dueMs];
    return [];
  }

  has(key: string): boolean {
    return this.#dueMs.has(key);
  }

  add(key: string): void {
    if (!this.#dueMs.has(key)) this.#dueMs.set(key, this.#clock.nowMs() + REMOVAL_GRACE_MS);
  }

  /** The peer is back. */
  delete(key: string): void {
    this.#dueMs.delete(key);
  }

  removeDue(): void {
    const nowMs = this.#clock.nowMs();
    for (const [key, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) return;
      this.#dueMs.delete(key);
      this.#remove(key);
    }
  }
}
