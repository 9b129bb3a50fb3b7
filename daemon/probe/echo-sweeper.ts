// Echoes to many addresses at a time (native/probe/echo-sweep.h): one call sends some hundred, one
// reads their answers, so that a peer costs some microseconds.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { randomBytes, randomInt } from 'node:crypto';
import {
  familyOf,
  ipv4ToNumber,
  toBigInt,
  type Family,
  type IpAddress,
  type Ipv4,
} from '../../lib/address.ts';
import { delay, type Clock } from '../../lib/clock.ts';
import { FAMILIES } from '../../backends/address-family.ts';
import type { NativeEchoSweep } from '../../native/index.ts';

export interface EchoSweeperOptions {
  readonly native: NativeEchoSweep;
  readonly clock: Clock;
}

/** Addresses of one call; a call takes less than a millisecond. */
const ADDRESSES_PER_CALL = 256;
/** Pauses between two reads, in ms; the last one repeats. */
const PAUSES_MS = [2, 8, 30, 60] as const;
const TOKEN_BYTES = 8;

interface Socket {
  readonly fd: number;
  readonly family: Family;
  readonly identifier: number;
  readonly token: Uint8Array;
}

/** One socket a family, opened at the first echo. One sweep at a time. */
export class EchoSweeper {
  readonly #options: EchoSweeperOptions;
  readonly #sockets = new Map<Family, Socket>();
  #sequence = randomInt(0, 0x10000);

  constructor(options: EchoSweeperOptions) {
    this.#options = options;
  }

  /**
   * Sends one echo to each address and waits for answers, `timeoutMs` at most.
   * @returns round trips in ms, in the order of `addresses`; `undefined`: no answer
   * @throws Error with a `code` if no socket can be opened: EACCES without CAP_NET_RAW
   */
  async sweep(addresses: readonly IpAddress[], timeoutMs: number): Promise<readonly (number | undefined)[]> {
    const rtts = new Map<IpAddress, number>();
    for (const family of FAMILIES) {
      const ours = [...new Set(addresses.filter((address) => familyOf(address) === family))];
      for (let from = 0; from < ours.length; from += ADDRESSES_PER_CALL) {
        if (from > 0) await nextTurn();
        await this.#sweepFamily(family, ours.slice(from, from + ADDRESSES_PER_CALL), timeoutMs, rtts);
      }
    }
    return addresses.map((address) => rtts.get(address));
  }

  close(): void {
    for (const { fd } of this.#sockets.values()) this.#options.native.echoClose(fd);
    this.#sockets.clear();
  }

  async #sweepFamily(
    family: Family,
    addresses: readonly IpAddress[],
    timeoutMs: number,
    rtts: Map<IpAddress, number>,
  ): Promise<void> {
    const { native, clock } = this.#options;
    const { fd, identifier, token } = this.#socketOf(family);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const sentUs = new Float64Array(addresses.length);
    const rttUs = new Float64Array(addresses.length).fill(NaN);
    const sweep = [fd, family, identifier, this.#sequence, token, pack(family, addresses), sentUs] as const;
    native.echoSweepSend(...sweep);
    let awaited = sentUs.reduce((count, us) => count + Number(us > 0), 0);
    const untilMs = clock.nowMs() + timeoutMs;
    for (let turn = 0; awaited > 0 && clock.nowMs() < untilMs; turn++) {
      await delay(clock, Math.min(PAUSES_MS[turn] ?? PAUSES_MS.at(-1)!, untilMs - clock.nowMs()));
      if (!this.#sockets.has(family)) return;
      awaited -= native.echoSweepRead(...sweep, rttUs);
    }
    for (const [index, address] of addresses.entries())
      if (!Number.isNaN(rttUs[index]!)) rtts.set(address, rttUs[index]! / 1000);
  }

  #socketOf(family: Family): Socket {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const identifier = randomInt(1, 0x10000);
    const fd = this.#options.native.echoOpen(family, identifier, undefined, undefined);
    const socket = { fd, family, identifier, token: randomBytes(TOKEN_BYTES) };
    this.#sockets.set(family, socket);
    return socket;
  }
}

/** In network byte order, one after the other. */
function pack(family: Family, addresses: readonly IpAddress[]): Uint8Array {
  const bytes = family === 4 ? 4 : 16;
  const packed = new DataView(new ArrayBuffer(addresses.length * bytes));
  for (const [index, address] of addresses.entries())
    if (family === 4) packed.setUint32(4 * index, ipv4ToNumber(address as Ipv4));
    else {
      const value = toBigInt(address);
      packed.setBigUint64(16 * index, value >> 64n);
      packed.setBigUint64(16 * index + 8, BigInt.asUintN(64, value));
    }
  return new Uint8Array(packed.buffer);
}
