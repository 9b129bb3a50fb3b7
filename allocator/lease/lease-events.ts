// What the lease manager reports to the daemon: the own lease, its state, the peers, and events for
// the operator. Types only; the daemon makes log lines and metrics of them.
import type { IpAddress } from '../../lib/address.ts';
import type { LeaseAttributes, LeaseSubnets } from '../lease.ts';
import type { LeaseId, Revision } from '../registry/registry.ts';

/** This host's lease as last confirmed by the registry. */
export interface OwnLease {
  readonly key: string;
  readonly subnets: LeaseSubnets;
  readonly attributes: LeaseAttributes;
  /** `'0'` for a reservation. */
  readonly leaseId: LeaseId;
  readonly modRevision: Revision;
  readonly isReservation: boolean;
  /** When it ends unless it is renewed, on the manager's clock; infinite for a reservation. */
  readonly expiresAtMs: number;
}

/** See the table at the head of `lease-state-machine.ts`. */
export type LeaseManagerState =
  'waiting' | 'acquiring' | 'held' | 'expiring' | 'lost' | 'exhausted' | 'stopped';

/**
 * `updated`: same subnets, or one of another family more or less, but other attributes, registry
 * lease, or now (no longer) a reservation.
 */
export type OwnLeaseChange = 'acquired' | 'updated' | 'subnet-changed';

/**
 * `deleted`: the key is gone; `expired`: its registry lease is; `overlap`: another key was there
 * first; `unfit`: the network config does not allow its subnets any more.
 */
export type LossReason = 'deleted' | 'expired' | 'overwritten' | 'overlap' | 'incompatible';

/** `level` is the log level. */
export type LeaseEvent =
  | { readonly level: 'info'; readonly code: 'lease-created' | 'lease-adopted'; readonly key: string }
  | { readonly level: 'info'; readonly code: 'lease-published'; readonly key: string }
  | { readonly level: 'info'; readonly code: 'lease-reserved'; readonly key: string }
  | { readonly level: 'warn'; readonly code: 'lease-lost'; readonly key: string; readonly reason: LossReason }
  | { readonly level: 'warn'; readonly code: 'lease-expiring'; readonly key: string }
  /**
   * A subnet of one family came or went, and with it the key changed; the other family's subnet is
   * the same.
   */
  | { readonly level: 'info'; readonly code: 'lease-moved'; readonly key: string; readonly from: string }
  /** `from` is the subnet held before, by this process or according to subnet.env. */
  | {
      readonly level: 'error';
      readonly code: 'subnet-changed';
      readonly from: LeaseSubnets;
      readonly to: LeaseSubnets;
    }
  /** A key of this host that does not fit the config, or that it leaked. */
  | { readonly level: 'info'; readonly code: 'own-key-removed'; readonly key: string }
  /** `by` is unset if the value was garbage. `count`: how often in a row. */
  | {
      readonly level: 'warn';
      readonly code: 'key-overwritten';
      readonly key: string;
      readonly by?: LeaseAttributes;
      readonly count: number;
    }
  /** Another host keeps overwriting the own key: it publishes the same public address. */
  | {
      readonly level: 'error';
      readonly code: 'public-ip-contested';
      readonly key: string;
      readonly identity: IpAddress;
      readonly count: number;
    }
  /**
   * Another key has this host's public address: another host has it too, or an earlier process left
   * the key.
   */
  | {
      readonly level: 'warn';
      readonly code: 'duplicate-public-ip';
      readonly key: string;
      readonly identity: IpAddress;
    }
  | {
      readonly level: 'error';
      readonly code: 'subnet-overlap';
      readonly key: string;
      readonly peerKey: string;
    }
  | { readonly level: 'error'; readonly code: 'pool-exhausted'; readonly error: Error }
  | { readonly level: 'warn'; readonly code: 'bad-entry'; readonly key: string; readonly reason: string }
  /**
   * The config names no backend, and this peer took flannel's default, which weft does not take.
   */
  | { readonly level: 'warn'; readonly code: 'implied-backend-differs'; readonly peerKey: string }
  | { readonly level: 'warn'; readonly code: 'registry-unreachable'; readonly error: Error }
  | { readonly level: 'info'; readonly code: 'registry-back' }
  | { readonly level: 'warn'; readonly code: 'registry-restored' }
  | { readonly level: 'warn'; readonly code: 'attempt-failed'; readonly error: Error };

/** Called at once; must not throw. The manager's getters show the new state already. */
export interface LeaseListener {
  onOwnLease(own: OwnLease, change: OwnLeaseChange): void;
  /** Keys whose peer came, went or changed. */
  onPeers(changedKeys: ReadonlySet<string>): void;
  onState(state: LeaseManagerState, before: LeaseManagerState): void;
  onEvent(event: LeaseEvent): void;
}
