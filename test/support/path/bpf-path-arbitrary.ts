// Packets and frames for the BPF programs of the packet path: mostly ones that they take, and the same with one anomaly.
import * as fc from 'fast-check';
import {
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
  local,
  type Encapsulation,
  type Sent,
  isPlainIpv4,
  outerOf,
} from './bpf-path-model.ts';
import { anyBytes, damaged } from './damage-arbitrary.ts';
import { ipPacket } from './packet-arbitrary.ts';
import { ENCAPSULATIONS } from './path-suite.ts';

const few = <Value>(usual: Value, ...others: Value[]): fc.Arbitrary<Value> =>
  fc.oneof(
    { weight: 60, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

/** Two known addresses, which is where most packets should get far. */
const between = fc
  .tuple(ipPacket, fc.nat({ max: 3 }), fc.nat({ max: 3 }), few(64, 0, 1, 2, 255), fc.nat({ max: 3 }))
  .filter(([bytes]) => isPlainIpv4(bytes))
  .map(([bytes, from, to, ttl, tos]) => {
    const header = concat(
      bytes.slice(0, 1),
      Uint8Array.of(tos),
      bytes.slice(2, 8),
      Uint8Array.of(ttl),
      bytes.slice(9, 10),
      hex('00000a0102'),
      Uint8Array.of(from),
      hex('0a0102'),
      Uint8Array.of(to),
    );
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
      .filter(([bytes]) => isPlainIpv4(bytes))
      .map(([bytes, segmentBytes, protocol, more]) =>
        superPacket(bytes, protocol, segmentBytes, segmentBytes + more),
      ),
  },
);

function superPacket(like: Uint8Array, protocol: number, segmentBytes: number, payloadBytes: number): Sent {
  const transport =
    protocol === PROTOCOL.tcp ? hex('1451303900000001000000025010020000000000') : hex('1451303900000000');
  const payload = new Uint8Array(Math.min(payloadBytes, segmentBytes * 60, 8900)).map((_, at) => at * 7);
  const total = 20 + transport.length + payload.length;
  const withLength = protocol === PROTOCOL.udp ? with16(transport, 4, total - 20) : transport;
  const ip = with16(
    concat(like.slice(0, 6), hex('400040'), Uint8Array.of(protocol), like.slice(10, 20)),
    2,
    total,
  );
  return { bytes: concat(withHeaderChecksum(ip), withLength, payload), segmentBytes };
}

/** A frame of the tunnel that is mostly right. No super-packets: a BPF test run cannot set their type; suites of hosts send them. */
const frame = fc
  .record({
    inner: innerPacket,
    encapsulation: fc.constantFrom(...ENCAPSULATIONS),
    to: few(hex('020000000011'), hex('020000000012'), hex('ffffffffffff'), hex('01005e000001')),
    type: few(0x0800, 0x86dd, 0x8100, 0x0806),
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
  .map((each): readonly [Encapsulation, Sent] => {
    const route = {
      subnet: local,
      bits: 32,
      remote: Uint8Array.of(192, 0, 2, each.toLocal),
      port: PORTS[each.encapsulation] + each.port,
    };
    const path = { vni: each.vni, sourceMac: peerMac, destinationMac: each.mac };
    const payload =
      each.encapsulation === 'udp' || each.inner.length === 0
        ? each.inner
        : encapsulateVxlan(path, each.inner);
    let outer = outerOf(route, 40_000, each.tos, payload);
    const [ipDelta, udpDelta] = each.lengths as [number, number];
    outer = concat(outer.slice(0, 12), Uint8Array.of(192, 0, 2, each.remote), outer.slice(16));
    outer = with16(with16(outer, 2, read16(outer, 2) + ipDelta), 6, each.fragment);
    outer = with16(with16(outer, 24, read16(outer, 24) + udpDelta), 26, each.checksum);
    outer = concat(withHeaderChecksum(with16(outer.slice(0, 20), 10, 0)), outer.slice(20));
    if (!each.hasGoodHeader) outer = with16(outer, 10, read16(outer, 10) ^ 1);
    const bytes = concat(each.to, hex('020000000022'), Uint8Array.of(each.type >>> 8, each.type), outer);
    return [each.encapsulation, { bytes, segmentBytes: 0 }];
  });

/** Cut short, with wrong bits, or as it is. */
export const anyFrame = fc.oneof(
  { weight: 3, arbitrary: frame },
  {
    weight: 1,
    arbitrary: frame.chain(([encapsulation, sent]) =>
      damaged(fc.constant(sent.bytes)).map((bytes): readonly [Encapsulation, Sent] => [
        encapsulation,
        { ...sent, bytes },
      ]),
    ),
  },
);
