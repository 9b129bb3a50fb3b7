// Holds the state of the migration and the index of pending peers, and keeps the two consistent. It
// performs no effect: `dispatch` returns them.
import type { Clock } from '../../lib/clock.ts';
import type { BackendConfig } from '../../allocator/config/config.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import type { CanUse, MigrationEffect, MigrationEvent } from './migration-events.ts';
import { announcedOf, deadlinesMs, initialState, wantedOf, type MigrationState } from './migration-state.ts';
import type { MigrationStatus } from './overlay-status.ts';
import { PendingPeers } from './pending-peers.ts';
import { next } from './migration-state-machine.ts';

export class MigrationRunner {
  readonly #clock: Clock;
  readonly #peers = new Map<string, Lease>();
  readonly #pending = new PendingPeers();
  #state: MigrationState;

  /** @param timeoutMs - how long to wait for peers; 0 means forever. */
  constructor(backend: BackendConfig, timeoutMs: number, clock: Clock) {
    this.#clock = clock;
    this.#state = initialState(backend, timeoutMs);
  }

  get state(): MigrationState {
    return this.#state;
  }

  get peers(): ReadonlyMap<string, Lease> {
    return this.#peers;
  }

  /** Peers that are waited for, and how many of them announce another known transport. */
  get pending(): { readonly pending: number; readonly behind: number } {
    return { pending: this.#pending.size, behind: this.#pending.behind };
  }

  /** The migration in progress; `undefined` if none. */
  get status(): MigrationStatus | undefined {
    const state = this.#state;
    if (state.kind === 'steady') return undefined;
    const blocker = state.kind === 'preparing' ? state.blocker : undefined;
    return {
      state: state.kind,
      announced: announcedOf(state).id,
      wanted: wantedOf(state).id,
      pendingPeers: this.#pending.keys,
      ...(blocker !== undefined && { blocker }),
    };
  }

  get deadlinesMs(): readonly number[] {
    return deadlinesMs(this.#state);
  }

  /**
   * The state, or before the own lease is known the one that it would start with. Changes nothing.
   */
  startedWith(published: LeaseAttributes | undefined, canUse: CanUse): MigrationState {
    if (this.#state.isStarted) return this.#state;
    return next(this.#state, { kind: 'started', published, canUse }, this.#clock.nowMs()).state;
  }

  dispatch(event: MigrationEvent): readonly MigrationEffect[] {
    const before = this.#state;
    const { state, effects } = next(before, event, this.#clock.nowMs());
    this.#state = state;
    if (!hasSameTransports(before, state)) this.#pending.reset(state, this.#peers);
    return effects;
  }

  /** The leases of peers under `changedKeys` are as in `current`, or gone. */
  setPeers(
    changedKeys: ReadonlySet<string>,
    current: ReadonlyMap<string, Lease>,
    canUse: CanUse,
  ): readonly MigrationEffect[] {
    const leases: Lease[] = [];
    for (const key of changedKeys) {
      const peer = current.get(key);
      if (peer === undefined) this.#peers.delete(key);
      else this.#peers.set(key, peer);
      if (peer !== undefined) leases.push(peer);
    }
    const effects = this.dispatch({ kind: 'peers-changed', leases, canUse });
    for (const key of changedKeys) this.#pending.update(this.#state, key, this.#peers.get(key));
    return effects;
  }
}

function hasSameTransports({ known: a }: MigrationState, { known: b }: MigrationState): boolean {
  return a === b || (a.length === b.length && a.every(({ id }, index) => id === b[index]!.id));
}
