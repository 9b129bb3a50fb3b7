// What the reconciler tells: its events for the log, its counters for metrics, the state of each peer. Types only,
// and counters at zero.
import type { PeerState } from '../../backends/backend.ts';
import type { KernelObjectKind, ObjectKey } from '../../backends/kernel-state.ts';
import type { Step } from '../kernel/kernel.ts';

/** `pending`: not yet as desired, with nothing known to be wrong. `error`: reported with a reason, tried again later. */
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

/** Why everything was read. */
export type ResyncReason =
  'start' | 'timer' | 'interfaces' | 'overrun' | 'link' | 'unknown' | 'ownership' | 'request';

export interface ReconcilerCounters {
  /** Times that a change was worked on. */
  readonly runs: number;
  /** Acknowledged steps. */
  readonly steps: Readonly<Record<KernelObjectKind, Readonly<Record<Step['action'], number>>>>;
  /** Objects found changed or missing that this process had in place. */
  readonly drift: Readonly<Record<KernelObjectKind, number>>;
  readonly resyncs: Readonly<Record<ResyncReason, number>>;
  /** Steps that the kernel refused or did not answer. */
  readonly failures: number;
  /** Times that notices of the kernel were lost. */
  readonly overruns: number;
  /** Time spent in runs, in ms. */
  readonly busyMs: number;
  /** End of the last run, on the reconciler's clock; unset before the first. */
  readonly lastRunMs?: number;
  readonly lastDurationMs?: number;
}

export interface StatusSummary {
  readonly peers: number;
  readonly inSync: number;
  readonly pending: number;
  readonly errors: number;
  readonly host: Omit<OwnerStatus, 'sinceMs'>;
  /** Objects that something else keeps changing. */
  readonly contested: readonly ObjectKey[];
  /** Whether the desired state has been declared complete, so that orphans are removed. */
  readonly isComplete: boolean;
  /** Why the kernel's state cannot be read, if it cannot. */
  readonly readError?: string;
}

export interface ReconcilerStatus extends StatusSummary {
  readonly peerStatus: ReadonlyMap<string, PeerStatus>;
  readonly counters: ReconcilerCounters;
}

export type EventCode =
  /** Somebody else changed or removed objects of ours; they are being put back. */
  | 'KERNEL_DRIFT'
  /** Objects that somebody changed are as they should be again; `ms` since the first of them was seen to be changed. */
  | 'KERNEL_REPAIRED'
  /** An object of ours keeps being changed; repairs are slowed down. */
  | 'KERNEL_CONTESTED'
  /** Left over from an earlier run or a peer long gone; removed. */
  | 'ORPHANS_REMOVED'
  /** A peer's lease, or its clash with another, rules out to program it; `more` counts those not named. */
  | 'PEER_REJECTED'
  | 'PEER_FAILED'
  | 'PEER_RECOVERED'
  | 'HOST_FAILED'
  | 'HOST_RECOVERED'
  | 'ORPHAN_REMOVE_FAILED'
  /** A link could not be changed in place and is made anew. */
  | 'LINK_REPLACED'
  | 'SYSCTL_REJECTED'
  | 'KERNEL_READ_FAILED'
  | 'KERNEL_NO_ANSWER';

export interface ReconcilerEvent {
  readonly code: EventCode;
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
}

/** How an event is told. */
export type Emit = (
  code: EventCode,
  level: ReconcilerEvent['level'],
  fields: ReconcilerEvent['fields'],
) => void;

type Counts<Key extends string> = Record<Key, number>;

/** Counters while they are being counted; see {@link ReconcilerCounters}. */
export interface MutableCounters {
  runs: number;
  readonly steps: Record<KernelObjectKind, Counts<Step['action']>>;
  readonly drift: Counts<KernelObjectKind>;
  readonly resyncs: Counts<ResyncReason>;
  failures: number;
  overruns: number;
  busyMs: number;
  lastRunMs?: number;
  lastDurationMs?: number;
}

export function newCounters(): MutableCounters {
  const none = () => ({ set: 0, remove: 0 });
  return {
    runs: 0,
    steps: {
      link: none(),
      address: none(),
      sysctl: none(),
      feature: none(),
      firewall: none(),
      neighbour: none(),
      fdb: none(),
      tunnel: none(),
      route: none(),
    },
    drift: {
      link: 0,
      address: 0,
      sysctl: 0,
      feature: 0,
      firewall: 0,
      neighbour: 0,
      fdb: 0,
      tunnel: 0,
      route: 0,
    },
    resyncs: { start: 0, timer: 0, interfaces: 0, overrun: 0, link: 0, unknown: 0, ownership: 0, request: 0 },
    failures: 0,
    overruns: 0,
    busyMs: 0,
  };
}
