// The Internet checksum and what goes into it.
import { byte, concat, read16 } from './bytes.ts';
import { PROTOCOL, type IpPacket } from './ip-packet.ts';

/**
 * One's complement sum of the 16-bit words of `bytes`, padded with a zero byte if their number is
 * odd (RFC 1071 §1). Not complemented. 0 only if all bytes are 0.
 */
export function onesComplementSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += byte(bytes, at) * 0x100 + (bytes[at + 1] ?? 0);
    // End-around carry.
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** The checksum of `bytes`, in which the field itself is 0 (RFC 1071 §1). */
export function internetChecksum(bytes: Uint8Array): number {
  return 0xffff - onesComplementSum(bytes);
}

/**
 * The checksum after a change of one covered word: HC' = ~(~HC + ~m + m'), RFC 1624 §3 equation 3.
 */
export function updatedChecksum(checksum: number, before: number, after: number): number {
  const terms = [0xffff - checksum, 0xffff - before, after];
  return internetChecksum(Uint8Array.from(terms.flatMap((term) => [term >>> 8, term & 0xff])));
}

/**
 * Pseudo header of TCP and UDP: RFC 9293 §3.1 and RFC 768 over IPv4, RFC 8200 §8.1 over IPv6.
 * `upperLength`: bytes of the transport header and its payload. The destination is that of the IP
 * header even before a routing header.
 */
export function pseudoHeader(bytes: Uint8Array, packet: IpPacket, upperLength: number): Uint8Array {
  const length = Uint8Array.of(upperLength >>> 24, upperLength >>> 16, upperLength >>> 8, upperLength);
  const addresses = packet.family === 4 ? bytes.slice(12, 20) : bytes.slice(8, 40);
  if (packet.family === 4) return concat(addresses, Uint8Array.of(0, packet.protocol), length.slice(2));
  return concat(addresses, length, Uint8Array.of(0, 0, 0, packet.protocol));
}

/**
 * Whether the header checksum of an IPv4 header, given with its options, is right (RFC 791 §3.1).
 */
export function isHeaderChecksumGood(header: Uint8Array): boolean {
  return onesComplementSum(header) === 0xffff;
}

/**
 * State of the checksum of a TCP or UDP packet. `partial`: the sum of the pseudo header only, not
 * complemented, as Linux leaves it for hardware offload. `none`: UDP over IPv4 without a checksum
 * (RFC 768); bad over IPv6 (RFC 8200 §8.1). Bytes beyond the UDP length are not covered. An invalid
 * UDP length is bad.
 */
export type ChecksumState = 'bad' | 'good' | 'partial' | 'none';

/** State of the transport checksum of a whole TCP or UDP packet (`transportBytes` above 0). */
export function checksumState(bytes: Uint8Array, packet: IpPacket): ChecksumState {
  const whole = bytes.slice(packet.networkBytes, packet.totalBytes);
  const isUdp = packet.protocol === PROTOCOL.udp;
  const covered = isUdp ? read16(whole, 4) : whole.length;
  if (covered > whole.length || covered < packet.transportBytes) return 'bad';
  const upper = whole.slice(0, covered);
  if (isUdp && read16(upper, 6) === 0) return packet.family === 4 ? 'none' : 'bad';
  const pseudo = pseudoHeader(bytes, packet, upper.length);
  if (onesComplementSum(concat(pseudo, upper)) === 0xffff) return 'good';
  return read16(upper, isUdp ? 6 : 16) === onesComplementSum(pseudo) ? 'partial' : 'bad';
}
