// The state of the host and of each peer as operators see it. Types only.
import type { PeerState } from '../../../backends/backend.ts';
import type { ObjectKey } from '../../../backends/kernel-state.ts';
import type { ReconcilerCounters } from './counters.ts';

/** `pending`: not as desired yet, without a known error. `error`: has a reason, is retried. */
export type SyncState = 'in-sync' | 'pending' | 'error';

export interface OwnerStatus {
  readonly state: SyncState;
  readonly reason?: string;
  /** Since when `state` and `reason` have been these, on the reconciler's clock. */
  readonly sinceMs: number;
}

export interface PeerStatus extends OwnerStatus {
  readonly mode: PeerState['mode'];
}

export interface StatusSummary {
  readonly peers: number;
  readonly inSync: number;
  readonly pending: number;
  readonly errors: number;
  readonly host: Omit<OwnerStatus, 'sinceMs'>;
  /** Objects that another program keeps changing. */
  readonly contested: readonly ObjectKey[];
  /** Whether the desired state is complete, so that orphans are removed. */
  readonly isComplete: boolean;
  /** Why the kernel's state cannot be read; unset while reads succeed. */
  readonly readError?: string;
}

export interface ReconcilerStatus extends StatusSummary {
  readonly peerStatus: ReadonlyMap<string, PeerStatus>;
  readonly counters: ReconcilerCounters;
}
