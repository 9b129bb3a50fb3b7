// Writes protobuf messages (https://protobuf.dev/programming-guides/encoding/), as far as requests
// to etcd need them. A field that is `undefined` is left out.

const VARINT = 0;
const LENGTH_DELIMITED = 2;

export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];

  /** An int64, bool or enum. Text is decimal: ids of leases exceed what a number holds exactly. */
  int(field: number, value: number | string | boolean | undefined): this {
    if (value === undefined) return this;
    this.#parts.push(
      varint(field * 8 + VARINT),
      varint(typeof value === 'string' ? BigInt(value) : Number(value)),
    );
    return this;
  }

  bytes(field: number, value: Uint8Array | undefined): this {
    if (value === undefined) return this;
    this.#parts.push(varint(field * 8 + LENGTH_DELIMITED), varint(value.length), value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Negative values take ten bytes, as two's complement of 64 bits. */
function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return Uint8Array.of(...bytes, Number(left));
}
