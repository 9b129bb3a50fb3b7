// Who the peers are: all leases of the registry except this host's own key and others that bear this host's public
// address, which would route to ourselves. Kept up to date key by key; a change of k keys costs O(k).
import { subnetsOverlap } from './lease-decision.ts';
import { belongsTo, isSameHost } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { Lease, LeaseSubnets } from '../lease.ts';

/** What this host knows about itself when it looks at others. */
export interface Self extends NodeIdentity {
  /** Unset while this host has no key, or another host has it. */
  readonly own?: { readonly key: string; readonly subnets: LeaseSubnets };
}

export class PeerIndex {
  readonly peers = new Map<string, Lease>();
  /** Keys with our public address that are not our key: leaked by us, or another host with the same address. */
  readonly duplicates = new Map<string, Lease>();
  /** Peers whose subnets share addresses with ours. */
  readonly overlapping = new Set<string>();
  readonly #leases: ReadonlyMap<string, Lease>;
  #self: Self;

  /** @param leases - the live map of the registry's copy. */
  constructor(leases: ReadonlyMap<string, Lease>, self: Self) {
    this.#leases = leases;
    this.#self = self;
    this.update(leases.keys());
  }

  /** Looks at these keys again; returns those whose peer came, went or changed. */
  update(keys: Iterable<string>): Set<string> {
    const changed = new Set<string>();
    for (const key of keys) if (this.#classify(key)) changed.add(key);
    return changed;
  }

  /** Sees the registry with other eyes from now on; returns the keys whose peer came or went by that. */
  setSelf(self: Self): Set<string> {
    const before = this.#self;
    this.#self = self;
    if (!isSameHost(before, self)) return this.update(this.#leases.keys());
    if (before.own?.key === self.own?.key) return new Set();
    this.overlapping.clear();
    for (const lease of this.peers.values()) this.#noteOverlap(lease);
    return this.update([before.own?.key, self.own?.key].filter((key) => key !== undefined));
  }

  #classify(key: string): boolean {
    const lease = this.#leases.get(key);
    const kind = lease === undefined ? 'none' : this.#kindOf(lease);
    this.overlapping.delete(key);
    this.duplicates.delete(key);
    if (lease !== undefined && kind === 'duplicate') this.duplicates.set(key, lease);
    if (lease === undefined || kind !== 'peer') return this.peers.delete(key);
    this.#noteOverlap(lease);
    const isNews = this.peers.get(key) !== lease;
    this.peers.set(key, lease);
    return isNews;
  }

  #kindOf(lease: Lease): 'own' | 'duplicate' | 'peer' {
    if (lease.key === this.#self.own?.key) return 'own';
    return belongsTo(lease.attributes, this.#self) ? 'duplicate' : 'peer';
  }

  #noteOverlap(lease: Lease): void {
    const own = this.#self.own;
    if (own !== undefined && lease.key !== own.key && subnetsOverlap(lease.subnets, own.subnets))
      this.overlapping.add(lease.key);
  }
}
