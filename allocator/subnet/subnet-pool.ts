// Which subnets a host may lease, and which of the free ones it should try. Policy only: no
// registry, no clock, and no chance but a hash, so that the same host makes the same choices.
import { createHash } from 'node:crypto';
import { contains, familyOf } from '../../lib/address.ts';
import { defined } from '../../lib/defined.ts';
import type { Cidr, IpAddress } from '../../lib/address.ts';
import type { NetworkConfig } from '../config/config.ts';
import { FreeSlots } from './free-slots.ts';
import type { SlotRun } from './free-slots.ts';
import type { LeaseSubnets } from '../lease.ts';
import { Ipv4Slots, Ipv6Slots } from './subnet-slots.ts';

/** How full a pool is, in host subnets. Beyond 2^53 the numbers are rounded. */
export interface PoolUsage {
  readonly size: number;
  readonly used: number;
  readonly free: number;
}

/**
 * All host subnets of a network config. A slot is the distance of a subnet from the pool's first
 * one; the IPv6 subnet of a dual-stack host has the slot of its IPv4 subnet, so that a key that
 * guards one guards both.
 */
export class SubnetPool {
  readonly #ipv4: Ipv4Slots | undefined;
  readonly #ipv6: Ipv6Slots | undefined;
  readonly #networks: readonly Cidr[];

  constructor(config: Pick<NetworkConfig, 'ipv4' | 'ipv6'>) {
    this.#ipv4 = config.ipv4 && new Ipv4Slots(config.ipv4);
    this.#ipv6 = config.ipv6 && new Ipv6Slots(config.ipv6);
    this.#networks = [config.ipv4, config.ipv6].flatMap((range) => range?.network ?? []);
  }

  /**
   * How many hosts can have a subnet: dual-stack hosts need one of either family. Rounded beyond
   * 2^53.
   */
  get size(): number {
    return Math.min(this.#ipv4?.total ?? Infinity, this.#ipv6?.total ?? Infinity);
  }

  /**
   * Whether a host may hold `subnets`: the config's families, its subnet length, its range, on a
   * slot's boundary.
   */
  isCompatible({ ipv4, ipv6 }: LeaseSubnets): boolean {
    if ((ipv4 === undefined) !== (this.#ipv4 === undefined)) return false;
    if ((ipv6 === undefined) !== (this.#ipv6 === undefined)) return false;
    return (
      (ipv4 === undefined || this.#ipv4?.includes(ipv4) === true) &&
      (ipv6 === undefined || this.#ipv6?.includes(ipv6) === true)
    );
  }

  /** Whether `address` lies in the networks, so that a subnet may hold it. */
  contains(address: IpAddress): boolean {
    return this.#networks.some(
      (network) => familyOf(network) === familyOf(address) && contains(network, address),
    );
  }

  /** What of `subnets` a host may hold: those of the config's families, each separately. */
  compatiblePart({ ipv4, ipv6 }: LeaseSubnets): LeaseSubnets {
    return {
      ...(ipv4 !== undefined && this.#ipv4?.includes(ipv4) === true ? { ipv4 } : {}),
      ...(ipv6 !== undefined && this.#ipv6?.includes(ipv6) === true ? { ipv6 } : {}),
    };
  }

  /**
   * Whether a host with `subnets` must get another one of a family that it has and the config has,
   * too.
   */
  renumbers(subnets: LeaseSubnets): boolean {
    const { ipv4, ipv6 } = this.compatiblePart(subnets);
    const isOther4 = this.#ipv4 !== undefined && ipv4 !== subnets.ipv4;
    return isOther4 || (this.#ipv6 !== undefined && ipv6 !== subnets.ipv6);
  }

  /**
   * `kept`, which is compatible and not empty, with a free subnet for each family that it lacks:
   * the one of `wished` if that is free, else the one with the same slot, else the next;
   * `undefined` if such a family has none.
   */
  fillFamilies(
    kept: LeaseSubnets,
    taken: Iterable<LeaseSubnets>,
    wished: LeaseSubnets = {},
  ): LeaseSubnets | undefined {
    const free = this.#freeSlots(taken);
    const slot = this.#slotOf(kept);
    const ipv4 = kept.ipv4 ?? partnerOf(slot, { slots: this.#ipv4, free: free.ipv4, wished: wished.ipv4 });
    const ipv6 = kept.ipv6 ?? partnerOf(slot, { slots: this.#ipv6, free: free.ipv6, wished: wished.ipv6 });
    const subnets = { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
    return this.isCompatible(subnets) ? subnets : undefined;
  }

  #slotOf({ ipv4, ipv6 }: LeaseSubnets): number {
    const run = ipv4 === undefined ? ipv6 !== undefined && this.#ipv6?.runOf(ipv6) : this.#ipv4?.runOf(ipv4);
    return run ? run.first : 0;
  }

  /**
   * Up to `count` distinct free subnets for the host `identity`, best first; none only if the pool
   * is exhausted. The first is the host's preferred subnet, a hash of its identity, if that is
   * free; the others are spread evenly over all free ones and differ with `attempt` (lost races so
   * far), so that many hosts that start at once rarely meet, nor meet again.
   */
  candidates(
    identity: string,
    taken: Iterable<LeaseSubnets>,
    attempt: number,
    count: number,
  ): LeaseSubnets[] {
    const { ipv4, ipv6, both } = this.#freeSlots(taken);
    const paired = chooseSlots(both, identity, attempt, count);
    if (paired.length > 0) return paired.map((slot) => this.#at(slot, slot));
    if (ipv4 === undefined || ipv6 === undefined) return [];
    // No slot is free in both families: pair the rest as it comes. Overlaps in IPv6 are then found
    // only by reading.
    return chooseSlots(ipv4, identity, attempt, count).flatMap((slot) => {
      const slot6 = ipv6.next(slot % ipv6.size);
      return slot6 === undefined ? [] : [this.#at(slot, slot6)];
    });
  }

  /** Counts the subnets that hosts can still get, given what is taken. */
  usage(taken: Iterable<LeaseSubnets>): PoolUsage {
    const { ipv4, ipv6 } = this.#freeSlots(taken);
    const free = Math.min(ipv4?.count ?? Infinity, ipv6?.count ?? Infinity);
    const slots = Math.min(ipv4?.size ?? Infinity, ipv6?.size ?? Infinity);
    const used = slots - free;
    return { size: this.size, used, free: this.size - used };
  }

  #at(slot4: number, slot6: number): LeaseSubnets {
    return {
      ...(this.#ipv4 && { ipv4: this.#ipv4.at(slot4) }),
      ...(this.#ipv6 && { ipv6: this.#ipv6.at(slot6) }),
    };
  }

  /** `both`: slots whose subnets are free in every family of the config. */
  #freeSlots(taken: Iterable<LeaseSubnets>): { ipv4?: FreeSlots; ipv6?: FreeSlots; both: FreeSlots } {
    const runs4: SlotRun[] = [];
    const runs6: SlotRun[] = [];
    for (const { ipv4, ipv6 } of taken) {
      if (ipv4 !== undefined && this.#ipv4) runs4.push(this.#ipv4.runOf(ipv4));
      if (ipv6 !== undefined && this.#ipv6) runs6.push(this.#ipv6.runOf(ipv6));
    }
    const ipv4 = this.#ipv4 && new FreeSlots(this.#ipv4.usable, runs4);
    const ipv6 = this.#ipv6 && new FreeSlots(this.#ipv6.usable, runs6);
    // Most networks have one family, and then sorting its slots once is enough.
    if (ipv4 === undefined || ipv6 === undefined)
      return defined({ ipv4, ipv6, both: ipv4 ?? ipv6 ?? new FreeSlots(0, []) });
    const both = new FreeSlots(Math.min(ipv4.size, ipv6.size), [...runs4, ...runs6]);
    return { ipv4, ipv6, both };
  }
}

interface Partners<Subnet> {
  readonly slots:
    | { at(slot: number): Subnet; includes(subnet: Subnet): boolean; runOf(subnet: Subnet): SlotRun }
    | undefined;
  readonly free: FreeSlots | undefined;
  readonly wished: Subnet | undefined;
}

function partnerOf<Subnet>(slot: number, { slots, free, wished }: Partners<Subnet>): Subnet | undefined {
  if (slots === undefined || free === undefined) return undefined;
  if (wished !== undefined && slots.includes(wished) && free.isFree(slots.runOf(wished).first)) return wished;
  const next = free.next(slot % free.size);
  return next === undefined ? undefined : slots.at(next);
}

function chooseSlots(free: FreeSlots, identity: string, attempt: number, count: number): number[] {
  const chosen = new Set<number>();
  const wanted = Math.min(count, free.count);
  const preferred = hash(identity) % free.size;
  if (wanted > 0 && free.isFree(preferred)) chosen.add(preferred);
  for (let index = 0; chosen.size < wanted; index++) {
    let rank = hash(`${identity} ${attempt} ${index}`) % free.count;
    while (chosen.has(free.at(rank))) rank = (rank + 1) % free.count;
    chosen.add(free.at(rank));
  }
  return [...chosen];
}

/**
 * 48 bits of SHA-256: as many as the most slots that a pool offers, and far more than any IPv4 pool
 * has.
 */
function hash(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6);
}
