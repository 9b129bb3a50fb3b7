// A packet of the TUN device and its virtio header (virtio 1.2 §5.1.6), which requests segmentation
// of a super-packet or completion of a checksum.
import { byte, concat, read16, read32, replaced, with16, with32, with8 } from './bytes.ts';
import { internetChecksum, pseudoHeader } from './checksum.ts';
import type { Dropped } from './dropped.ts';
import { parseIpPacket, PROTOCOL, type IpPacket } from './ip-packet.ts';

/** struct virtio_net_hdr, in numbers. */
export interface VirtioHeader {
  readonly flags: number;
  readonly gsoType: number;
  readonly headerBytes: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

export const NEEDS_CHECKSUM = 1;
/** `ecn` is or'ed to the TCP types: the first segment has CWR. */
export const GSO = { none: 0, tcpv4: 1, tcpv6: 4, udp: 5, ecn: 0x80 } as const;

export const TCP_FLAG = {
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const;

/** Longest IP and transport headers of a super-packet. */
export const MAX_INNER_HEADER = 224;

const MALFORMED: Dropped = { drop: 'dropTxMalformed' };

/** The segments of the super-packet `bytes`, with complete checksums. */
export function segment(header: VirtioHeader, bytes: Uint8Array): readonly Uint8Array[] | Dropped {
  const packet = parseIpPacket(bytes);
  if (packet === undefined || !canSegment(header, packet)) return MALFORMED;
  const headers = bytes.slice(0, packet.networkBytes + packet.transportBytes);
  const payload = bytes.slice(headers.length, packet.totalBytes);
  const count = Math.max(1, Math.ceil(payload.length / header.gsoSize));
  return Array.from({ length: count }, (_, index) => {
    const offset = index * header.gsoSize;
    const slice = payload.slice(offset, offset + header.gsoSize);
    const position = { index, offset, isLast: index === count - 1 };
    return makeSegment(headers, slice, packet, position);
  });
}

function canSegment(header: VirtioHeader, packet: IpPacket): boolean {
  const { family, protocol, networkBytes, transportBytes } = packet;
  const tcp = family === 4 ? GSO.tcpv4 : GSO.tcpv6;
  const isTcp = protocol === PROTOCOL.tcp && (header.gsoType === tcp || header.gsoType === (tcp | GSO.ecn));
  const isUdp = protocol === PROTOCOL.udp && header.gsoType === GSO.udp;
  const isShort = networkBytes + transportBytes <= MAX_INNER_HEADER;
  return (isTcp || isUdp) && header.gsoSize > 0 && transportBytes > 0 && isShort;
}

interface Position {
  readonly index: number;
  /** Of the first byte in the payload of the super-packet. */
  readonly offset: number;
  readonly isLast: boolean;
}

function makeSegment(headers: Uint8Array, payload: Uint8Array, packet: IpPacket, at: Position): Uint8Array {
  const network = headers.slice(0, packet.networkBytes);
  const transport = headers.slice(packet.networkBytes);
  const upper = concat(
    packet.protocol === PROTOCOL.tcp
      ? tcpHeaderOf(transport, at)
      : with16(transport, 4, transport.length + payload.length),
    payload,
  );
  const ip = networkHeaderOf(network, packet.family, upper.length, at.index);
  return withTransportChecksum(concat(ip, upper), packet);
}

/**
 * FIN and PSH belong to the last byte of the stream, CWR to the first segment alone (RFC 3168
 * §6.1.2).
 */
function tcpHeaderOf(header: Uint8Array, at: Position): Uint8Array {
  const notHere = (at.isLast ? 0 : TCP_FLAG.fin | TCP_FLAG.psh) | (at.index === 0 ? 0 : TCP_FLAG.cwr);
  return with8(with32(header, 4, read32(header, 4) + at.offset), 13, byte(header, 13) & ~notHere);
}

/**
 * Own length, and for IPv4 own identification (counted up, as Linux does it) and header checksum.
 */
export function networkHeaderOf(
  header: Uint8Array,
  family: 4 | 6,
  upperBytes: number,
  index: number,
): Uint8Array {
  if (family === 6) return with16(header, 4, header.length - 40 + upperBytes);
  const identification = (read16(header, 4) + index) & 0xffff;
  return withHeaderChecksum(with16(with16(header, 2, header.length + upperBytes), 4, identification));
}

/** An IPv4 header with a recomputed checksum. */
export function withHeaderChecksum(header: Uint8Array): Uint8Array {
  return with16(header, 10, internetChecksum(with16(header, 10, 0)));
}

/**
 * The packet with a recomputed TCP or UDP checksum. In UDP 0 becomes all ones, as 0 means none (RFC
 * 768).
 */
export function withTransportChecksum(bytes: Uint8Array, packet: IpPacket): Uint8Array {
  const fieldAt = checksumOffset(packet);
  const upper = with16(bytes.slice(packet.networkBytes), fieldAt, 0);
  const checksum = internetChecksum(concat(pseudoHeader(bytes, packet, upper.length), upper));
  const isNone = checksum === 0 && packet.protocol === PROTOCOL.udp;
  return replaced(bytes, packet.networkBytes, with16(upper, fieldAt, isNone ? 0xffff : checksum));
}

/** Where the checksum is in the transport header. */
export function checksumOffset(packet: IpPacket): number {
  return packet.protocol === PROTOCOL.udp ? 6 : 16;
}

/**
 * Completes a partial checksum: sums from `checksumStart` to the end; the field has the sum of the
 * pseudo header. 0 becomes all ones, which UDP needs and TCP accepts.
 */
export function completeChecksum(header: VirtioHeader, bytes: Uint8Array): Uint8Array | Dropped {
  if ((header.flags & NEEDS_CHECKSUM) === 0) return bytes;
  const fieldAt = header.checksumStart + header.checksumOffset;
  if (fieldAt + 2 > bytes.length) return MALFORMED;
  const checksum = internetChecksum(bytes.slice(header.checksumStart));
  return with16(bytes, fieldAt, checksum === 0 ? 0xffff : checksum);
}
