// What goes into the lease's state machine and what comes out of it: inputs, and effects for the
// manager to perform. A registry call is an effect whose result comes back as an input. Types only.
import type { IpAddress } from '../../lib/address.ts';
import type { NetworkConfig } from '../config/config.ts';
import type { Lease, LeaseAttributes } from '../lease.ts';
import type {
  CreateRequest,
  CreateResult,
  LeaseId,
  NewEntry,
  RegistryEntry,
  Revision,
  WriteResult,
} from '../registry/registry.ts';
import type { LeaseEvent, OwnLeaseChange } from './lease-events.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { LeaseGrant } from './registry-lease.ts';

/** What the registry's cache and the peer index show during one transition. */
export interface RegistryView {
  readonly isConnected: boolean;
  readonly revision: Revision;
  readonly entries: ReadonlyMap<string, RegistryEntry>;
  readonly leases: ReadonlyMap<string, Lease>;
  /** Leases with this host's address under other keys. */
  readonly duplicates: ReadonlyMap<string, Lease>;
  /** Keys of peers whose subnets overlap this host's. */
  readonly overlapping: ReadonlySet<string>;
}

export type LeaseInput =
  | { readonly kind: 'started'; readonly isConnected: boolean }
  /** The control loop has time for the next call. Never comes while one is pending. */
  | { readonly kind: 'step'; readonly registry: RegistryView }
  | {
      readonly kind: 'registry-changed';
      readonly removed: ReadonlySet<string>;
      /** Revision of the cache after the change. */
      readonly revision: Revision;
      /** The registry was restored from a backup: earlier revisions mean nothing any more. */
      readonly isRestored: boolean;
    }
  | { readonly kind: 'publish-requested' }
  | { readonly kind: 'identity-changed'; readonly node: NodeIdentity }
  | { readonly kind: 'config-changed'; readonly config: NetworkConfig }
  | { readonly kind: 'underlay-changed'; readonly addresses: readonly IpAddress[] }
  | { readonly kind: 'stopped' }
  | LeaseResult;

/** Results of effects. */
export type LeaseResult =
  | { readonly kind: 'resynced' }
  | { readonly kind: 'attributes-derived'; readonly attributes: LeaseAttributes }
  | ({ readonly kind: 'lease-granted' } & LeaseGrant)
  /** `ttlSec` is 0 if the lease does not exist any more. */
  | ({ readonly kind: 'lease-kept-alive' } & LeaseGrant)
  | { readonly kind: 'key-created'; readonly result: CreateResult }
  /** Answer to `update`, `move` and `remove`. `cacheRevision`: where the cache stands. */
  | { readonly kind: 'key-written'; readonly result: WriteResult; readonly cacheRevision: Revision }
  | { readonly kind: 'call-failed'; readonly call: LeaseCall['kind']; readonly error: Error };

/** Calls whose result the state machine waits for: at most one per transition, one at a time. */
export type LeaseCall =
  /** Asks the backend what to publish. `previous` is what is published. */
  | { readonly kind: 'derive-attributes'; readonly previous: LeaseAttributes | undefined }
  | { readonly kind: 'grant'; readonly ttlSec: number }
  | { readonly kind: 'keep-alive'; readonly leaseId: LeaseId }
  | { readonly kind: 'create'; readonly request: CreateRequest }
  | { readonly kind: 'update'; readonly entry: NewEntry; readonly expected: Revision }
  | { readonly kind: 'move'; readonly from: string; readonly entry: NewEntry; readonly expected: Revision }
  | { readonly kind: 'remove'; readonly key: string; readonly expected: Revision };

export type LeaseEffect =
  | LeaseCall
  /** Lists the registry again. The loop goes on meanwhile; `resynced` follows. */
  | { readonly kind: 'resync' }
  /** Revokes a lease without waiting; it expires by itself if that fails. */
  | { readonly kind: 'revoke'; readonly leaseId: LeaseId }
  /** Reports keys that collide with the own one. */
  | { readonly kind: 'audit-own-key'; readonly key: string }
  | { readonly kind: 'notify-own-lease'; readonly change: OwnLeaseChange }
  | { readonly kind: 'emit'; readonly event: LeaseEvent };
