// What must become of a packet at the BPF programs of the packet path, by the reference and docs/explanation/packet-path.md, on the host that
// native/test/bpf-programs.c makes.
import {
  byte,
  concat,
  decapsulateEcn,
  decapsulateUdp,
  decapsulateVxlan,
  decrementTtl,
  destinationAddress,
  encapsulatedTos,
  encapsulateVxlan,
  isDropped,
  isEqual,
  isHeaderChecksumGood,
  longestPrefix,
  parseIpPacket,
  PROTOCOL,
  read16,
  sourceAddress,
  VXLAN_HEADER_BYTES,
  withHeaderChecksum,
} from '../../../native/reference/index.ts';
import type { Family } from '../../../lib/address.ts';
import type { ENCAPSULATIONS } from './path-suite.ts';

const UNDERLAY_MTU = 1500;
export const PORTS = { udp: 8285, vxlan: 8472 } as const;
const ETHER_TYPES: Readonly<Record<Family, string>> = { 4: '0800', 6: '86dd' };
const HEADER_BYTES: Readonly<Record<Family, number>> = { 4: 20, 6: 40 };
const UDP_BYTES = 8;
const NEXT = -1;
export const REDIRECT = 7;
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const own = { vni: 1, mac: hex('020000000001') };
export const peerMac = hex('020000000002');
export const LOCAL = 1;

export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** A tunnel: the format, and the family of the underlay. */
export interface Tunnel {
  readonly encapsulation: Encapsulation;
  readonly underlay: Family;
}

/** Address of a host of the underlay: 192.0.2.N or 2001:db8::N. */
export function hostAddress(underlay: Family, host: number): Uint8Array {
  return underlay === 4
    ? Uint8Array.of(192, 0, 2, host)
    : concat(hex('20010db8'), new Uint8Array(11), Uint8Array.of(host));
}

interface Route {
  readonly subnet: Uint8Array;
  readonly bits: number;
  /** Number of the host in the underlay. */
  readonly host: number;
  readonly port: number;
  /** Of the next hop, if it is known. */
  readonly link?: Uint8Array;
}

/** First addresses of the first subnet of peers; most packets are between such. */
export const PREFIXES: Readonly<Record<Family, Uint8Array>> = {
  4: Uint8Array.of(10, 1, 2),
  6: concat(hex('fd00000100020000'), new Uint8Array(7)),
};

/** Over the addresses of most packets: two peers, a longer prefix, and a peer without a known link address. */
export const ROUTES: readonly Route[] = ([4, 6] as const).flatMap((family): Route[] => {
  const bits = family === 4 ? 32 : 128;
  const at = (last: number): Uint8Array => concat(PREFIXES[family], Uint8Array.of(last));
  return [
    { subnet: at(0), bits: family === 4 ? 24 : 64, host: 2, port: 8472, link: hex('020000000022') },
    { subnet: at(2), bits, host: 3, port: 9999, link: hex('020000000033') },
    { subnet: at(3), bits, host: 77, port: 8472 },
  ];
});

export interface Sent {
  readonly bytes: Uint8Array;
  /** 0: no super-packet. */
  readonly segmentBytes: number;
}

/** Expected outcome of a packet: an action and bytes; the same bytes if it passes through. */
export interface Outcome {
  readonly action: string;
  readonly bytes: Uint8Array;
}

function routeOf(address: Uint8Array): Route | undefined {
  return longestPrefix(ROUTES, address) as Route | undefined;
}

/** IPv4 without options or IPv6, and nothing behind it. */
export function isPlain(bytes: Uint8Array): boolean {
  const packet = parseIpPacket(bytes);
  if (packet === undefined || packet.totalBytes !== bytes.length) return false;
  return packet.family === 6 || !packet.hasOptions;
}

/** Longest packet of a super-packet; unset if it cannot be segmented. */
function longestSegment({ bytes, segmentBytes }: Sent): number | undefined {
  if (segmentBytes === 0) return bytes.length;
  const isIpv6 = byte(bytes, 0) >>> 4 === 6;
  const networkBytes = HEADER_BYTES[isIpv6 ? 6 : 4];
  const protocol = byte(bytes, isIpv6 ? 6 : 9);
  const offsetAt = networkBytes + 12;
  const headerBytes =
    networkBytes +
    (protocol === PROTOCOL.udp ? UDP_BYTES : (bytes.length > offsetAt ? byte(bytes, offsetAt) >>> 4 : 0) * 4);
  const isKnown = protocol === PROTOCOL.udp || (protocol === PROTOCOL.tcp && bytes.length > offsetAt);
  return isKnown && bytes.length > headerBytes ? headerBytes + segmentBytes : undefined;
}

interface Datagram {
  readonly underlay: Family;
  readonly source: number;
  readonly destination: number;
  readonly ports: readonly [source: number, destination: number];
  readonly tos: number;
}

const uint16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value);

/** The datagram that carries `payload`, as a socket sends it, but for UDP checksum and flow label. */
export function outerOf(datagram: Datagram, payload: Uint8Array): Uint8Array {
  const { underlay, ports, tos } = datagram;
  const udpBytes = UDP_BYTES + payload.length;
  const udp = concat(...ports.map(uint16), uint16(udpBytes), uint16(0), payload);
  const addresses = concat(
    hostAddress(underlay, datagram.source),
    hostAddress(underlay, datagram.destination),
  );
  if (underlay === 6) {
    const start = Uint8Array.of(0x60 | (tos >>> 4), (tos & 15) << 4, 0, 0);
    return concat(start, uint16(udpBytes), Uint8Array.of(PROTOCOL.udp, 64), addresses, udp);
  }
  const start = concat(Uint8Array.of(0x45, tos), uint16(20 + udpBytes), hex('00004000'));
  const ip = concat(start, Uint8Array.of(64, PROTOCOL.udp, 0, 0), addresses);
  return concat(withHeaderChecksum(ip), udp);
}

/** Of a packet that goes out by the TUN device. */
export function expectedTx({ encapsulation, underlay }: Tunnel, sent: Sent): Outcome {
  const passedOn = { action: 'tun', bytes: sent.bytes };
  if (!isPlain(sent.bytes)) return passedOn;
  const packet = parseIpPacket(sent.bytes)!;
  const route = routeOf(destinationAddress(sent.bytes, packet));
  const overhead = HEADER_BYTES[underlay] + UDP_BYTES + (encapsulation === 'udp' ? 0 : VXLAN_HEADER_BYTES);
  const longest = longestSegment(sent);
  if (route?.link === undefined || longest === undefined || longest + overhead > UNDERLAY_MTU)
    return passedOn;
  if (encapsulation === 'udp' && packet.ttl <= 1) return passedOn;
  const payload =
    encapsulation === 'udp'
      ? decrementTtl(sent.bytes, packet)
      : encapsulateVxlan({ vni: own.vni, sourceMac: own.mac, destinationMac: peerMac }, sent.bytes);
  const frame = concat(route.link, hex('020000000011'), hex(ETHER_TYPES[underlay]));
  const ports = [PORTS[encapsulation], route.port] as const;
  const ends = { source: LOCAL, destination: route.host };
  const outer = outerOf({ underlay, ...ends, ports, tos: encapsulatedTos(packet.tos, false) }, payload);
  return { action: 'wire', bytes: concat(frame, outer) };
}

/** Whether it is a plain UDP packet of the underlay's family, without header checksum errors or fragments. */
function isPlainUdp(outer: Uint8Array, underlay: Family): boolean {
  const networkBytes = HEADER_BYTES[underlay];
  if (outer.length < networkBytes + UDP_BYTES || !isPlain(outer)) return false;
  if (byte(outer, 0) >>> 4 !== underlay || byte(outer, underlay === 4 ? 9 : 6) !== PROTOCOL.udp) return false;
  if (read16(outer, networkBytes + 4) !== outer.length - networkBytes) return false;
  return underlay === 6 || (isHeaderChecksumGood(outer.slice(0, 20)) && (read16(outer, 6) & ~0x4000) === 0);
}

/** The UDP payload of a frame for this end, with its sender and TOS; unset if it is none that is simple. */
function payloadOf(
  { encapsulation, underlay }: Tunnel,
  sent: Sent,
): { inner: Uint8Array; remote: Uint8Array; tos: number } | undefined {
  const [frame, outer] = [sent.bytes.slice(0, 14), sent.bytes.slice(14)];
  const isForHost = isEqual(frame.slice(0, 6), hex('020000000011'));
  if (!isForHost || !isEqual(frame.slice(12), hex(ETHER_TYPES[underlay]))) return undefined;
  if (!isPlainUdp(outer, underlay)) return undefined;
  const packet = parseIpPacket(outer)!;
  if (!isEqual(destinationAddress(outer, packet), hostAddress(underlay, LOCAL))) return undefined;
  const udp = outer.slice(HEADER_BYTES[underlay]);
  if (read16(udp, 2) !== PORTS[encapsulation]) return undefined;
  const datagram = udp.slice(UDP_BYTES);
  const inner = encapsulation === 'udp' ? decapsulateUdp(datagram) : decapsulateVxlan(own, datagram);
  if (isDropped(inner) || !isPlain(inner)) return undefined;
  // No checksum is verified here.
  return read16(udp, 6) === 0 ? { inner, remote: sourceAddress(outer, packet), tos: packet.tos } : undefined;
}

/** Of a frame that comes in by the underlay interface. */
export function expectedRx(tunnel: Tunnel, sent: Sent): Outcome {
  const passedOn = { action: String(NEXT), bytes: sent.bytes };
  const payload = payloadOf(tunnel, sent);
  if (payload === undefined) return passedOn;
  const { inner, remote, tos } = payload;
  const packet = parseIpPacket(inner)!;
  if (decapsulateEcn(inner, packet, tos) !== inner) return passedOn;
  const route = routeOf(sourceAddress(inner, packet));
  if (route === undefined || !isEqual(remote, hostAddress(tunnel.underlay, route.host))) return passedOn;
  return { action: String(REDIRECT), bytes: concat(sent.bytes.slice(0, 14), inner) };
}
