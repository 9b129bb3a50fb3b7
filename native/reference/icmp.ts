// Errors of a router about packets that it cannot forward: ICMP (RFC 792, RFC 1812 §4.3, RFC 1191
// §4) and ICMPv6 (RFC 4443), and the packets about which none is sent.
import { byte, concat, with16, with32, with8 } from './bytes.ts';
import { internetChecksum, pseudoHeader } from './checksum.ts';
import { destinationAddress, parseIpPacket, PROTOCOL, sourceAddress, type IpPacket } from './ip-packet.ts';
import { withHeaderChecksum } from './segment.ts';

export type IcmpError = 'noRoute' | 'timeExceeded' | 'tooBig';

/** Type and code. */
const TYPES = {
  4: { noRoute: [3, 0], timeExceeded: [11, 0], tooBig: [3, 4] },
  6: { noRoute: [1, 0], timeExceeded: [3, 0], tooBig: [2, 0] },
} as const;

/** No error is longer: RFC 1812 §4.3.2.3, RFC 4443 §2.4 (c). */
const LONGEST = { 4: 576, 6: 1280 } as const;
const SMALLEST_IPV6_MTU = 1280;
const HOP_LIMIT = 64;
/** Precedence internetwork control, RFC 1812 §4.3.2.5. ICMPv6 has no such rule. */
const TOS = 0xc0;

export interface IcmpRequest {
  readonly error: IcmpError;
  /** For `tooBig`: largest packet that passes, 68..65535. */
  readonly mtu: number;
  /** Address that the error comes from, of the packet's family. */
  readonly source: Uint8Array;
}

/**
 * The error about the well-formed packet `padded` as a whole IP packet; `undefined` if none may be
 * sent.
 */
export function makeIcmpError(request: IcmpRequest, padded: Uint8Array): Uint8Array | undefined {
  const about = parseIpPacket(padded);
  if (about === undefined) return undefined;
  const bytes = padded.slice(0, about.totalBytes);
  if (!mayReport(request.error, bytes, about)) return undefined;
  return about.family === 4 ? makeIcmpv4(request, bytes, about) : makeIcmpv6(request, bytes, about);
}

function makeIcmpv4(request: IcmpRequest, bytes: Uint8Array, about: IpPacket): Uint8Array {
  const [type, code] = TYPES[4][request.error];
  const quote = bytes.slice(0, LONGEST[4] - 20 - 8);
  const blank = Uint8Array.of(type, code, 0, 0, 0, 0, 0, 0);
  const message = concat(request.error === 'tooBig' ? with16(blank, 6, request.mtu) : blank, quote);
  const header = concat(
    Uint8Array.of(0x45, TOS, 0, 0, 0, 0, 0, 0, HOP_LIMIT, PROTOCOL.icmp, 0, 0),
    request.source,
    sourceAddress(bytes, about),
  );
  return concat(
    withHeaderChecksum(with16(header, 2, header.length + message.length)),
    with16(message, 2, internetChecksum(message)),
  );
}

function makeIcmpv6(request: IcmpRequest, bytes: Uint8Array, about: IpPacket): Uint8Array {
  const [type, code] = TYPES[6][request.error];
  const quote = bytes.slice(0, LONGEST[6] - 40 - 8);
  const mtu = Math.max(request.mtu, SMALLEST_IPV6_MTU);
  const blank = Uint8Array.of(type, code, 0, 0, 0, 0, 0, 0);
  const message = concat(request.error === 'tooBig' ? with32(blank, 4, mtu) : blank, quote);
  const header = concat(
    with8(Uint8Array.of(0x60, 0, 0, 0, 0, 0, PROTOCOL.icmpv6, 0), 7, HOP_LIMIT),
    request.source,
    sourceAddress(bytes, about),
  );
  // RFC 4443 §2.3: the pseudo header is that of RFC 8200 §8.1, with Next Header 58.
  const pseudo = pseudoHeader(header, { ...about, protocol: PROTOCOL.icmpv6 }, message.length);
  const checksum = internetChecksum(concat(pseudo, message));
  return concat(with16(header, 4, message.length), with16(message, 2, checksum));
}

/** RFC 1812 §4.3.2.7, RFC 4443 §2.4 (e). */
function mayReport(error: IcmpError, bytes: Uint8Array, about: IpPacket): boolean {
  if (about.isLaterFragment || mayBeIcmpError(bytes, about)) return false;
  const [source, destination] = [sourceAddress(bytes, about), destinationAddress(bytes, about)];
  if (about.family === 4) return isIpv4Host(source) && isIpv4Host(destination);
  if (!isIpv6Host(source) || isIpv6LinkLocal(source)) return false;
  // (e.3): path MTU discovery works for multicast, too.
  return isIpv6Host(destination) || (error === 'tooBig' && isIpv6Multicast(destination));
}

/** ICMP queries and replies of RFC 792, 950, 1256 and 8335. Other types can be errors. */
const ICMP_QUERIES: readonly number[] = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43];
const ICMPV6_REDIRECT = 137;

/** Whether a packet is or, as it is truncated, can be an ICMP error or an ICMPv6 redirect. */
function mayBeIcmpError(bytes: Uint8Array, about: IpPacket): boolean {
  if (about.protocol === PROTOCOL.none) return true;
  if (about.protocol !== PROTOCOL.icmp && about.protocol !== PROTOCOL.icmpv6) return false;
  if (about.totalBytes - about.networkBytes < 8) return true;
  const type = byte(bytes, about.networkBytes);
  if (about.protocol === PROTOCOL.icmp) return !ICMP_QUERIES.includes(type);
  return type < 128 || type === ICMPV6_REDIRECT;
}

/** Neither 0/8 nor loopback nor multicast nor reserved nor broadcast: RFC 1812 §4.3.2.7, §5.3.7. */
function isIpv4Host(address: Uint8Array): boolean {
  const first = byte(address, 0);
  return first !== 0 && first !== 127 && first < 224;
}

function isIpv6Host(address: Uint8Array): boolean {
  const isUnspecifiedOrLoopback = address.slice(0, 15).every((value) => value === 0) && byte(address, 15) < 2;
  return !isUnspecifiedOrLoopback && !isIpv6Multicast(address);
}

function isIpv6Multicast(address: Uint8Array): boolean {
  return byte(address, 0) === 0xff;
}

function isIpv6LinkLocal(address: Uint8Array): boolean {
  return byte(address, 0) === 0xfe && byte(address, 1) >>> 6 === 0b10;
}
