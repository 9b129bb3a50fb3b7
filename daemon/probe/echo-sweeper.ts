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
/** Pauses between two reads, in ms; the last one repeats. The kernel takes the time of an answer. */
const PAUSES_MS = [20, 40, 80] as const;
const TOKEN_BYTES = 8;

interface Socket {
  readonly fd: number;
  readonly family: Family;
  readonly identifier: number;
  readonly token: Uint8Array;
}

/** Addresses of one call, each once, and the memory that it fills. */
interface Call {
  readonly family: Family;
  /** In network byte order, one after the other. */
  readonly packed: Uint8Array;
  readonly sentUs: Float64Array;
  readonly rttUs: Float64Array;
  /** Where results belong in the array that was given, and which of this call each is. */
  readonly indexes: Uint32Array;
  readonly results: Uint32Array;
}

/** What an array of addresses needs, made once: repeated sweeps allocate nothing an address. */
interface Prepared {
  readonly calls: readonly Call[];
  readonly rtts: Float64Array;
}

/** One socket a family, opened at the first echo. One sweep at a time. */
export class EchoSweeper {
  readonly #options: EchoSweeperOptions;
  readonly #sockets = new Map<Family, Socket>();
  readonly #prepared = new WeakMap<readonly IpAddress[], Prepared>();
  #sequence = randomInt(0, 0x10000);

  constructor(options: EchoSweeperOptions) {
    this.#options = options;
  }

  /**
   * Sends one echo to each address and waits for answers, `timeoutMs` at most. To prepare the same
   * array once more costs nothing.
   * @returns round trips in ms, in the order of `addresses`, until the same array is swept again; NaN:
   *   no answer
   * @throws Error with a `code` if no socket can be opened: EACCES without CAP_NET_RAW
   */
  async sweep(addresses: readonly IpAddress[], timeoutMs: number): Promise<Float64Array> {
    const { calls, rtts } = this.#prepare(addresses);
    rtts.fill(NaN);
    for (const [index, call] of calls.entries()) {
      if (index > 0) await nextTurn();
      await this.#perform(call, timeoutMs, rtts);
    }
    return rtts;
  }

  close(): void {
    for (const { fd } of this.#sockets.values()) this.#options.native.echoClose(fd);
    this.#sockets.clear();
  }

  #prepare(addresses: readonly IpAddress[]): Prepared {
    const known = this.#prepared.get(addresses);
    if (known !== undefined) return known;
    const calls = FAMILIES.flatMap((family) => callsOf(family, addresses));
    const prepared = { calls, rtts: new Float64Array(addresses.length) };
    this.#prepared.set(addresses, prepared);
    return prepared;
  }

  async #perform(call: Call, timeoutMs: number, rtts: Float64Array): Promise<void> {
    const { native, clock } = this.#options;
    const { family, packed, sentUs, rttUs, indexes, results } = call;
    const { fd, identifier, token } = this.#socketOf(family);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    rttUs.fill(NaN);
    const sweep = [fd, family, identifier, this.#sequence, token, packed, sentUs] as const;
    native.echoSweepSend(...sweep);
    let awaited = 0;
    for (let at = 0; at < sentUs.length; at++) if (sentUs[at]! > 0) awaited++;
    const untilMs = clock.nowMs() + timeoutMs;
    for (let turn = 0; awaited > 0 && clock.nowMs() < untilMs; turn++) {
      await delay(clock, Math.min(PAUSES_MS[turn] ?? PAUSES_MS.at(-1)!, untilMs - clock.nowMs()));
      if (!this.#sockets.has(family)) return;
      awaited -= native.echoSweepRead(...sweep, rttUs);
    }
    for (let at = 0; at < indexes.length; at++) rtts[indexes[at]!] = rttUs[results[at]!]! / 1000;
  }

  #socketOf(family: Family): Socket {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const identifier = randomInt(1, 0x10000);
    const fd = this.#options.native.echoSweepOpen(family, identifier);
    const socket = { fd, family, identifier, token: randomBytes(TOKEN_BYTES) };
    this.#sockets.set(family, socket);
    return socket;
  }
}

function callsOf(family: Family, addresses: readonly IpAddress[]): readonly Call[] {
  const indexes = new Map<IpAddress, number[]>();
  for (const [index, address] of addresses.entries()) {
    if (familyOf(address) !== family) continue;
    const known = indexes.get(address);
    if (known === undefined) indexes.set(address, [index]);
    else known.push(index);
  }
  const all = [...indexes];
  const calls: Call[] = [];
  for (let from = 0; from < all.length; from += ADDRESSES_PER_CALL)
    calls.push(callOf(family, all.slice(from, from + ADDRESSES_PER_CALL)));
  return calls;
}

function callOf(
  family: Family,
  part: readonly (readonly [address: IpAddress, indexes: readonly number[]])[],
): Call {
  const packed = pack(
    family,
    part.map(([address]) => address),
  );
  return {
    family,
    packed,
    sentUs: new Float64Array(part.length),
    rttUs: new Float64Array(part.length),
    indexes: Uint32Array.from(part.flatMap(([, indexes]) => indexes)),
    results: Uint32Array.from(part.flatMap(([, indexes], result) => indexes.map(() => result))),
  };
}

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
