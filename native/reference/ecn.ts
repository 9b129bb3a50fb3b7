// Explicit congestion notification across the tunnel (RFC 6040), and the decrement of the TTL.
import { byte, read16, with16, with8 } from './bytes.ts';
import { updatedChecksum } from './checksum.ts';
import type { Dropped } from './dropped.ts';
import type { IpPacket } from './ip-packet.ts';

const NOT_ECT = 0b00;
const ECT_1 = 0b01;
const ECT_0 = 0b10;
const CE = 0b11;

/** The outer field of an inner one: normal mode, RFC 6040 §4.1. DSCP is 0 unless inherited. */
export function encapsulatedTos(innerTos: number, inheritsDscp: boolean): number {
  const ecn = innerTos & 0b11;
  return inheritsDscp ? (innerTos & 0b1111_1100) | ecn : ecn;
}

/**
 * Outgoing inner field by arriving inner field (rows) and outer field (columns): figure 4 of RFC
 * 6040.
 */
const FIGURE_4: Readonly<Record<number, Readonly<Record<number, number | 'drop'>>>> = {
  [NOT_ECT]: { [NOT_ECT]: NOT_ECT, [ECT_0]: NOT_ECT, [ECT_1]: NOT_ECT, [CE]: 'drop' },
  [ECT_0]: { [NOT_ECT]: ECT_0, [ECT_0]: ECT_0, [ECT_1]: ECT_1, [CE]: CE },
  [ECT_1]: { [NOT_ECT]: ECT_1, [ECT_0]: ECT_1, [ECT_1]: ECT_1, [CE]: CE },
  [CE]: { [NOT_ECT]: CE, [ECT_0]: CE, [ECT_1]: CE, [CE]: CE },
};

/** The decapsulated inner packet, given the outer TOS or traffic class (RFC 6040 §4.2). */
export function decapsulateEcn(inner: Uint8Array, packet: IpPacket, outerTos: number): Uint8Array | Dropped {
  const ecn = FIGURE_4[packet.tos & 0b11]![outerTos & 0b11]!;
  if (ecn === 'drop') return { drop: 'dropRxEcn' };
  const tos = (packet.tos & 0b1111_1100) | ecn;
  if (tos === packet.tos) return inner;
  if (packet.family === 4) return withIpv4Word(inner, 0, byte(inner, 0) * 0x100 + tos);
  return with16(inner, 0, (read16(inner, 0) & 0xf00f) | (tos << 4));
}

/** Decrements TTL or hop limit, which is above 0 (RFC 791 §3.2, RFC 8200 §3). */
export function decrementTtl(bytes: Uint8Array, packet: IpPacket): Uint8Array {
  if (packet.family === 4) return withIpv4Word(bytes, 8, read16(bytes, 8) - 0x100);
  return with8(bytes, 7, packet.ttl - 1);
}

/**
 * An IPv4 packet with another header word and an incrementally updated checksum. A wrong checksum
 * stays wrong.
 */
function withIpv4Word(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const checksum = updatedChecksum(read16(bytes, 10), read16(bytes, at), value);
  return with16(with16(bytes, at, value), 10, checksum);
}
