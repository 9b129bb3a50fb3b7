// The state of the host and of every peer with its time of change, and the number of peers a state.
import type { OwnerStatus, PeerStatus, SyncState } from './status.ts';

export class StatusTable {
  readonly #peers = new Map<string, PeerStatus>();
  readonly #counts: Record<SyncState, number> = { 'in-sync': 0, pending: 0, error: 0 };
  #host: OwnerStatus;

  constructor(nowMs: number) {
    this.#host = { state: 'pending', sinceMs: nowMs };
  }

  get host(): OwnerStatus {
    return this.#host;
  }

  get peers(): ReadonlyMap<string, PeerStatus> {
    return this.#peers;
  }

  count(state: SyncState): number {
    return this.#counts[state];
  }

  /** Records the host's state; keeps `sinceMs` if nothing else changed. */
  setHost(status: OwnerStatus): void {
    if (this.#host.state !== status.state || this.#host.reason !== status.reason) this.#host = status;
  }

  /** Records a peer's state; keeps `sinceMs` if nothing else changed. */
  set(key: string, status: PeerStatus): void {
    const before = this.#peers.get(key);
    const isSame =
      before?.state === status.state && before.reason === status.reason && before.mode === status.mode;
    if (isSame) return;
    if (before !== undefined) this.#counts[before.state]--;
    this.#counts[status.state]++;
    this.#peers.set(key, status);
  }

  delete(key: string): void {
    const before = this.#peers.get(key);
    if (before !== undefined) this.#counts[before.state]--;
    this.#peers.delete(key);
  }
}
