// Fragmentation of IPv4 packets (RFC 791 §3.2, "An Example Fragmentation Procedure").
import { byte, concat, read16, with16, with8 } from './bytes.ts';
import type { Dropped } from './dropped.ts';
import { parseIpPacket } from './ip-packet.ts';
import { withHeaderChecksum } from './segment.ts';

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const OFFSET = 0x1fff;

/**
 * Fragments a well-formed packet for `mtu` bytes, at least 68. A packet that fits stays whole.
 * Routers do not fragment IPv6 packets (RFC 8200 §5). A fragment that ends beyond the longest
 * packet is dropped.
 */
export function fragment(padded: Uint8Array, mtu: number): readonly Uint8Array[] | Dropped {
  const packet = parseIpPacket(padded);
  if (packet === undefined) return { drop: 'dropTxMalformed' };
  const isForbidden = packet.family === 6 || (read16(padded, 6) & DONT_FRAGMENT) !== 0;
  const payloadEnd = (read16(padded, 6) & OFFSET) * 8 + packet.totalBytes - packet.networkBytes;
  if (isForbidden || payloadEnd > 0xffff) return { drop: 'dropTxTooBig' };
  return cut(padded.slice(0, packet.networkBytes), padded.slice(packet.networkBytes, packet.totalBytes), mtu);
}

/** The first fragment keeps the whole header. The others have the copied options only. */
function cut(header: Uint8Array, payload: Uint8Array, mtu: number): readonly Uint8Array[] {
  const field = read16(header, 6);
  if (header.length + payload.length <= mtu) return [withLength(header, payload, field)];
  const blocks = Math.floor((mtu - header.length) / 8);
  const first = withLength(header, payload.slice(0, blocks * 8), field | MORE_FRAGMENTS);
  const rest = with16(laterHeader(header), 6, (field & ~OFFSET) | ((field + blocks) & OFFSET));
  return [first, ...cut(rest, payload.slice(blocks * 8), mtu)];
}

function withLength(header: Uint8Array, payload: Uint8Array, field: number): Uint8Array {
  const total = header.length + payload.length;
  return concat(withHeaderChecksum(with16(with16(header, 2, total), 6, field)), payload);
}

/** The header without the options that are in the first fragment only. */
function laterHeader(header: Uint8Array): Uint8Array {
  const options = copiedOptions(header.slice(20));
  const padding = new Uint8Array((4 - (options.length % 4)) % 4);
  const bytes = concat(header.slice(0, 20), options, padding);
  return with8(bytes, 0, 0x40 | (bytes.length / 4));
}

const END_OF_OPTIONS = 0;
const NO_OPERATION = 1;
const COPIED = 0x80;

/** Options with the copied flag, in their order (RFC 791 §3.1). An invalid length ends the list. */
function copiedOptions(options: Uint8Array): Uint8Array {
  if (options.length === 0 || byte(options, 0) === END_OF_OPTIONS) return new Uint8Array();
  if (byte(options, 0) === NO_OPERATION) return copiedOptions(options.slice(1));
  const length = options.length < 2 ? 0 : byte(options, 1);
  if (length < 2 || length > options.length) return new Uint8Array();
  const isCopied = (byte(options, 0) & COPIED) !== 0;
  return concat(isCopied ? options.slice(0, length) : new Uint8Array(), copiedOptions(options.slice(length)));
}
