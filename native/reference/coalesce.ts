// Coalesces packets of one flow into a super-packet for the TUN device. The inverse specifies it:
// packets are coalesced exactly if segmenting the result restores them byte for byte and their
// checksums are good. One field may differ: the identification of IPv4 packets with DF, which is
// meaningless (RFC 6864 §4.1).
import { byte, concat, isEqual, read16, with16, with8 } from './bytes.ts';
import { checksumState, isHeaderChecksumGood, onesComplementSum, pseudoHeader } from './checksum.ts';
import { isDropped } from './dropped.ts';
import { parseIpPacket, PROTOCOL, type IpPacket } from './ip-packet.ts';
import {
  checksumOffset,
  GSO,
  NEEDS_CHECKSUM,
  networkHeaderOf,
  segment,
  TCP_FLAG,
  type VirtioHeader,
} from './segment.ts';

/** One write to the TUN device. */
export interface TunWrite {
  readonly header: VirtioHeader;
  readonly bytes: Uint8Array;
  /** Number and bytes of its packets, each with its headers. */
  readonly packets: number;
  readonly innerBytes: number;
}

/** Offloads of the TUN device. */
export interface Joinable {
  readonly tcp: boolean;
  readonly udp: boolean;
}

const MAX_JOINED = 64;
const MAX_PACKET = 65535;
/** The reserved IPv4 flag, which must be 0 (RFC 791 §3.1). */
const RESERVED_BIT = 0x8000;
const NO_OFFLOAD: VirtioHeader = {
  flags: 0,
  gsoType: GSO.none,
  headerBytes: 0,
  gsoSize: 0,
  checksumStart: 0,
  checksumOffset: 0,
};

/** The writes that deliver well-formed `packets` in order, without padding. */
export function coalesce(packets: readonly Uint8Array[], joinable: Joinable): readonly TunWrite[] {
  const runs: Uint8Array[][] = [];
  for (const padded of packets) {
    const packet = padded.slice(0, parseWhole(padded).totalBytes);
    const run = runs.at(-1);
    if (run !== undefined && canJoin([...run, packet], joinable)) run.push(packet);
    else runs.push([packet]);
  }
  return runs.map((run) => (run.length === 1 ? alone(run[0]!) : joined(run)));
}

function parseWhole(bytes: Uint8Array): IpPacket {
  const packet = parseIpPacket(bytes);
  if (packet === undefined) throw new RangeError('malformed packet');
  return packet;
}

function alone(packet: Uint8Array): TunWrite {
  return { header: NO_OFFLOAD, bytes: packet, packets: 1, innerBytes: packet.length };
}

function canJoin(run: readonly Uint8Array[], joinable: Joinable): boolean {
  if (run.length > MAX_JOINED || !run.every((packet) => isJoinable(packet, joinable))) return false;
  if (!run.every((packet) => isOfOneKind(packet, run[0]!))) return false;
  const whole = joined(run);
  if (whole.bytes.length > MAX_PACKET) return false;
  const back = segment(whole.header, whole.bytes);
  return (
    !isDropped(back) &&
    back.length === run.length &&
    back.every((packet, index) => isEqual(comparable(packet), comparable(run[index]!)))
  );
}

/** Whether the packet has data, good checksums and no field that only some segments would have. */
function isJoinable(bytes: Uint8Array, joinable: Joinable): boolean {
  const packet = parseWhole(bytes);
  if (packet.transportBytes === 0 || packet.hasOptions) return false;
  if (packet.networkBytes + packet.transportBytes === packet.totalBytes) return false;
  if (packet.family === 4 && !isHeaderChecksumGood(bytes.slice(0, packet.networkBytes))) return false;
  if (packet.family === 4 && (read16(bytes, 6) & RESERVED_BIT) !== 0) return false;
  if (checksumState(bytes, packet) !== 'good') return false;
  return packet.protocol === PROTOCOL.tcp ? joinable.tcp && hasPlainFlags(bytes, packet) : joinable.udp;
}

/** Whether one header can represent both packets. */
function isOfOneKind(one: Uint8Array, other: Uint8Array): boolean {
  const [a, b] = [parseWhole(one), parseWhole(other)];
  return a.family === b.family && a.protocol === b.protocol && a.transportBytes === b.transportBytes;
}

function hasPlainFlags(bytes: Uint8Array, packet: IpPacket): boolean {
  const flags = byte(bytes, packet.networkBytes + 13);
  const reserved = byte(bytes, packet.networkBytes + 12) & 0x0f;
  const special = TCP_FLAG.syn | TCP_FLAG.rst | TCP_FLAG.urg | TCP_FLAG.cwr;
  return (flags & TCP_FLAG.ack) !== 0 && (flags & special) === 0 && reserved === 0;
}

/**
 * A good packet without its meaningless fields: checksums, as zero has two forms, and the
 * identification beside DF.
 */
function comparable(bytes: Uint8Array): Uint8Array {
  const packet = parseWhole(bytes);
  const withoutTransport = with16(bytes, packet.networkBytes + checksumOffset(packet), 0);
  if (packet.family === 6) return withoutTransport;
  const withoutChecksums = with16(withoutTransport, 10, 0);
  return hasDontFragment(bytes) ? with16(withoutChecksums, 4, 0) : withoutChecksums;
}

function hasDontFragment(bytes: Uint8Array): boolean {
  return (read16(bytes, 6) & 0x4000) !== 0;
}

/**
 * The headers of the first packet, all payloads, FIN and PSH of the last, and a partial checksum.
 */
function joined(run: readonly Uint8Array[]): TunWrite {
  const first = run[0]!;
  const packet = parseWhole(first);
  const headerBytes = packet.networkBytes + packet.transportBytes;
  const payload = concat(...run.map((each) => each.slice(headerBytes)));
  const upperBytes = packet.transportBytes + payload.length;
  const network = networkHeaderOf(first.slice(0, packet.networkBytes), packet.family, upperBytes, 0);
  const transport =
    packet.protocol === PROTOCOL.udp ? udpHeaderOf(first, packet, upperBytes) : tcpHeaderOf(run, packet);
  const pseudo = onesComplementSum(pseudoHeader(first, packet, upperBytes));
  return {
    header: superHeader(first, packet, first.length - headerBytes),
    bytes: concat(network, with16(transport, checksumOffset(packet), pseudo), payload),
    packets: run.length,
    innerBytes: run.reduce((sum, each) => sum + each.length, 0),
  };
}

function udpHeaderOf(first: Uint8Array, packet: IpPacket, upperBytes: number): Uint8Array {
  return with16(first.slice(packet.networkBytes, packet.networkBytes + 8), 4, upperBytes);
}

function tcpHeaderOf(run: readonly Uint8Array[], packet: IpPacket): Uint8Array {
  const [first, last] = [run[0]!, run.at(-1)!];
  const ending = byte(last, packet.networkBytes + 13) & (TCP_FLAG.fin | TCP_FLAG.psh);
  const header = first.slice(packet.networkBytes, packet.networkBytes + packet.transportBytes);
  return with8(header, 13, byte(header, 13) | ending);
}

function superHeader(bytes: Uint8Array, packet: IpPacket, gsoSize: number): VirtioHeader {
  return {
    flags: NEEDS_CHECKSUM,
    gsoType: gsoTypeOf(bytes, packet),
    headerBytes: packet.networkBytes + packet.transportBytes,
    gsoSize,
    checksumStart: packet.networkBytes,
    checksumOffset: checksumOffset(packet),
  };
}

function gsoTypeOf(bytes: Uint8Array, packet: IpPacket): number {
  if (packet.protocol === PROTOCOL.udp) return GSO.udp;
  const hasCwr = (byte(bytes, packet.networkBytes + 13) & TCP_FLAG.cwr) !== 0;
  return (packet.family === 4 ? GSO.tcpv4 : GSO.tcpv6) | (hasCwr ? GSO.ecn : 0);
}

/** Context of a packet with a partial checksum. */
export interface PartialOptions {
  /** MTU of the TUN device. Longer TCP packets are super-packets of segments with this MTU. */
  readonly mtu: number;
  /** Payload per segment of a UDP super-packet; 0: unknown. */
  readonly segmentPayload: number;
}

/**
 * The write of a packet with a partial checksum: unchanged bytes, which the TUN device completes.
 */
export function deliverPartial(padded: Uint8Array, options: PartialOptions): TunWrite {
  const packet = parseWhole(padded);
  const bytes = padded.slice(0, packet.totalBytes);
  const headerBytes = packet.networkBytes + packet.transportBytes;
  const isTcp = packet.protocol === PROTOCOL.tcp;
  const gsoSize = isTcp ? options.mtu - headerBytes : options.segmentPayload;
  const isSuper = gsoSize > 0 && bytes.length - headerBytes > gsoSize;
  const header = superHeader(bytes, packet, gsoSize);
  if (!isSuper) return { ...alone(bytes), header: { ...header, gsoType: GSO.none, gsoSize: 0 } };
  const packets = Math.ceil((bytes.length - headerBytes) / gsoSize);
  return { header, bytes, packets, innerBytes: bytes.length + (packets - 1) * headerBytes };
}
