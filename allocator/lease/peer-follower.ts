// What both managers of a lease do with what the registry has of others: they know the peers, and report
// changes and anomalies of them. Nothing here decides about the own lease.
import type { IpAddress } from '../../lib/address.ts';
import type { NetworkConfig } from '../config/config.ts';
import type { InvalidEntry, Lease } from '../lease.ts';
import type { RegistryCacheChange } from '../registry/cache-listeners.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';
import type { LeaseListener } from './lease-events.ts';
import { PeerIndex, type LocalNode } from './peer-index.ts';
import { RegistryAuditor } from './registry-auditor.ts';

export interface PeerFollowerOptions {
  /** Started, and read at least once. */
  readonly cache: RegistryCache;
  readonly config: NetworkConfig;
  readonly listener: LeaseListener;
}

export interface ChangeHooks {
  /** Called before peers are updated. */
  readonly before: (change: RegistryCacheChange) => void;
  /** Called with the keys that changed, after the listener. */
  readonly after: (changed: readonly string[]) => void;
}

export abstract class PeerFollower {
  readonly #cache: RegistryCache;
  readonly #listener: LeaseListener;
  readonly #index: PeerIndex;
  readonly #auditor: RegistryAuditor;
  #unsubscribe: (() => void) | undefined;

  constructor({ cache, config, listener }: PeerFollowerOptions, localNode: LocalNode) {
    this.#cache = cache;
    this.#listener = listener;
    this.#index = new PeerIndex(cache.leases, localNode);
    this.#auditor = new RegistryAuditor({
      cache,
      peers: this.#index,
      isBackendDefaulted: config.isBackendDefaulted,
      onEvent: (event) => listener.onEvent(event),
    });
  }

  get peers(): ReadonlyMap<string, Lease> {
    return this.#index.peers;
  }

  /** Leases under other keys with this host's public address. No peers. */
  get duplicates(): ReadonlyMap<string, Lease> {
    return this.#index.duplicates;
  }

  get overlapping(): ReadonlySet<string> {
    return this.#index.overlapping;
  }

  get invalidEntries(): ReadonlyMap<string, InvalidEntry> {
    return this.#cache.invalidEntries;
  }

  protected setLocalNode(localNode: LocalNode): void {
    this.#notify(this.#index.setLocalNode(localNode));
  }

  /** Reports other keys that collide with the own one. */
  protected auditOwnKey(key: string, identity: IpAddress): void {
    this.#auditor.checkOwnKey(key, identity);
  }

  /** Reports all peers, and their changes from now on. Returns false if it has been called before. */
  protected follow({ after, before }: ChangeHooks): boolean {
    if (this.#unsubscribe !== undefined) return false;
    this.#unsubscribe = this.#cache.subscribe({
      onChange: (change) => {
        const changed = [...change.put, ...change.removed];
        before(change);
        this.#notify(this.#index.update(changed));
        this.#auditor.check(changed);
        after(changed);
      },
      onConnection: (isConnected, error) => this.#auditor.onConnection(isConnected, error),
    });
    // The cache may have changed since it was indexed.
    this.#index.update([...this.peers.keys(), ...this.duplicates.keys(), ...this.#cache.leases.keys()]);
    this.#notify(new Set(this.peers.keys()));
    this.#auditor.check(this.#cache.entries.keys());
    return true;
  }

  protected endFollowing(): void {
    this.#unsubscribe?.();
  }

  #notify(changedKeys: ReadonlySet<string>): void {
    if (changedKeys.size > 0) this.#listener.onPeers(changedKeys);
  }
}
