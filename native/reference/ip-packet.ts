// Parsed headers of an inner packet: IPv4 (RFC 791 §3.1), IPv6 (RFC 8200 §3, §4), TCP (RFC 9293
// §3.1) and UDP (RFC 768) headers.
import { byte, read16 } from './bytes.ts';

export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, none: 59 } as const;

/** As struct weft_packet in native/packet/packet.h. */
export interface IpPacket {
  readonly family: 4 | 6;
  /** Of the transport header; 59 (no next header) if it is unreadable. */
  readonly protocol: number;
  /** DSCP and ECN. */
  readonly tos: number;
  /** Or hop limit. */
  readonly ttl: number;
  readonly isFragment: boolean;
  readonly isLaterFragment: boolean;
  readonly hasOptions: boolean;
  /** IPv6 before its final destination, which the transport checksum covers. */
  readonly isSourceRouted: boolean;
  /** Where the transport header begins. */
  readonly networkBytes: number;
  /**
   * Length of the TCP or UDP header; 0 for other protocols, fragments, source-routed and truncated
   * packets.
   */
  readonly transportBytes: number;
  readonly totalBytes: number;
}

/** Reads the headers of `bytes`, which can end with padding. `undefined`: malformed. */
export function parseIpPacket(bytes: Uint8Array): IpPacket | undefined {
  const version = bytes.length > 0 ? byte(bytes, 0) >>> 4 : 0;
  if (version === 4) return parseIpv4(bytes);
  return version === 6 ? parseIpv6(bytes) : undefined;
}

function parseIpv4(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < 20) return undefined;
  const networkBytes = (byte(bytes, 0) & 0x0f) * 4;
  const totalBytes = read16(bytes, 2);
  if (networkBytes < 20 || totalBytes < networkBytes || totalBytes > bytes.length) return undefined;
  const fragmentOffset = read16(bytes, 6) & 0x1fff;
  const moreFragments = (read16(bytes, 6) & 0x2000) !== 0;
  const isFragment = moreFragments || fragmentOffset > 0;
  const protocol = byte(bytes, 9);
  return {
    family: 4,
    protocol,
    tos: byte(bytes, 1),
    ttl: byte(bytes, 8),
    isFragment,
    isLaterFragment: fragmentOffset > 0,
    hasOptions: networkBytes > 20,
    isSourceRouted: false,
    networkBytes,
    transportBytes: isFragment ? 0 : transportHeaderBytes(bytes.slice(networkBytes, totalBytes), protocol),
    totalBytes,
  };
}

function parseIpv6(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < 40) return undefined;
  const totalBytes = 40 + read16(bytes, 4);
  if (totalBytes > bytes.length) return undefined;
  const chain = walkExtensionHeaders(bytes.slice(0, totalBytes));
  const upper = bytes.slice(chain.networkBytes, totalBytes);
  return {
    family: 6,
    ...chain,
    tos: (read16(bytes, 0) >>> 4) & 0xff,
    ttl: byte(bytes, 7),
    hasOptions: EXTENSION_HEADERS.includes(byte(bytes, 6)),
    transportBytes:
      chain.isFragment || chain.isSourceRouted ? 0 : transportHeaderBytes(upper, chain.protocol),
    totalBytes,
  };
}

type Chain = Pick<
  IpPacket,
  'protocol' | 'networkBytes' | 'isFragment' | 'isLaterFragment' | 'isSourceRouted'
>;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;
const EXTENSION_HEADERS: readonly number[] = [
  HOP_BY_HOP,
  ROUTING,
  FRAGMENT,
  AUTHENTICATION,
  DESTINATION_OPTIONS,
];

/** Bounds the walk. RFC 8200 §4.1 names seven positions. */
const MAX_EXTENSION_HEADERS = 8;

/** Walks Next Header up to the first header that is no extension header, or is unreadable. */
function walkExtensionHeaders(bytes: Uint8Array): Chain {
  let chain: Chain = {
    protocol: byte(bytes, 6),
    networkBytes: 40,
    isFragment: false,
    isLaterFragment: false,
    isSourceRouted: false,
  };
  for (let count = 0; EXTENSION_HEADERS.includes(chain.protocol); count++) {
    const rest = bytes.slice(chain.networkBytes);
    const length = extensionHeaderBytes(rest, chain.protocol);
    // A later fragment continues in the middle of the packet.
    if (count === MAX_EXTENSION_HEADERS || chain.isLaterFragment || length === undefined)
      return { ...chain, protocol: PROTOCOL.none };
    chain = stepOver(chain, rest.slice(0, length));
  }
  return chain;
}

/** An atomic fragment (offset 0, no more fragments) is no fragment (RFC 6946 §2). */
function stepOver(chain: Chain, header: Uint8Array): Chain {
  const isFragmentHeader = chain.protocol === FRAGMENT;
  return {
    protocol: byte(header, 0),
    networkBytes: chain.networkBytes + header.length,
    isFragment: chain.isFragment || (isFragmentHeader && (read16(header, 2) & 0xfff9) !== 0),
    isLaterFragment: isFragmentHeader && read16(header, 2) >>> 3 > 0,
    // RFC 8200 §4.4: Segments Left.
    isSourceRouted: chain.isSourceRouted || (chain.protocol === ROUTING && byte(header, 3) > 0),
  };
}

/**
 * Length of the extension header of type `protocol` at the start of `rest`; `undefined` if it is
 * truncated.
 */
function extensionHeaderBytes(rest: Uint8Array, protocol: number): number | undefined {
  if (rest.length < 8) return undefined;
  let length = (byte(rest, 1) + 1) * 8;
  if (protocol === FRAGMENT) length = 8;
  // In units of four bytes less two, RFC 4302 §2.2.
  if (protocol === AUTHENTICATION) length = (byte(rest, 1) + 2) * 4;
  return length > rest.length ? undefined : length;
}

function transportHeaderBytes(upper: Uint8Array, protocol: number): number {
  if (protocol === PROTOCOL.udp) return upper.length < 8 ? 0 : 8;
  if (protocol !== PROTOCOL.tcp || upper.length < 20) return 0;
  const dataOffset = (byte(upper, 12) >>> 4) * 4;
  return dataOffset < 20 || dataOffset > upper.length ? 0 : dataOffset;
}

export function sourceAddress(bytes: Uint8Array, packet: IpPacket): Uint8Array {
  return packet.family === 4 ? bytes.slice(12, 16) : bytes.slice(8, 24);
}

export function destinationAddress(bytes: Uint8Array, packet: IpPacket): Uint8Array {
  return packet.family === 4 ? bytes.slice(16, 20) : bytes.slice(24, 40);
}
