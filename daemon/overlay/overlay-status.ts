// What other parts of the daemon see of the overlay. Types only.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { MigrationState } from './migration-state.ts';

/** A migration between transports in progress. */
export interface MigrationStatus {
  readonly state: Exclude<MigrationState['kind'], 'steady'>;
  readonly announced: string;
  readonly wanted: string;
  /** Keys of peers that have not followed. */
  readonly pendingPeers: readonly string[];
  /** Why the wanted transport cannot be announced. */
  readonly blocker?: string;
}

/**
 * What this host takes part in: during a migration, or without IPv6, not all that the config says.
 */
export interface NetworkStatus {
  /** With the backend that is announced. */
  readonly config: NetworkConfig;
  /**
   * For containers, by whichever transport their packets leave; unset if nothing usable is left.
   */
  readonly mtu?: number;
}
