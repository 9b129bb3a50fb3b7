// Index of the peers: all leases of the registry except this host's own key and other keys with its
// public address, which would route to itlocalNode. Updated key by key; a change of k keys costs
// O(k).
import { subnetsOverlap } from './choose-subnet.ts';
import { belongsTo, isSameNode } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';
import type { Lease, LeaseSubnets } from '../lease.ts';

/** This host, as opposed to its peers. */
export interface LocalNode extends NodeIdentity {
  /** Unset while this host has no key, or another host has it. */
  readonly own?: { readonly key: string; readonly subnets: LeaseSubnets };
}

export class PeerIndex {
  readonly peers = new Map<string, Lease>();
  /**
   * Other keys with this host's public address: leaked by it, or of a host with the same address.
   */
  readonly duplicates = new Map<string, Lease>();
  /** Peers whose subnets share addresses with the own ones. */
  readonly overlapping = new Set<string>();
  readonly #leases: ReadonlyMap<string, Lease>;
  #localNode: LocalNode;

  /** @param leases - live map of the registry cache. */
  constructor(leases: ReadonlyMap<string, Lease>, localNode: LocalNode) {
    this.#leases = leases;
    this.#localNode = localNode;
    this.update(leases.keys());
  }

  /** The leases of these keys may have changed; returns those whose peer came, went or changed. */
  update(keys: Iterable<string>): Set<string> {
    return this.#classifyAll(keys, (key) => !this.#isSamePeer(key));
  }

  /** All leases may have been written again as they were. */
  #isSamePeer(key: string): boolean {
    const peer = this.peers.get(key);
    return peer !== undefined && peer === this.#leases.get(key);
  }

  #classifyAll(keys: Iterable<string>, mayDiffer: (key: string) => boolean = () => true): Set<string> {
    const changed = new Set<string>();
    for (const key of keys) if (mayDiffer(key) && this.#classify(key)) changed.add(key);
    return changed;
  }

  /** The own key or identity changed; returns the keys whose peer came or went with that. */
  setLocalNode(localNode: LocalNode): Set<string> {
    const before = this.#localNode;
    this.#localNode = localNode;
    if (!isSameNode(before, localNode)) return this.#classifyAll(this.#leases.keys());
    if (before.own?.key === localNode.own?.key && before.own?.subnets === localNode.own?.subnets)
      return new Set();
    this.overlapping.clear();
    for (const lease of this.peers.values()) this.#recordOverlap(lease);
    return this.#classifyAll([before.own?.key, localNode.own?.key].filter((key) => key !== undefined));
  }

  #classify(key: string): boolean {
    const lease = this.#leases.get(key);
    const kind = lease === undefined ? 'none' : this.#kindOf(lease);
    this.overlapping.delete(key);
    this.duplicates.delete(key);
    if (lease !== undefined && kind === 'duplicate') this.duplicates.set(key, lease);
    if (lease === undefined || kind !== 'peer') return this.peers.delete(key);
    this.#recordOverlap(lease);
    const isChanged = this.peers.get(key) !== lease;
    this.peers.set(key, lease);
    return isChanged;
  }

  #kindOf(lease: Lease): 'own' | 'duplicate' | 'peer' {
    if (lease.key === this.#localNode.own?.key) return 'own';
    return belongsTo(lease.attributes, this.#localNode) ? 'duplicate' : 'peer';
  }

  #recordOverlap(lease: Lease): void {
    const own = this.#localNode.own;
    if (own !== undefined && lease.key !== own.key && subnetsOverlap(lease.subnets, own.subnets))
      this.overlapping.add(lease.key);
  }
}
