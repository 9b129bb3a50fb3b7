// Packets and frames for the BPF programs of the packet path: mostly ones that they take, and the same with one anomaly.
import * as fc from 'fast-check';
import type { Family } from '../../../lib/address.ts';
import {
  byte,
  concat,
  encapsulateVxlan,
  PROTOCOL,
  read16,
  with16,
  withHeaderChecksum,
} from '../../../native/reference/index.ts';
import {
  PORTS,
  hex,
  own,
  peerMac,
  PREFIXES,
  type Sent,
  type Tunnel,
  isPlain,
  outerOf,
} from './bpf-path-model.ts';
import { anyBytes, damaged } from './damage-arbitrary.ts';
import { ipPacket } from './packet-arbitrary.ts';
import { ENCAPSULATIONS, FAMILIES } from './path-suite.ts';

const few = <Value>(usual: Value, ...others: Value[]): fc.Arbitrary<Value> =>
  fc.oneof(
    { weight: 60, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

/** Two known addresses, which is where most packets should get far. */
const between = fc
  .tuple(ipPacket, fc.nat({ max: 3 }), fc.nat({ max: 3 }), few(64, 0, 1, 2, 255), fc.nat({ max: 3 }))
  .filter(([bytes]) => isPlain(bytes))
  .map(([bytes, from, to, ttl, tos]) => {
    const family = byte(bytes, 0) >>> 4 === 6 ? 6 : 4;
    const addresses = concat(PREFIXES[family], Uint8Array.of(from), PREFIXES[family], Uint8Array.of(to));
    if (family === 6) {
      const start = with16(bytes.slice(0, 8), 0, 0x6000 | (tos << 4));
      return concat(start.slice(0, 7), Uint8Array.of(ttl), addresses, bytes.slice(40));
    }
    const start = concat(bytes.slice(0, 1), Uint8Array.of(tos), bytes.slice(2, 8), Uint8Array.of(ttl));
    const header = concat(start, bytes.slice(9, 10), hex('0000'), addresses);
    return concat(withHeaderChecksum(header), bytes.slice(20));
  });

const innerPacket = fc.oneof(anyBytes, ipPacket, between, between, between);

/** Super-packets as a stack emits them only: TCP and UDP without options, checksums for the device to fill in. */
export const sentOut: fc.Arbitrary<Sent> = fc.oneof(
  {
    weight: 5,
    arbitrary: innerPacket.filter((bytes) => bytes.length > 0).map((bytes) => ({ bytes, segmentBytes: 0 })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        innerPacket,
        fc.integer({ min: 100, max: 1600 }),
        fc.constantFrom(PROTOCOL.tcp, PROTOCOL.udp),
        fc.integer({ min: 1, max: 7000 }),
      )
      .filter(([bytes]) => isPlain(bytes))
      .map(([bytes, segmentBytes, protocol, more]) =>
        superPacket(bytes, protocol, segmentBytes, segmentBytes + more),
      ),
  },
);

function superPacket(like: Uint8Array, protocol: number, segmentBytes: number, payloadBytes: number): Sent {
  const transport =
    protocol === PROTOCOL.tcp ? hex('1451303900000001000000025010020000000000') : hex('1451303900000000');
  const payload = new Uint8Array(Math.min(payloadBytes, segmentBytes * 60, 8900)).map((_, at) => at * 7);
  const segmented = concat(withUdpLength(transport, protocol, payload.length), payload);
  if (byte(like, 0) >>> 4 === 6) {
    const start = with16(like.slice(0, 6), 4, segmented.length);
    return { bytes: concat(start, Uint8Array.of(protocol, 64), like.slice(8, 40), segmented), segmentBytes };
  }
  const ip = with16(
    concat(like.slice(0, 6), hex('400040'), Uint8Array.of(protocol), like.slice(10, 20)),
    2,
    20 + segmented.length,
  );
  return { bytes: concat(withHeaderChecksum(ip), segmented), segmentBytes };
}

function withUdpLength(transport: Uint8Array, protocol: number, payloadBytes: number): Uint8Array {
  return protocol === PROTOCOL.udp ? with16(transport, 4, transport.length + payloadBytes) : transport;
}

/** A frame of the tunnel that is mostly right. No super-packets: a BPF test run cannot set their type; suites of hosts send them. */
const frame = fc
  .record({
    inner: innerPacket,
    encapsulation: fc.constantFrom(...ENCAPSULATIONS),
    to: few(hex('020000000011'), hex('020000000012'), hex('ffffffffffff'), hex('01005e000001')),
    underlay: fc.constantFrom(...FAMILIES),
    type: few(0, 0x8a, 0x8100, 0x0806),
    remote: fc.constantFrom(2, 2, 2, 2, 3, 77, 99),
    toLocal: few(1, 9),
    port: few(0, 1),
    vni: few(own.vni, 2),
    mac: few(own.mac, peerMac),
    tos: few(0, 1, 2, 3, 0xfc),
    checksum: few(0, 0x1234),
    fragment: few(0x4000, 0, 0x2000, 0x2001, 0x8000, 1),
    lengths: few([0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [-8, -8]),
    hasGoodHeader: few(true, false),
  })
  .map((each): readonly [Tunnel, Sent] => {
    const { encapsulation, underlay } = each;
    const path = { vni: each.vni, sourceMac: peerMac, destinationMac: each.mac };
    const payload =
      encapsulation === 'udp' || each.inner.length === 0 ? each.inner : encapsulateVxlan(path, each.inner);
    const ends = { source: each.remote, destination: each.toLocal };
    const ports = [40_000, PORTS[encapsulation] + each.port] as const;
    const outer = spoil(outerOf({ underlay, ...ends, ports, tos: each.tos }, payload), each);
    const type = each.type === 0 ? (underlay === 4 ? 0x0800 : 0x86dd) : each.type;
    const bytes = concat(each.to, hex('020000000022'), Uint8Array.of(type >>> 8, type), outer);
    return [
      { encapsulation, underlay },
      { bytes, segmentBytes: 0 },
    ];
  });

interface Anomalies {
  readonly underlay: Family;
  readonly lengths: readonly number[];
  readonly checksum: number;
  /** Flags and fragment offset; of IPv4. */
  readonly fragment: number;
  readonly hasGoodHeader: boolean;
}

/** An outer packet with other lengths, a UDP checksum, and for IPv4 flags and a wrong header checksum. */
function spoil(whole: Uint8Array, anomalies: Anomalies): Uint8Array {
  const { underlay, fragment, checksum } = anomalies;
  const [ipDelta, udpDelta] = anomalies.lengths as [number, number];
  const udpAt = underlay === 4 ? 20 : 40;
  const lengthAt = underlay === 4 ? 2 : 4;
  let outer = with16(whole, lengthAt, read16(whole, lengthAt) + ipDelta);
  outer = with16(with16(outer, udpAt + 4, read16(outer, udpAt + 4) + udpDelta), udpAt + 6, checksum);
  if (underlay === 6) return outer;
  outer = with16(outer, 6, fragment);
  outer = concat(withHeaderChecksum(with16(outer.slice(0, 20), 10, 0)), outer.slice(20));
  return anomalies.hasGoodHeader ? outer : with16(outer, 10, read16(outer, 10) ^ 1);
}

/** Cut short, with wrong bits, or as it is. */
export const anyFrame = fc.oneof(
  { weight: 3, arbitrary: frame },
  {
    weight: 1,
    arbitrary: frame.chain(([tunnel, sent]) =>
      damaged(fc.constant(sent.bytes)).map((bytes): readonly [Tunnel, Sent] => [tunnel, { ...sent, bytes }]),
    ),
  },
);
