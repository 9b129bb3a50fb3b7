// Which of several subnets has an address: the longest that contains it (RFC 1812 §5.2.4.3).
import { byte } from './bytes.ts';

export interface Prefix {
  /** 4 or 16 bytes. */
  readonly subnet: Uint8Array;
  readonly bits: number;
}

export function longestPrefix(prefixes: readonly Prefix[], address: Uint8Array): Prefix | undefined {
  return prefixes
    .filter((prefix) => containsAddress(prefix, address))
    .reduce<Prefix | undefined>(
      (best, prefix) => (best === undefined || prefix.bits > best.bits ? prefix : best),
      undefined,
    );
}

export function containsAddress({ subnet, bits }: Prefix, address: Uint8Array): boolean {
  if (subnet.length !== address.length) return false;
  return Array.from({ length: bits }, (_, bit) => bit).every(
    (bit) => bitOf(subnet, bit) === bitOf(address, bit),
  );
}

/** Bit 0 is the first on the wire. */
function bitOf(bytes: Uint8Array, bit: number): number {
  return (byte(bytes, bit >>> 3) >>> (7 - (bit & 7))) & 1;
}
