// Events that change the state of a migration, and the effects that follow. Types only.
import type { BackendConfig } from '../../allocator/config/config.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import type { MigrationState } from './migration-state.ts';

/** Whether this host can use a backend. */
export type CanUse = (backend: BackendConfig) => boolean;

/** What the runner sees of kernel, registry and peers. */
export interface Observation {
  /** The kernel holds all that was derived last. */
  readonly isSettled: boolean;
  /** The registry shows the attributes that the state asks for. */
  readonly isPublished: boolean;
  /** Peers that are waited for. */
  readonly pending: number;
  /** Pending peers that announce another known transport. */
  readonly behind: number;
  /** Why a peer that is reachable now would be unreachable by the wanted transport. */
  readonly blocker?: string;
}

export type MigrationEvent =
  /** The own lease is known; `published` is what an earlier run left in it. */
  | { readonly kind: 'started'; readonly published: LeaseAttributes | undefined; readonly canUse: CanUse }
  | { readonly kind: 'backend-changed'; readonly backend: BackendConfig; readonly canUse: CanUse }
  /** Facts about the host changed, and with them what it can use. */
  | { readonly kind: 'host-changed'; readonly canUse: CanUse }
  /** Leases of peers came or changed. */
  | { readonly kind: 'peers-changed'; readonly leases: readonly Lease[]; readonly canUse: CanUse }
  /** Attributes were derived, by transport id. */
  | { readonly kind: 'attributes-derived'; readonly attributes: ReadonlyMap<string, LeaseAttributes> }
  | ({ readonly kind: 'observed' } & Observation);

export type MigrationEffect =
  /** Derive the kernel state of this host and all peers again. */
  | { readonly kind: 'derive' }
  /** Publish the attributes of the state. */
  | { readonly kind: 'publish' }
  | { readonly kind: 'report-state' }
  | { readonly kind: 'report-blocker'; readonly blocker: string }
  | { readonly kind: 'report-dropped'; readonly transport: string };

export interface Transition {
  readonly state: MigrationState;
  readonly effects: readonly MigrationEffect[];
}
