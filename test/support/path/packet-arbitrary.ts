// Random packets for property tests: valid ones of every shape that the path meets, and the same with damage.
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
  type VirtioHeader,
} from '../../../native/reference/index.ts';

const TCP_DATA = 0x10;

/** `length` bytes that differ from place to place. */
export function filler(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + seed) ^ (at >>> 5));
}

const uint16 = fc.nat({ max: 0xffff });
const uint32 = fc.nat({ max: 0xffff_ffff });
const byteValue = fc.nat({ max: 0xff });

function bytes16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

const payload = fc
  .tuple(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 1500 })), byteValue)
  .map(([length, seed]) => filler(length, seed));

const ipv4Address = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 3 }).map((host) => Uint8Array.of(10, 1, 2, host)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
      )
      .map((bytes) => Uint8Array.from(bytes)),
  },
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
);

function ipv6(start: readonly number[], end: readonly number[]): Uint8Array {
  return concat(Uint8Array.from(start), new Uint8Array(16 - start.length - end.length), Uint8Array.from(end));
}

const ipv6Address = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 3 }).map((host) => ipv6([0xfd, 7], [host])) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ipv6([], []),
      ipv6([], [1]),
      ipv6([], [0xff, 0xff, 1, 2, 3, 4]),
      ipv6([0xfe, 0x80], [1]),
      ipv6([0xfe, 0xbf], [1]),
      ipv6([0xfe, 0xc0], [1]),
      ipv6([0xff, 2], [1]),
    ),
  },
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);

/** Of RFC 791 §3.1, with lengths that are mostly right. */
const ipv4Options = fc
  .array(
    fc.oneof(
      fc.constant([1]),
      fc.constant([0]),
      fc
        .tuple(fc.constantFrom(7, 68, 130, 131, 137, 148), fc.nat({ max: 8 }))
        .map(([type, bytes]) => [type, bytes + 2, ...filler(bytes, type)]),
      fc.array(byteValue, { maxLength: 3 }),
    ),
    { maxLength: 4 },
  )
  .map((options) => options.flat().slice(0, 40))
  .map((options) => concat(Uint8Array.from(options), new Uint8Array(-options.length & 3)));

interface Upper {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

const tcpOptions = fc.oneof(
  fc.constant(new Uint8Array()),
  fc.uint8Array({ minLength: 12, maxLength: 12 }),
  fc.nat({ max: 10 }).map((fields) => filler(fields * 4, 3)),
);

const tcp = fc
  .record({
    ports: fc.tuple(uint16, uint16),
    numbers: fc.tuple(uint32, uint32),
    flags: fc.oneof(fc.constantFrom(TCP_DATA, TCP_DATA | 8), byteValue),
    reserved: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.nat({ max: 15 }) },
    ),
    window: uint16,
    options: tcpOptions,
    payload,
  })
  .map(({ ports, numbers, flags, reserved, window, options, payload: data }): Upper => {
    const offset = ((5 + options.length / 4) << 4) | reserved;
    const fields = [
      ...numbers.flatMap((number) => [number >>> 16, number & 0xffff]),
      (offset << 8) | flags,
      window,
      0,
      0,
    ];
    return { protocol: PROTOCOL.tcp, bytes: concat(...[...ports, ...fields].map(bytes16), options, data) };
  });

const udp = fc
  .record({ ports: fc.tuple(uint16, uint16), payload })
  .map(({ ports, payload: data }): Upper => ({
    protocol: PROTOCOL.udp,
    bytes: concat(...[...ports, 8 + data.length, 0].map(bytes16), data),
  }));

const otherUpper = fc
  .record({
    protocol: fc.constantFrom(
      PROTOCOL.icmp,
      PROTOCOL.icmpv6,
      PROTOCOL.none,
      2,
      47,
      50,
      132,
      135,
      139,
      140,
      253,
    ),
    type: fc.oneof(fc.nat({ max: 20 }), fc.integer({ min: 125, max: 140 })),
    data: payload,
  })
  .map(({ protocol, type, data }): Upper => {
    return { protocol, bytes: data.length === 0 ? data : concat(Uint8Array.of(type), data.slice(1)) };
  });

const upper = fc.oneof(
  { weight: 4, arbitrary: tcp },
  { weight: 4, arbitrary: udp },
  { weight: 2, arbitrary: otherUpper },
);

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
    // An authentication header has to be a multiple of eight bytes in IPv6, which nobody can rely on.
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

type Damage = (bytes: Uint8Array) => Uint8Array;

const damage: fc.Arbitrary<Damage> = fc.oneof(
  // Headers are where it matters.
  fc.tuple(fc.nat({ max: 80 }), byteValue).map(([at, value]): Damage => {
    return (bytes) => bytes.map((old, index) => (index === at ? value : old));
  }),
  fc.tuple(fc.nat({ max: 2000 }), fc.nat({ max: 7 })).map(([at, bit]): Damage => {
    return (bytes) => bytes.map((old, index) => (index === at % bytes.length ? old ^ (1 << bit) : old));
  }),
  fc.nat({ max: 100 }).map(
    (length): Damage =>
      (bytes) =>
        bytes.slice(0, length),
  ),
  fc.nat({ max: 30 }).map(
    (count): Damage =>
      (bytes) =>
        bytes.slice(0, Math.max(0, bytes.length - count)),
  ),
  fc.nat({ max: 30 }).map(
    (count): Damage =>
      (bytes) =>
        concat(bytes, filler(count, 1)),
  ),
);

/** `bytes` as some failing or hostile sender might make them; mostly one thing is wrong. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const damages = fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 5, arbitrary: fc.array(damage, { minLength: 1, maxLength: 1 }) },
    { weight: 3, arbitrary: fc.array(damage, { minLength: 2, maxLength: 5 }) },
  );
  return fc.tuple(bytes, damages).map(([whole, steps]) => steps.reduce((each, step) => step(each), whole));
}

/** Anything that may come; often well-formed. */
export const anyBytes = fc.oneof(
  { weight: 9, arbitrary: damaged(ipPacket) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
);

/** Well-formed, but with whatever damage leaves it so. */
export const survivingPacket = anyBytes.filter((bytes) => parseIpPacket(bytes) !== undefined);

export const virtioHeader: fc.Arbitrary<VirtioHeader> = fc.record({
  flags: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: byteValue }),
  gsoType: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(0, 1, 4, 5, 0x81, 0x84, 0x85) },
    { weight: 1, arbitrary: byteValue },
  ),
  headerBytes: uint16,
  gsoSize: fc.oneof(fc.nat({ max: 300 }), uint16),
  checksumStart: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 80 }) }, { weight: 1, arbitrary: uint16 }),
  checksumOffset: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(6, 16) },
    { weight: 1, arbitrary: uint16 },
  ),
});
