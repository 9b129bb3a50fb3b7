// Finds leases that take packets of other peers: a subnet that holds a peer's public address, which
// would then be reached through the overlay, and a subnet that overlaps a peer's. Among equal lengths,
// as nearly all leases have, a change costs one lookup.
import {
  addToAddress,
  addressOf,
  bitsOf,
  contains,
  familyOf,
  networkOf,
  prefixLengthOf,
} from '../../lib/address.ts';
import { MultiMap } from '../../lib/multi-map.ts';
import type { Cidr, Family, IpAddress } from '../../lib/address.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { subnetAround } from '../../allocator/lease.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { PeerClashes as Clashes } from '../../backends/backend.ts';
import { FAMILIES, familiesOf, publicIpOf, rangeOf, subnetOf } from '../../backends/address-family.ts';

export class PeerClashes implements Clashes {
  #config: NetworkConfig;
  readonly #leases = new Map<string, Lease>();
  /** Keys by subnet, and subnets by prefix length. */
  readonly #keys = new MultiMap<Cidr, string>();
  readonly #lengths: Readonly<Record<Family, Map<number, Set<Cidr>>>> = { 4: new Map(), 6: new Map() };
  /** Public addresses inside the network, by key: none in most clusters. */
  readonly #inside = new Map<string, readonly IpAddress[]>();
  /** Keys of {@link #inside} by the subnet of usual length around each address. */
  readonly #insideBySubnet = new MultiMap<Cidr, string>();

  constructor(config: NetworkConfig) {
    this.#config = config;
  }

  setConfig(config: NetworkConfig): void {
    for (const key of this.#leases.keys()) this.#dropInside(key);
    this.#config = config;
    for (const [key, lease] of this.#leases) this.#setInside(key, lease);
  }

  /**
   * The lease under `key` is `peer`, or gone. Returns other keys whose answer may be another now.
   */
  set(key: string, peer: Lease | undefined): ReadonlySet<string> {
    const affected = new Set<string>();
    const before = this.#leases.get(key);
    if (before !== undefined) {
      this.#collect(before, affected);
      this.#unindex(before);
    }
    if (peer === undefined) this.#leases.delete(key);
    else {
      this.#leases.set(key, peer);
      this.#index(peer);
      this.#collect(peer, affected);
    }
    affected.delete(key);
    return affected;
  }

  clashOf(key: string, subnet: Cidr): string | undefined {
    return this.#addressClash(key, subnet) ?? this.#overlapClash(key, subnet);
  }

  #addressClash(key: string, subnet: Cidr): string | undefined {
    const family = familyOf(subnet);
    const isUsual = prefixLengthOf(subnet) === this.#usualLength(family);
    const others = isUsual ? this.#insideBySubnet.get(subnet) : this.#inside.keys();
    for (const other of others) {
      const addresses = this.#inside.get(other) ?? [];
      const found = addresses.find((each) => familyOf(each) === family && contains(subnet, each));
      if (other !== key && found !== undefined)
        return `its subnet ${subnet} contains ${found}, the public address of the peer ${other}`;
    }
    return undefined;
  }

  /**
   * Of two that overlap, the one without the network's subnet length is refused, so that no single key
   * cuts off hosts whose subnets are as the network config says; then the longer one. One subnet under
   * two keys is the reconciler's to decide.
   */
  #overlapClash(key: string, subnet: Cidr): string | undefined {
    const length = prefixLengthOf(subnet);
    const usual = this.#usualLength(familyOf(subnet));
    if (length === usual) return undefined;
    for (const other of this.#overlapping(subnet)) {
      const otherLength = prefixLengthOf(other);
      const isRefused = otherLength === usual || otherLength < length;
      const owner = this.#keys.get(other).find((each) => each !== key);
      if (other === subnet || !isRefused || owner === undefined) continue;
      const relation = otherLength < length ? 'lies inside' : 'contains';
      return `its subnet ${subnet} ${relation} ${other} of the peer ${owner}: remove one of the two keys`;
    }
    return undefined;
  }

  /** Subnets of leases that share an address with `subnet`, itself included. */
  #overlapping(subnet: Cidr): readonly Cidr[] {
    const found: Cidr[] = [];
    const length = prefixLengthOf(subnet);
    for (const [otherLength, subnets] of this.#lengths[familyOf(subnet)]) {
      const wider = otherLength <= length ? widened(subnet, length, otherLength) : undefined;
      if (wider !== undefined && subnets.has(wider)) found.push(wider);
      if (wider === undefined) found.push(...subnetsInside(subnet, otherLength, subnets));
    }
    return found;
  }

  /** Keys whose answer depends on `lease`. */
  #collect(lease: Lease, into: Set<string>): void {
    const inside = this.#inside.get(lease.key) ?? [];
    const around = inside.map(subnetAround);
    for (const subnets of [lease.subnets, ...around])
      for (const family of FAMILIES) {
        const subnet = subnetOf(subnets, family);
        if (subnet === undefined) continue;
        for (const other of this.#overlapping(subnet)) for (const key of this.#keys.get(other)) into.add(key);
      }
  }

  #index(lease: Lease): void {
    this.#setInside(lease.key, lease);
    for (const family of FAMILIES) {
      const subnet = subnetOf(lease.subnets, family);
      if (subnet === undefined) continue;
      this.#keys.add(subnet, lease.key);
      addTo(this.#lengths[family], prefixLengthOf(subnet), subnet);
    }
  }

  #unindex(lease: Lease): void {
    this.#dropInside(lease.key);
    for (const family of FAMILIES) {
      const subnet = subnetOf(lease.subnets, family);
      if (subnet === undefined) continue;
      this.#keys.delete(subnet, lease.key);
      if (!this.#keys.has(subnet)) removeFrom(this.#lengths[family], prefixLengthOf(subnet), subnet);
    }
  }

  #setInside(key: string, lease: Lease): void {
    const addresses = familiesOf(this.#config).flatMap((family): IpAddress[] => {
      const address = publicIpOf(lease.attributes, family);
      const network = rangeOf(this.#config, family)?.network;
      return address !== undefined && network !== undefined && contains(network, address) ? [address] : [];
    });
    if (addresses.length === 0) return;
    this.#inside.set(key, addresses);
    for (const address of addresses) this.#insideBySubnet.add(this.#usualSubnet(address), key);
  }

  #dropInside(key: string): void {
    for (const address of this.#inside.get(key) ?? [])
      this.#insideBySubnet.delete(this.#usualSubnet(address), key);
    this.#inside.delete(key);
  }

  #usualSubnet(address: IpAddress): Cidr {
    return networkOf(address, this.#usualLength(familyOf(address)) ?? 0);
  }

  #usualLength(family: Family): number | undefined {
    return rangeOf(this.#config, family)?.subnetLength;
  }
}

/** The network of `length` around `subnet`, whose own length is `from`: without arithmetic for most. */
function widened(subnet: Cidr, from: number, length: number): Cidr {
  return from === length ? subnet : networkOf(addressOf(subnet), length);
}

/**
 * Those of `subnets`, all of `length`, inside `around`. After a change of the subnet length thousands
 * of leases have the shorter one: each tries the few longer ones inside it, not all that exist.
 */
function subnetsInside(around: Cidr, length: number, subnets: ReadonlySet<Cidr>): readonly Cidr[] {
  const count = 2 ** (length - prefixLengthOf(around));
  if (count > subnets.size) return [...subnets].filter((each) => contains(around, addressOf(each)));
  const step = 1n << BigInt(bitsOf(familyOf(around)) - length);
  return Array.from({ length: count }, (_, index) =>
    networkOf(addToAddress(addressOf(around), step * BigInt(index)), length),
  ).filter((each) => subnets.has(each));
}

function addTo<Key, Value>(index: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}

function removeFrom<Key, Value>(index: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const values = index.get(key);
  values?.delete(value);
  if (values?.size === 0) index.delete(key);
}
