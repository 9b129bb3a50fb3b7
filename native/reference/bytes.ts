// Big-endian fields of byte strings. Reading beyond the end throws.

export function read16(bytes: Uint8Array, at: number): number {
  return byte(bytes, at) * 0x100 + byte(bytes, at + 1);
}

export function read32(bytes: Uint8Array, at: number): number {
  return read16(bytes, at) * 0x1_0000 + read16(bytes, at + 2);
}

export function byte(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined) throw new RangeError(`byte ${at} of ${bytes.length}`);
  return value;
}

/** A copy of `bytes` with `value` at `at` in two bytes. */
export function with16(bytes: Uint8Array, at: number, value: number): Uint8Array {
  return replaced(bytes, at, Uint8Array.of(value >>> 8, value));
}

/** A copy of `bytes` with `value`, modulo 2^32, at `at` in four bytes. */
export function with32(bytes: Uint8Array, at: number, value: number): Uint8Array {
  return replaced(bytes, at, Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

export function with8(bytes: Uint8Array, at: number, value: number): Uint8Array {
  return replaced(bytes, at, Uint8Array.of(value));
}

export function replaced(bytes: Uint8Array, at: number, part: Uint8Array): Uint8Array {
  if (at + part.length > bytes.length) throw new RangeError(`bytes ${at}+${part.length} of ${bytes.length}`);
  return concat(bytes.slice(0, at), part, bytes.slice(at + part.length));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
