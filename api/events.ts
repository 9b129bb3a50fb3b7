// `GET /v1/events`: a stream of events, and the closed set of their codes.
// docs/reference/events-and-errors.md has one entry a code.
import type { HealthV1 } from './status.ts';

/** A line of `GET /v1/events`. */
export interface EventV1 {
  /**
   * Counts up from 1 since the start of the daemon. A gap means that a slow reader missed events.
   */
  readonly sequence: number;
  readonly at: string;
  readonly topic: EventTopic;
  readonly level: 'info' | 'warn' | 'error';
  /** For programs. */
  readonly code: EventCode;
  /** For people. */
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type EventTopic = 'health' | 'lease' | 'peer' | 'kernel' | 'config' | 'registry';

export type EventCode =
  | HealthV1
  | LeaseEventCode
  | RegistryEventCode
  | ConfigEventCode
  | PeerEventCode
  | KernelEventCode
  | OffloadEventCode;

/** Topic `lease`: this host's lease, and the leases of the cluster. */
export type LeaseEventCode =
  | 'lease-created'
  | 'lease-adopted'
  | 'lease-published'
  | 'lease-reserved'
  | 'lease-moved'
  | 'lease-lost'
  | 'lease-expiring'
  | 'subnet-changed'
  | 'own-key-removed'
  | 'key-overwritten'
  | 'public-ip-contested'
  | 'duplicate-public-ip'
  | 'subnet-overlap'
  | 'pool-exhausted'
  | 'bad-entry'
  | 'implied-backend-differs'
  | 'attempt-failed'
  /** A peer's lease was created or changed. */
  | 'lease-put'
  | 'lease-removed'
  /** More leases changed at once than get an event each. */
  | 'leases-changed';

/** Topic `registry`. */
export type RegistryEventCode = 'registry-unreachable' | 'registry-back' | 'registry-restored';

/** Topic `config`. */
export type ConfigEventCode = 'config-applied' | 'config-rejected';

/** Topic `peer`. */
export type PeerEventCode =
  | 'PEER_REJECTED'
  | 'PEER_FAILED'
  | 'PEER_RECOVERED'
  /** Continuous probes found that a peer answers, or ceased to. */
  | 'peer-reachable'
  | 'peer-silent'
  | 'peer-overlay-broken';

/** Topic `kernel`, from the reconciler. */
export type KernelEventCode =
  | 'KERNEL_DRIFT'
  | 'KERNEL_REPAIRED'
  | 'KERNEL_CONTESTED'
  | 'KERNEL_READ_FAILED'
  | 'KERNEL_NO_ANSWER'
  | 'ORPHANS_REMOVED'
  | 'ORPHAN_REMOVE_FAILED'
  | 'HOST_FAILED'
  | 'HOST_RECOVERED'
  | 'LINK_REPLACED'
  | 'SYSCTL_REJECTED';

/** Topic `kernel`: results of the checksum probes. */
export type OffloadEventCode =
  'offload-unknown' | 'offload-good' | 'offload-suspect' | 'offload-bad' | 'offload-off';
