// What the daemon needs of the manager of this host's lease, whether subnets are claimed or assigned.
// Types only.
import type { IpAddress } from '../../lib/address.ts';
import type { NetworkConfig } from '../config/config.ts';
import type { InvalidEntry, Lease } from '../lease.ts';
import type { LeaseManagerState, OwnLease } from './lease-events.ts';
import type { NodeIdentity } from './node-identity.ts';

export interface LeaseKeeper {
  /** The lease as last confirmed; kept while it is lost, until another takes its place. */
  readonly own: OwnLease | undefined;
  /** Whether the lease is known to be this host's now. */
  readonly isHeld: boolean;
  readonly peers: ReadonlyMap<string, Lease>;
  /** Leases under other keys with this host's public address. No peers. */
  readonly duplicates: ReadonlyMap<string, Lease>;
  /** Keys of peers whose subnets share addresses with the own ones. */
  readonly overlapping: ReadonlySet<string>;
  readonly invalidEntries: ReadonlyMap<string, InvalidEntry>;
  readonly nodeId: IpAddress;
  readonly state: LeaseManagerState;
  /** What blocks progress; unset when the lease is held. */
  readonly lastError: Error | undefined;
  start(): void;
  /** Ends timers and calls at once. What is published stays. */
  stop(): void;
  /**
   * Gives the subnet back and stops. After a rejection the lease is kept as before.
   * @throws LeaseAdminError or RegistryError
   */
  release(): Promise<void>;
  /** Derives the attributes again and publishes them if they changed. */
  publish(): void;
  /** Whether one of `keys` is the own key, or another key with this host's public address. */
  isOwnAmong(keys: ReadonlySet<string>): boolean;
  /** Writes the own key as it is, where keys may be written by two hosts. */
  touch(): Promise<void>;
  /** Addresses of the underlay that no claimed subnet may hold. */
  setUnderlay(addresses: readonly IpAddress[]): void;
  /** This host has other public addresses from now on. */
  setIdentity(node: NodeIdentity): void;
  /** Another network config is in force from now on. */
  setConfig(config: NetworkConfig): void;
}
