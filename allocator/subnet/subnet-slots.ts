// Subnets of one family as slot numbers and back. A slot is the distance from the first subnet of
// the range, in subnets. Numbers for IPv4; for IPv6 big integers at the edge only, as its slots
// beyond 2^48 are never offered.
import {
  addressOf,
  fromBigInt,
  ipv4FromNumber,
  ipv4ToNumber,
  prefixLengthOf,
  toBigInt,
} from '../../lib/address.ts';
import type { Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';
import type { Ipv4Range, Ipv6Range } from '../config/config.ts';
import type { SlotRun } from './free-slots.ts';

/** Most slots that are offered to hosts, so that a slot is always an exact number. */
const MAX_USABLE_SLOTS = 2 ** 48;

export class Ipv4Slots {
  /** Slots of the range; all of them are offered. */
  readonly total: number;
  readonly usable: number;
  readonly #first: number;
  readonly #length: number;
  /** Addresses of a subnet. */
  readonly #step: number;

  constructor(range: Ipv4Range) {
    this.#first = ipv4ToNumber(range.min);
    this.#length = range.subnetLength;
    this.#step = 2 ** (32 - range.subnetLength);
    this.total = (ipv4ToNumber(range.max) - this.#first) / this.#step + 1;
    this.usable = this.total;
  }

  at(slot: number): Ipv4Cidr {
    return `${ipv4FromNumber(this.#first + slot * this.#step)}/${this.#length}` as Ipv4Cidr;
  }

  includes(cidr: Ipv4Cidr): boolean {
    const slot = (ipv4ToNumber(cidr) - this.#first) / this.#step;
    return prefixLengthOf(cidr) === this.#length && slot >= 0 && slot < this.total && Number.isInteger(slot);
  }

  /** Slots that share an address with `cidr`, which may be of any length and lie anywhere. */
  runOf(cidr: Ipv4Cidr): SlotRun {
    const start = ipv4ToNumber(cidr) - this.#first;
    const end = start + 2 ** (32 - prefixLengthOf(cidr)) - 1;
    return { first: Math.floor(start / this.#step), last: Math.floor(end / this.#step) };
  }
}

export class Ipv6Slots {
  /** Slots of the range, rounded beyond 2^53. */
  readonly total: number;
  /** Slots that are offered, from the first on. */
  readonly usable: number;
  readonly #first: bigint;
  readonly #last: bigint;
  readonly #length: number;
  /** Address bits below the subnet prefix. */
  readonly #hostBits: bigint;

  constructor(range: Ipv6Range) {
    this.#first = toBigInt(range.min);
    this.#last = toBigInt(range.max);
    this.#length = range.subnetLength;
    this.#hostBits = BigInt(128 - range.subnetLength);
    this.total = Number(((this.#last - this.#first) >> this.#hostBits) + 1n);
    this.usable = Math.min(this.total, MAX_USABLE_SLOTS);
  }

  at(slot: number): Ipv6Cidr {
    const address = fromBigInt(this.#first + (BigInt(slot) << this.#hostBits), 6) as Ipv6;
    return `${address}/${this.#length}` as Ipv6Cidr;
  }

  includes(cidr: Ipv6Cidr): boolean {
    const address = toBigInt(addressOf(cidr));
    const isAligned = (address >> this.#hostBits) << this.#hostBits === address;
    return (
      prefixLengthOf(cidr) === this.#length && address >= this.#first && address <= this.#last && isAligned
    );
  }

  /**
   * Slots that share an address with `cidr`. Far away ones are rounded, and lie outside what is
   * offered all the same.
   */
  runOf(cidr: Ipv6Cidr): SlotRun {
    const start = toBigInt(addressOf(cidr)) - this.#first;
    const end = start + (1n << BigInt(128 - prefixLengthOf(cidr))) - 1n;
    return { first: Number(start >> this.#hostBits), last: Number(end >> this.#hostBits) };
  }
}
