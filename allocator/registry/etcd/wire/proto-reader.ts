// Reads protobuf messages (https://protobuf.dev/programming-guides/encoding/), as far as etcd's
// answers need them. Copies nothing: bytes are views of the message.

const MAX_VARINT_BYTES = 10;

export class ProtoReader {
  readonly #buffer: Buffer;
  #position = 0;
  #end: number;
  /** Wire type of the field that {@link next} returned. */
  #wireType = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.#end = buffer.length;
  }

  /** The number of the next field, 0 at the end. Its value must be read or skipped. */
  next(): number {
    if (this.#position >= this.#end) return 0;
    const tag = this.#varint();
    this.#wireType = tag & 7;
    return tag >>> 3;
  }

  /** An int64 from 0 that a number holds exactly, such as a revision or a count. */
  number(): number {
    return this.#varint();
  }

  isTrue(): boolean {
    return this.#varint() !== 0;
  }

  /** An int64 in decimal: ids of leases exceed what a number holds exactly. */
  int64(): string {
    let [low, middle, high] = [0, 0, 0];
    for (let shift = 0; shift < MAX_VARINT_BYTES * 7; shift += 7) {
      const byte = this.#byte();
      if (shift < 28) low += (byte & 127) << shift;
      else if (shift < 56) middle += (byte & 127) << (shift - 28);
      else high += (byte & 127) << (shift - 56);
      if (byte < 128) return decimal(low, middle, high);
    }
    throw damaged();
  }

  bytes(): Buffer {
    const end = this.#fieldEnd();
    const view = this.#buffer.subarray(this.#position, end);
    this.#position = end;
    return view;
  }

  text(): string {
    const end = this.#fieldEnd();
    const text = this.#buffer.toString('utf8', this.#position, end);
    this.#position = end;
    return text;
  }

  /** Reads a message inside of this one: `read` sees its fields alone, and must take all of them. */
  message<T>(read: (reader: this) => T): T {
    const end = this.#fieldEnd();
    const outerEnd = this.#end;
    this.#end = end;
    const value = read(this);
    if (this.#position !== end) throw damaged();
    this.#end = outerEnd;
    return value;
  }

  /** Skips a message inside of this one; {@link messageAt} reads it later. */
  skipMessage(): number {
    const at = this.#position;
    this.#position = this.#fieldEnd();
    return at;
  }

  /** Reads the message that {@link skipMessage} skipped; the same reader must not be amid another. */
  messageAt<T>(at: number, read: (reader: this) => T): T {
    this.#position = at;
    this.#end = this.#buffer.length;
    this.#wireType = 2;
    return this.message(read);
  }

  skip(): void {
    if (this.#wireType === 0) this.#varint();
    else if (this.#wireType === 1) this.#position += 8;
    else if (this.#wireType === 2) this.#position = this.#fieldEnd();
    else if (this.#wireType === 5) this.#position += 4;
    else throw damaged();
  }

  #fieldEnd(): number {
    const length = this.#varint();
    const end = this.#position + length;
    if (this.#wireType !== 2 || end > this.#end) throw damaged();
    return end;
  }

  #varint(): number {
    const first = this.#byte();
    if (first < 128) return first;
    let value = first & 127;
    for (let shift = 7; shift < MAX_VARINT_BYTES * 7; shift += 7) {
      const byte = this.#byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw damaged();
  }

  #byte(): number {
    if (this.#position >= this.#end) throw damaged();
    return this.#buffer[this.#position++]!;
  }
}

/** Of 28, 28 and 8 bits. Most are numbers that a double holds. */
function decimal(low: number, middle: number, high: number): string {
  if (high === 0 && middle < 1 << 24) return String(middle * 2 ** 28 + low);
  const bits = (BigInt(high) << 56n) | (BigInt(middle) << 28n) | BigInt(low);
  return BigInt.asIntN(64, bits).toString();
}

function damaged(): RangeError {
  return new RangeError('The answer of etcd is damaged: a field exceeds its message');
}
