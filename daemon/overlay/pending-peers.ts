// Index of the peers that a migration waits for. Follows each lease in constant time, so that a
// cluster of thousands of hosts costs no walk over all peers at each change.
import type { Lease } from '../../allocator/lease.ts';
import { findTransport, isLeaving, wantedOf, type MigrationState } from './migration-state.ts';

export class PendingPeers {
  /**
   * Whether the peer announces another known transport than the wanted one, by key of its lease.
   */
  readonly #isBehind = new Map<string, boolean>();
  #behind = 0;

  get size(): number {
    return this.#isBehind.size;
  }

  /** How many of them announce another known transport than the wanted one. */
  get behind(): number {
    return this.#behind;
  }

  get keys(): readonly string[] {
    return [...this.#isBehind.keys()];
  }

  /** Evaluates all peers: the known transports changed. */
  reset(state: MigrationState, peers: Iterable<readonly [string, Lease]>): void {
    this.#isBehind.clear();
    this.#behind = 0;
    if (waits(state)) for (const [key, peer] of peers) this.update(state, key, peer);
  }

  /** Evaluates one peer; `undefined`: its lease is gone. */
  update(state: MigrationState, key: string, peer: Lease | undefined): void {
    if (this.#isBehind.get(key) === true) this.#behind--;
    this.#isBehind.delete(key);
    if (peer === undefined || !waits(state)) return;
    const transport = findTransport(state, peer);
    const isBehind = transport !== undefined && transport.id !== wantedOf(state).id;
    if (!isBehind && !isLeaving(peer)) return;
    this.#isBehind.set(key, isBehind);
    if (isBehind) this.#behind++;
  }
}

/** Whether the state waits for peers. */
function waits({ kind }: MigrationState): boolean {
  return kind !== 'steady' && kind !== 'removing';
}
