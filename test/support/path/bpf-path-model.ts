// What must become of a packet at the BPF programs of the packet path, by the reference and docs/explanation/packet-path.md, on the host that
// native/test/bpf-programs.c makes.
import {
  byte,
  concat,
  containsAddress,
  decapsulateEcn,
  decapsulateUdp,
  decapsulateVxlan,
  decrementTtl,
  destinationAddress,
  encapsulatedTos,
  encapsulateVxlan,
  isDropped,
  isHeaderChecksumGood,
  longestPrefix,
  parseIpPacket,
  PROTOCOL,
  read16,
  sourceAddress,
  withHeaderChecksum,
} from '../../../native/reference/index.ts';
import type { ENCAPSULATIONS } from './path-suite.ts';

const UNDERLAY_MTU = 1500;
export const PORTS = { udp: 8285, vxlan: 8472 } as const;
const NEXT = -1;
export const REDIRECT = 7;
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const own = { vni: 1, mac: hex('020000000001') };
export const peerMac = hex('020000000002');
export const local = Uint8Array.of(192, 0, 2, 1);

export type Encapsulation = (typeof ENCAPSULATIONS)[number];

interface Route {
  readonly subnet: Uint8Array;
  readonly bits: number;
  readonly remote: Uint8Array;
  readonly port: number;
  /** Of the next hop, if it is known. */
  readonly link?: Uint8Array;
}

/** Over the addresses of most packets: two peers, a longer prefix, and a peer without a known link address. */
export const ROUTES: readonly Route[] = [
  {
    subnet: Uint8Array.of(10, 1, 2, 0),
    bits: 24,
    remote: Uint8Array.of(192, 0, 2, 2),
    port: 8472,
    link: hex('020000000022'),
  },
  {
    subnet: Uint8Array.of(10, 1, 2, 2),
    bits: 32,
    remote: Uint8Array.of(192, 0, 2, 3),
    port: 9999,
    link: hex('020000000033'),
  },
  { subnet: Uint8Array.of(10, 1, 2, 3), bits: 32, remote: Uint8Array.of(192, 0, 2, 77), port: 8472 },
];

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

/** IPv4 without options, and nothing behind it. */
export function isPlainIpv4(bytes: Uint8Array): boolean {
  const packet = parseIpPacket(bytes);
  return packet?.family === 4 && !packet.hasOptions && packet.totalBytes === bytes.length;
}

/** Longest packet of a super-packet; unset if it cannot be segmented. */
function longestSegment({ bytes, segmentBytes }: Sent): number | undefined {
  if (segmentBytes === 0) return bytes.length;
  const protocol = byte(bytes, 9);
  const headerBytes =
    protocol === PROTOCOL.udp ? 28 : 20 + (bytes.length > 32 ? byte(bytes, 32) >>> 4 : 0) * 4;
  const isKnown = protocol === PROTOCOL.udp || (protocol === PROTOCOL.tcp && bytes.length > 32);
  return isKnown && bytes.length > headerBytes ? headerBytes + segmentBytes : undefined;
}

/** The datagram that carries `payload`, as a socket sends it, but for the UDP checksum. */
export function outerOf(route: Route, sourcePort: number, tos: number, payload: Uint8Array): Uint8Array {
  const uint16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value);
  const udp = concat(uint16(sourcePort), uint16(route.port), uint16(8 + payload.length), uint16(0));
  const total = 28 + payload.length;
  const ip = concat(
    Uint8Array.of(0x45, tos),
    uint16(total),
    hex('00004000'),
    Uint8Array.of(64, PROTOCOL.udp, 0, 0),
    local,
    route.remote,
  );
  return concat(withHeaderChecksum(ip), udp, payload);
}

/** Of a packet that goes out by the TUN device. */
export function expectedTx(encapsulation: Encapsulation, sent: Sent): Outcome {
  const passedOn = { action: 'tun', bytes: sent.bytes };
  if (!isPlainIpv4(sent.bytes)) return passedOn;
  const packet = parseIpPacket(sent.bytes)!;
  const route = routeOf(destinationAddress(sent.bytes, packet));
  const overhead = encapsulation === 'udp' ? 28 : 50;
  const longest = longestSegment(sent);
  if (route?.link === undefined || longest === undefined || longest + overhead > UNDERLAY_MTU)
    return passedOn;
  if (encapsulation === 'udp' && packet.ttl <= 1) return passedOn;
  const payload =
    encapsulation === 'udp'
      ? decrementTtl(sent.bytes, packet)
      : encapsulateVxlan({ vni: own.vni, sourceMac: own.mac, destinationMac: peerMac }, sent.bytes);
  const frame = concat(route.link, hex('020000000011'), hex('0800'));
  const outer = outerOf(route, PORTS[encapsulation], encapsulatedTos(packet.tos, false), payload);
  return { action: 'wire', bytes: concat(frame, outer) };
}

/** The UDP payload of a frame for this end, with its sender and TOS; unset if it is none that is simple. */
function payloadOf(
  encapsulation: Encapsulation,
  sent: Sent,
): { inner: Uint8Array; remote: Uint8Array; tos: number } | undefined {
  const [frame, outer] = [sent.bytes.slice(0, 14), sent.bytes.slice(14)];
  if (Buffer.from(frame.slice(0, 6)).compare(hex('020000000011')) !== 0 || read16(frame, 12) !== 0x0800)
    return undefined;
  if (outer.length < 28 || !isPlainIpv4(outer) || !isHeaderChecksumGood(outer.slice(0, 20))) return undefined;
  if ((read16(outer, 6) & ~0x4000) !== 0 || byte(outer, 9) !== PROTOCOL.udp) return undefined;
  if (!containsAddress({ subnet: local, bits: 32 }, outer.slice(16, 20))) return undefined;
  if (read16(outer, 22) !== PORTS[encapsulation] || read16(outer, 24) !== outer.length - 20) return undefined;
  const datagram = outer.slice(28);
  const inner = encapsulation === 'udp' ? decapsulateUdp(datagram) : decapsulateVxlan(own, datagram);
  if (isDropped(inner) || !isPlainIpv4(inner)) return undefined;
  // No checksum is verified here.
  return read16(outer, 26) === 0 ? { inner, remote: outer.slice(12, 16), tos: byte(outer, 1) } : undefined;
}

/** Of a frame that comes in by the underlay interface. */
export function expectedRx(encapsulation: Encapsulation, sent: Sent): Outcome {
  const passedOn = { action: String(NEXT), bytes: sent.bytes };
  const payload = payloadOf(encapsulation, sent);
  if (payload === undefined) return passedOn;
  const { inner, remote, tos } = payload;
  const packet = parseIpPacket(inner)!;
  if (decapsulateEcn(inner, packet, tos) !== inner) return passedOn;
  const route = routeOf(sourceAddress(inner, packet));
  if (route === undefined || !containsAddress({ subnet: remote, bits: 32 }, route.remote)) return passedOn;
  return { action: String(REDIRECT), bytes: concat(sent.bytes.slice(0, 14), inner) };
}
