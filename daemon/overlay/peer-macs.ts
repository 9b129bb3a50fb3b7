// VTEP MACs that peers publish, each with the keys that publish it. A change of k keys costs O(k).
import type { MacAddress } from '../../lib/address.ts';
import { MultiMap } from '../../lib/multi-map.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import { FAMILIES, backendDataOf } from '../../backends/address-family.ts';
import { parseVxlanData } from '../../backends/vxlan-backend-data.ts';

export class PeerMacs {
  readonly #macs = new Map<string, readonly MacAddress[]>();
  readonly #keys = new MultiMap<MacAddress, string>();

  /** Whether a peer publishes `mac`. */
  has(mac: MacAddress): boolean {
    return this.#keys.has(mac);
  }

  /** The lease under `key` is `peer`, or gone. */
  set(key: string, peer: Lease | undefined): void {
    for (const mac of this.#macs.get(key) ?? []) this.#keys.delete(mac, key);
    const macs = peer === undefined ? [] : macsOf(peer.attributes);
    if (macs.length === 0) this.#macs.delete(key);
    // A copy has no room for more, which takes 150 bytes.
    else this.#macs.set(key, [...macs]);
    for (const mac of macs) this.#keys.add(mac, key);
  }
}

/** VTEP MACs in `attributes`, of all families. */
export function macsOf(attributes: LeaseAttributes): readonly MacAddress[] {
  const macs: MacAddress[] = [];
  for (const family of FAMILIES) {
    const data = backendDataOf(attributes, family);
    const parsed = data === undefined ? undefined : parseVxlanData(data);
    if (parsed?.ok === true) macs.push(parsed.data.mac);
  }
  return macs;
}
