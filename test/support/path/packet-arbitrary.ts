// Random valid IP packets of every shape that the path meets, for property tests.
import * as fc from 'fast-check';
import {
  checksumOffset,
  concat,
  onesComplementSum,
  parseIpPacket,
  PROTOCOL,
  pseudoHeader,
  read16,
  with16,
  withHeaderChecksum,
  withTransportChecksum,
  type IpPacket,
} from '../../../native/reference/index.ts';
import {
  filler,
  uint16,
  byteValue,
  bytes16,
  ipv4Address,
  ipv6Address,
  ipv4Options,
  upper,
} from './transport-arbitrary.ts';

const tos = fc.oneof(fc.nat({ max: 3 }), byteValue);
const ttl = fc.oneof(fc.constantFrom(1, 2, 64, 255), fc.integer({ min: 1, max: 255 }));

const ipv4Fragment = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 0x4000) },
  { weight: 1, arbitrary: fc.constantFrom(0x2000, 0x2001, 0x00b9, 0x8000, 0xc000, 0x6000) },
  { weight: 1, arbitrary: uint16 },
);

const ipv4Packet = fc
  .record({
    tos,
    id: uint16,
    fragment: ipv4Fragment,
    ttl,
    addresses: fc.tuple(ipv4Address, ipv4Address),
    options: fc.oneof(
      { weight: 3, arbitrary: fc.constant(new Uint8Array()) },
      { weight: 1, arbitrary: ipv4Options },
    ),
    upper,
  })
  .map((ip) => {
    const total = 20 + ip.options.length + ip.upper.bytes.length;
    const header = concat(
      Uint8Array.of(0x45 + ip.options.length / 4, ip.tos),
      ...[total, ip.id, ip.fragment].map(bytes16),
      Uint8Array.of(ip.ttl, ip.upper.protocol, 0, 0),
      ...ip.addresses,
      ip.options,
    );
    return concat(withHeaderChecksum(header), ip.upper.bytes);
  });

/** Type and bytes, the first of which is Next Header. */
const extensionHeader = fc
  .record({
    type: fc.constantFrom(0, 43, 44, 51, 60),
    units: fc.nat({ max: 3 }),
    seed: byteValue,
    offset: fc.constantFrom(0, 0, 1, 8, 0xb8),
    left: fc.constantFrom(0, 0, 1),
  })
  .map(({ type, units, seed, offset, left }) => {
    if (type === 44) return { type, bytes: concat(Uint8Array.of(0, seed), bytes16(offset), filler(4, seed)) };
    const fields = type === 51 ? (units + 2) * 4 : (units + 1) * 8;
    // RFC 4302 requires a multiple of eight bytes in IPv6; senders may violate it.
    const bytes = filler(Math.max(fields, 8), seed);
    bytes[1] = units;
    if (type === 43) bytes[3] = left;
    return { type, bytes };
  });

const ipv6Packet = fc
  .record({
    tos,
    flow: fc.nat({ max: 0xf_ffff }),
    ttl,
    addresses: fc.tuple(ipv6Address, ipv6Address),
    extensions: fc.oneof(
      { weight: 6, arbitrary: fc.array(extensionHeader, { maxLength: 0 }) },
      { weight: 3, arbitrary: fc.array(extensionHeader, { maxLength: 4 }) },
      { weight: 1, arbitrary: fc.array(extensionHeader, { minLength: 7, maxLength: 10 }) },
    ),
    upper,
  })
  .map((ip) => {
    const types = [...ip.extensions.map(({ type }) => type), ip.upper.protocol];
    const extensions = ip.extensions.map(({ bytes }, index) =>
      concat(Uint8Array.of(types[index + 1]!), bytes.slice(1)),
    );
    const rest = concat(...extensions, ip.upper.bytes);
    const start = 0x6000_0000 + ip.tos * 0x10_0000 + ip.flow;
    return concat(
      ...[start >>> 16, start & 0xffff, rest.length].map(bytes16),
      Uint8Array.of(types[0]!, ip.ttl),
      ...ip.addresses,
      rest,
    );
  });

type Checksum = 'good' | 'zero' | 'partial' | 'none' | 'bad';

function withChecksum(whole: Uint8Array, how: Checksum): Uint8Array {
  const packet = parseIpPacket(whole);
  if (packet === undefined || packet.transportBytes === 0) return whole;
  const surplus = packet.protocol === PROTOCOL.udp ? surplusBytes(whole, packet) : 0;
  const end = packet.totalBytes - surplus;
  return concat(summed(whole.slice(0, end), packet, how), whole.slice(end));
}

/** Bytes that belong to no UDP datagram, though to the IP packet. */
function surplusBytes(bytes: Uint8Array, packet: IpPacket): number {
  return packet.totalBytes - packet.networkBytes - read16(bytes, packet.networkBytes + 4);
}

function summed(bytes: Uint8Array, packet: IpPacket, how: Checksum): Uint8Array {
  const fieldAt = packet.networkBytes + checksumOffset(packet);
  const good = withTransportChecksum(bytes, packet);
  if (how === 'good') return good;
  if (how === 'none') return with16(good, fieldAt, 0);
  if (how === 'bad') return with16(good, fieldAt, (good[fieldAt]! << 8) ^ 0x5a5a);
  if (how === 'zero') {
    // What the checksum would be, into the source port, so that it comes out as 0.
    const fields = concat(
      bytes.slice(packet.networkBytes, packet.networkBytes + 2),
      good.slice(fieldAt, fieldAt + 2),
    );
    return withTransportChecksum(with16(bytes, packet.networkBytes, onesComplementSum(fields)), packet);
  }
  const pseudo = pseudoHeader(bytes, packet, bytes.length - packet.networkBytes);
  return with16(good, fieldAt, onesComplementSum(pseudo));
}

const checksum = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Checksum>('good') },
  { weight: 4, arbitrary: fc.constantFrom<Checksum>('zero', 'partial', 'none', 'bad') },
);

/** A well-formed IP packet without padding. */
export const ipPacket = fc
  .tuple(fc.oneof(ipv4Packet, ipv6Packet), checksum)
  .map(([bytes, how]) => withChecksum(bytes, how));

/** A well-formed TCP or UDP packet with its transport header, which may end in padding. */
export const transportPacket = ipPacket.filter((bytes) => parseIpPacket(bytes)!.transportBytes > 0);
