// Netlink messages as bytes (RFC 3549 §2.3): a writer that packs many into one buffer, and a reader
// of attributes. Knows the framing only, no message type. Numbers are in the byte order of the
// machine; every platform that weft runs on is little-endian.
import type { IpAddress, MacAddress } from '../../../lib/address.ts';
import { decodeIp, decodeMac, encodeIp, encodeMac } from './address-bytes.ts';
import { NLM_F_REQUEST } from './constants.ts';

/** Bytes of `struct nlmsghdr`. */
export const HEADER_BYTES = 16;
/** Upper bound of every message that weft sends. */
const LONGEST_REQUEST_BYTES = 512;

const ATTRIBUTE_HEADER_BYTES = 4;
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const NLA_F_NESTED = 0x8000;

/** Lengths are padded to four bytes. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/** Packs requests one behind the other into one buffer, which it owns and reuses. */
export class MessageWriter {
  readonly #buffer: Buffer;
  #length = 0;
  #start = 0;

  constructor(capacityBytes: number) {
    this.#buffer = Buffer.alloc(capacityBytes);
  }

  /** True while any other request fits. */
  get hasRoom(): boolean {
    return this.#buffer.length - this.#length >= LONGEST_REQUEST_BYTES;
  }

  /** The packed requests; valid until the next {@link clear}. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Drops the packed requests. */
  clear(): void {
    this.#length = 0;
  }

  /**
   * Begins a request whose fixed header has `headerBytes` zero bytes; returns where that header is.
   */
  begin(type: number, flags: number, headerBytes: number): number {
    const at = this.#length;
    this.#start = at;
    this.#buffer.writeUInt16LE(type, at + 4);
    this.#buffer.writeUInt16LE(flags | NLM_F_REQUEST, at + 6);
    const body = at + HEADER_BYTES;
    this.#length = body + align(headerBytes);
    this.#buffer.fill(0, at + 8, this.#length);
    return body;
  }

  /**
   * Ends the request: `sequence` names it in the answer, `extraFlags` are added to those of {@link
   * begin}.
   */
  end(sequence: number, extraFlags = 0): void {
    const at = this.#start;
    this.#buffer.writeUInt32LE(this.#length - at, at);
    this.#buffer.writeUInt16LE(this.#buffer.readUInt16LE(at + 6) | extraFlags, at + 6);
    this.#buffer.writeUInt32LE(sequence, at + 8);
  }

  writeU8(at: number, value: number): void {
    this.#buffer[at] = value;
  }

  writeU16(at: number, value: number): void {
    this.#buffer.writeUInt16LE(value, at);
  }

  writeU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }

  attributeU8(type: number, value: number): void {
    this.#buffer[this.#attribute(type, 1)] = value;
  }

  attributeU16(type: number, value: number): void {
    this.#buffer.writeUInt16LE(value, this.#attribute(type, 2));
  }

  attributeU32(type: number, value: number): void {
    this.#buffer.writeUInt32LE(value >>> 0, this.#attribute(type, 4));
  }

  /** A port is in network byte order (__be16). */
  attributePort(type: number, value: number): void {
    this.#buffer.writeUInt16BE(value, this.#attribute(type, 2));
  }

  attributeFlag(type: number): void {
    this.#attribute(type, 0);
  }

  attributeText(type: number, text: string): void {
    const length = Buffer.byteLength(text);
    this.#buffer.write(text, this.#attribute(type, length + 1));
  }

  attributeMac(type: number, mac: MacAddress): void {
    encodeMac(this.#buffer, this.#attribute(type, 6), mac);
  }

  attributeIp(type: number, address: IpAddress): void {
    encodeIp(this.#buffer, this.#attribute(type, address.includes(':') ? 16 : 4), address);
  }

  attributeBytes(type: number, bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#attribute(type, bytes.length));
  }

  /** The attributes that `write` adds become the content of attribute `type` (NLA_F_NESTED). */
  nested(type: number, write: () => void): void {
    const at = this.#length;
    this.#attribute(type | NLA_F_NESTED, 0);
    write();
    this.#buffer.writeUInt16LE(this.#length - at, at);
  }

  /** Adds a zeroed attribute; returns where its payload is. */
  #attribute(type: number, payloadBytes: number): number {
    const at = this.#length;
    const body = at + ATTRIBUTE_HEADER_BYTES;
    this.#buffer.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + payloadBytes, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    this.#length = body + align(payloadBytes);
    this.#buffer.fill(0, body, this.#length);
    return body;
  }
}

/**
 * Offsets of the attributes of one message, like the `tb[]` of the kernel's parsers (nla_parse).
 * One table serves one codec; each message refills it, so that reading allocates nothing.
 * Numbers of absent attributes read as 0.
 */
export class AttributeTable {
  readonly #at: Uint32Array;
  readonly #lengths: Uint16Array;
  #buffer: Buffer = Buffer.alloc(0);

  /** Attributes of a type above `maxType` are skipped, as newer kernels may have them. */
  constructor(maxType: number) {
    this.#at = new Uint32Array(maxType + 1);
    this.#lengths = new Uint16Array(maxType + 1);
  }

  /** Indexes the attributes between `start` and `end`; stops at the first that is cut short. */
  read(buffer: Buffer, start: number, end: number): void {
    this.#buffer = buffer;
    this.#at.fill(0);
    for (let at = start; at + ATTRIBUTE_HEADER_BYTES <= end;) {
      const length = buffer.readUInt16LE(at);
      if (length < ATTRIBUTE_HEADER_BYTES || at + length > end) return;
      const type = buffer.readUInt16LE(at + 2) & ATTRIBUTE_TYPE_MASK;
      if (type < this.#at.length) {
        this.#at[type] = at + ATTRIBUTE_HEADER_BYTES;
        this.#lengths[type] = length - ATTRIBUTE_HEADER_BYTES;
      }
      at += align(length);
    }
  }

  /** Indexes the attributes inside attribute `type` of `outer`. */
  readNested(outer: AttributeTable, type: number): void {
    const at = outer.at(type);
    this.read(outer.#buffer, at, at + outer.lengthOf(type));
  }

  /**
   * For each attribute inside `type` of `outer`: indexes the attributes inside it, and calls
   * `visit`.
   */
  readEach(outer: AttributeTable, type: number, visit: () => void): void {
    const buffer = outer.#buffer;
    const end = outer.at(type) + outer.lengthOf(type);
    for (let at = outer.at(type); at + ATTRIBUTE_HEADER_BYTES <= end;) {
      const length = buffer.readUInt16LE(at);
      if (length < ATTRIBUTE_HEADER_BYTES || at + length > end) return;
      this.read(buffer, at + ATTRIBUTE_HEADER_BYTES, at + length);
      visit();
      at += align(length);
    }
  }

  has(type: number): boolean {
    return this.#at[type] !== 0;
  }

  /** Offset of the payload, 0 if absent. */
  at(type: number): number {
    return this.#at[type]!;
  }

  /** Bytes of the payload, 0 if absent. */
  lengthOf(type: number): number {
    return this.has(type) ? this.#lengths[type]! : 0;
  }

  u8(type: number): number {
    return this.lengthOf(type) >= 1 ? this.#buffer[this.at(type)]! : 0;
  }

  u16(type: number): number {
    return this.lengthOf(type) >= 2 ? this.#buffer.readUInt16LE(this.at(type)) : 0;
  }

  u32(type: number): number {
    return this.lengthOf(type) >= 4 ? this.#buffer.readUInt32LE(this.at(type)) : 0;
  }

  /** Of a number beyond 2^53 the low bits are lost. */
  u64(type: number): number {
    return this.lengthOf(type) >= 8 ? Number(this.#buffer.readBigUInt64LE(this.at(type))) : 0;
  }

  /** A copy of the payload; empty if absent. */
  bytes(type: number): Buffer {
    return Buffer.from(this.#buffer.subarray(this.at(type), this.at(type) + this.lengthOf(type)));
  }

  /** In network byte order (__be16). */
  port(type: number): number {
    return this.lengthOf(type) >= 2 ? this.#buffer.readUInt16BE(this.at(type)) : 0;
  }

  /** `undefined` unless the payload has 4 or 16 bytes. */
  ip(type: number): IpAddress | undefined {
    return decodeIp(this.#buffer, this.at(type), this.lengthOf(type));
  }

  /** `undefined` unless the payload has 6 bytes. */
  mac(type: number): MacAddress | undefined {
    return this.lengthOf(type) === 6 ? decodeMac(this.#buffer, this.at(type)) : undefined;
  }

  /** Up to the first NUL; empty if absent. */
  text(type: number): string {
    const at = this.at(type);
    const text = this.#buffer.toString('utf8', at, at + this.lengthOf(type));
    const end = text.indexOf('\0');
    return end < 0 ? text : text.slice(0, end);
  }
}

/**
 * Calls `visit` for each whole message in `datagram`; `start` is its header, `end` is behind its
 * payload.
 */
export function forEachMessage(
  datagram: Buffer,
  visit: (type: number, start: number, end: number) => void,
): void {
  for (let start = 0; start + HEADER_BYTES <= datagram.length;) {
    const length = datagram.readUInt32LE(start);
    if (length < HEADER_BYTES || start + length > datagram.length) return;
    visit(datagram.readUInt16LE(start + 4), start, start + length);
    start += align(length);
  }
}
