// The C of the packet path against its specification: both must make the same bytes and the same decisions of any packet.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import * as reference from '../native/reference/index.ts';
import { isDropped, parseIpPacket, type IpPacket } from '../native/reference/index.ts';
import { flowPacket, packetsInARow } from './support/path/flow-arbitrary.ts';
import { anyBytes, damaged, survivingPacket, virtioHeader } from './support/path/damage-arbitrary.ts';
import { ipPacket, transportPacket } from './support/path/packet-arbitrary.ts';
import { filler } from './support/path/transport-arbitrary.ts';
import { ICMP_ERRORS, JOIN, loadPacketOracle } from './support/path/packet-oracle.ts';

const RUNS = 400;
/** Of properties of whole flows, which take longer. */
const FLOW_RUNS = 100;

/** Number of runs under `make fuzz`, at least `runs`. */
function check<Values extends [unknown, ...unknown[]]>(property: fc.IProperty<Values>, runs = RUNS): void {
  fc.assert(property, { numRuns: Math.max(runs, fc.readConfigureGlobal().numRuns ?? 0) });
}

/** Bytes as hex, so that a difference can be read. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, readable(each)]));
}

function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(readable(actual), readable(expected));
}

function parsed(bytes: Uint8Array): IpPacket {
  const packet = parseIpPacket(bytes);
  assert.ok(packet !== undefined);
  return packet;
}

/** Headers of flows, lengths and checksums to be filled in. */
const FLOWS = {
  'TCP packets over IPv4':
    '4500000012340000400600000a0701010a07010214513039000000010000000250100200000000000',
  'TCP packets with DF':
    '4502000012344000400600000a0701010a0701021451303900000001000000028010020000000000' +
    '0101080a0000000100000002',
  'TCP packets over IPv6':
    '6030000700000640fd070000000000000000000000000001fd070000000000000000000000000002' +
    '1451303900000001000000025010020000000000',
  'UDP packets over IPv4': '4500000012340000401100000a0701010a0701021451303900000000',
  'UDP packets with DF': '4500000000004000401100000a0701010a0701021451303900000000',
  'UDP packets over IPv6':
    '6000000000001140fd070000000000000000000000000001fd0700000000000000000000000000021451303900000000',
} as const;

const mac = fc
  .constantFrom([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [255, 255, 255, 255, 255, 255])
  .map((bytes) => Uint8Array.from(bytes));
const vni = fc.oneof(fc.constantFrom(1, 7), fc.nat({ max: 0xff_ffff }));

describe('packet path and its specification', () => {
  const oracle = loadPacketOracle();

  function cutAgain({ header, bytes, packets }: reference.TunWrite): readonly Uint8Array[] {
    if (packets === 1) return [bytes];
    const segments = oracle.segment(header, bytes);
    assert.ok(!isDropped(segments));
    return segments;
  }

  it('sum alike at any length', () =>
    check(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 7 }), (bytes, skipped) => {
        const part = bytes.subarray(Math.min(skipped, bytes.length));
        assert.equal(oracle.sum(part), reference.onesComplementSum(part));
      }),
    ));

  it('update a checksum alike', () => {
    const uint16 = fc.uint8Array({ minLength: 2, maxLength: 2 });
    check(
      fc.property(uint16, uint16, uint16, (checksum, before, after) => {
        const [old, from, to] = [checksum, before, after].map((bytes) => reference.read16(bytes, 0));
        const expected = reference.updatedChecksum(old!, from!, to!);
        assert.equal(oracle.updateChecksum(checksum, before, after).readUInt16BE(), expected);
      }),
    );
  });

  it('read the same in any bytes', () =>
    check(
      fc.property(anyBytes, (bytes) => {
        assertSame(oracle.parse(bytes), parseIpPacket(bytes) ?? { drop: 'dropRxMalformed' });
      }),
    ));

  it('think the same of a transport checksum', () =>
    check(
      fc.property(damaged(transportPacket), (bytes) => {
        const packet = parseIpPacket(bytes);
        fc.pre(packet !== undefined && packet.transportBytes > 0);
        const state = reference.checksumState(bytes, packet);
        assert.equal(oracle.checksumState(bytes), state);
        if (state === 'partial') assert.ok(oracle.isPartial(bytes));
        if (state === 'none') assert.ok(!oracle.isPartial(bytes));
      }),
    ));

  it('do not take padding for what a UDP length covers', () => {
    for (const padding of [1, 2, 20]) {
      const longer = flowPacket(
        Uint8Array.from(Buffer.from(FLOWS['UDP packets with DF'], 'hex')),
        filler(50, 0),
        0,
        0,
        {},
      );
      assert.equal(oracle.checksumState(longer), 'good');
      // A datagram that is good as far as its own length goes, in an IP packet that is shorter.
      const bytes = reference.with16(longer, 2, longer.length - padding);
      assert.equal(oracle.checksumState(bytes), 'bad');
      assert.equal(reference.checksumState(bytes, parsed(bytes)), 'bad');
      assert.equal(oracle.isPartial(bytes), false);
    }
  });

  it('cut super-packets alike', () =>
    check(
      fc.property(virtioHeader, survivingPacket, (header, bytes) => {
        assertSame(oracle.segment(header, bytes), reference.segment(header, bytes));
      }),
    ));

  it('cut super-packets of the right type alike', () =>
    check(
      fc.property(transportPacket, fc.nat({ max: 500 }), fc.boolean(), (bytes, gsoSize, hasEcn) => {
        const packet = parsed(bytes);
        const tcp = packet.family === 4 ? reference.GSO.tcpv4 : reference.GSO.tcpv6;
        const gsoType = packet.protocol === 17 ? reference.GSO.udp : tcp | (hasEcn ? reference.GSO.ecn : 0);
        const header = { flags: 1, gsoType, headerBytes: 0, gsoSize, checksumStart: 0, checksumOffset: 0 };
        const expected = reference.segment(header, bytes);
        assertSame(oracle.segment(header, bytes), expected);
        if (isDropped(expected)) return;
        for (const each of expected) assert.equal(reference.checksumState(each, parsed(each)), 'good');
      }),
    ));

  it('complete checksums alike', () =>
    check(
      fc.property(virtioHeader, anyBytes, (virtio, bytes) => {
        const header = { ...virtio, flags: virtio.flags | reference.NEEDS_CHECKSUM };
        assertSame(oracle.completeChecksum(header, bytes), reference.completeChecksum(header, bytes));
      }),
    ));

  it('coalesce the same packets alike', () =>
    check(
      fc.property(packetsInARow, fc.nat({ max: 3 }), (packets, flags) => {
        const joinable = { tcp: (flags & JOIN.tcp) !== 0, udp: (flags & JOIN.udp) !== 0 };
        assertSame(oracle.coalesce(packets, flags), reference.coalesce(packets, joinable));
      }),
      FLOW_RUNS,
    ));

  it('give back by cutting what was joined, but for identifications that mean nothing', () =>
    check(
      fc.property(packetsInARow, (packets) => {
        const back = oracle.coalesce(packets, JOIN.tcp | JOIN.udp).flatMap(cutAgain);
        assertSame(
          back.map(withoutIdentification),
          packets.map((each) => withoutIdentification(each.slice(0, parsed(each).totalBytes))),
        );
      }),
      FLOW_RUNS,
    ));

  for (const [name, hex] of Object.entries(FLOWS))
    it(`join alike ${name} that differ in any bit of their headers`, () => {
      const headers = Uint8Array.from(Buffer.from(hex, 'hex'));
      const data = filler(100, 1);
      for (let at = 0; at < headers.length; at++)
        for (let bit = 0; bit < 8; bit++) {
          const packets = [{}, { at, bit }, {}].map((anomaly, index) =>
            flowPacket(headers, data, index * data.length, index, anomaly),
          );
          if (packets.some((packet) => parseIpPacket(packet) === undefined)) continue;
          const expected = reference.coalesce(packets, { tcp: true, udp: true });
          assertSame(oracle.coalesce(packets, JOIN.tcp | JOIN.udp), expected);
        }
    });

  it('join as many and as long packets', () => {
    for (const hex of Object.values(FLOWS))
      for (const [count, bytes] of [
        [70, 3],
        [50, 1448],
        [3, 32_700],
        [3, 21_820],
      ] as const) {
        const headers = Uint8Array.from(Buffer.from(hex, 'hex'));
        const packets = Array.from({ length: count }, (_, index) =>
          flowPacket(headers, filler(bytes, index), index * bytes, index, {}),
        );
        const writes = oracle.coalesce(packets, JOIN.tcp | JOIN.udp);
        assertSame(writes, reference.coalesce(packets, { tcp: true, udp: true }));
        assert.ok(writes.length < packets.length || bytes > 32_000);
      }
  });

  it('cut packets with as long headers', () => {
    const header = {
      flags: 1,
      gsoType: reference.GSO.tcpv6,
      headerBytes: 0,
      gsoSize: 9,
      checksumStart: 0,
      checksumOffset: 0,
    };
    const outcomes = new Set<boolean>();
    for (let optionBytes = 8; optionBytes <= 200; optionBytes += 8)
      for (let offset = 5; offset <= 6; offset++) {
        const options = reference.concat(Uint8Array.of(6, optionBytes / 8 - 1), filler(optionBytes - 2, 0));
        const tcp = reference.with8(filler(40, 3), 12, offset << 4);
        const start = Uint8Array.of(0x60, 0, 0, 0, 0, options.length + tcp.length, 60, 9);
        const bytes = reference.concat(start, filler(32, 5), options, tcp);
        const expected = reference.segment(header, bytes);
        assertSame(oracle.segment(header, bytes), expected);
        outcomes.add(isDropped(expected));
      }
    assert.equal(outcomes.size, 2);
  });

  it('read alike any two fragment headers in a row', () => {
    const fields = [0, 1, 6, 8, 9, 0xfff8];
    for (const first of fields)
      for (const second of fields) {
        const start = Uint8Array.of(0x60, 0, 0, 0, 0, 16 + 20, 44, 9);
        const [outer, inner] = [
          [44, 0, first >>> 8, first, 0, 0, 0, 1],
          [6, 0, second >>> 8, second, 0, 0, 0, 2],
        ];
        const bytes = reference.concat(
          start,
          filler(32, 5),
          Uint8Array.from([...outer, ...inner]),
          filler(20, 80),
        );
        assertSame(oracle.parse(bytes), parseIpPacket(bytes));
      }
  });

  it('deliver alike what Linux left unfinished', () =>
    check(
      fc.property(
        transportPacket,
        fc.integer({ min: 576, max: 1500 }),
        fc.nat({ max: 1500 }),
        (bytes, mtu, segmentPayload) => {
          const expected = reference.deliverPartial(bytes, { mtu, segmentPayload });
          assertSame(oracle.deliverPartial(bytes, mtu, segmentPayload), expected);
        },
      ),
    ));

  it('encapsulate alike, and find the packet again', () =>
    check(
      fc.property(vni, mac, mac, ipPacket, (id, ownMac, peerMac, inner) => {
        const own = { vni: id, mac: ownMac };
        const path = { vni: id, sourceMac: ownMac, destinationMac: peerMac };
        const datagram = oracle.encapsulate(true, own, peerMac, inner);
        assertSame(datagram, reference.encapsulateVxlan(path, inner));
        assertSame(oracle.decapsulate(true, { vni: id, mac: peerMac }, datagram), inner);
        assertSame(oracle.encapsulate(false, own, peerMac, inner), reference.encapsulateUdp(inner));
      }),
    ));

  it('refuse the same datagrams for the same reason', () => {
    const own = fc.record({ vni, mac });
    const path = fc.record({ vni, sourceMac: mac, destinationMac: mac });
    const datagram = fc
      .tuple(path, ipPacket)
      .map(([target, inner]) => reference.encapsulateVxlan(target, inner));
    check(
      fc.property(own, damaged(datagram), anyBytes, (station, bytes, bare) => {
        assertSame(oracle.decapsulate(true, station, bytes), reference.decapsulateVxlan(station, bytes));
        assertSame(oracle.decapsulate(false, station, bare), reference.decapsulateUdp(bare));
      }),
    );
  });

  it('refuse alike an EtherType that the packet is not of', () => {
    const own = { vni: 7, mac: Uint8Array.of(2, 0, 0, 0, 0, 1) };
    const path = { vni: 7, sourceMac: own.mac, destinationMac: own.mac };
    for (const etherType of [0x0800, 0x86dd, 0x0806, 0x8100])
      for (let version = 0; version < 16; version++) {
        const whole = reference.encapsulateVxlan(path, filler(40, 0).fill(version << 4, 0, 1));
        const datagram = reference.with16(whole, 20, etherType);
        assertSame(oracle.decapsulate(true, own, datagram), reference.decapsulateVxlan(own, datagram));
      }
  });

  it('carry congestion marks alike', () =>
    check(
      fc.property(survivingPacket, fc.nat({ max: 255 }), fc.boolean(), (bytes, outerTos, inheritsDscp) => {
        const packet = parsed(bytes);
        const expected = reference.encapsulatedTos(packet.tos, inheritsDscp);
        assert.equal(oracle.ecnEncap(packet.tos, inheritsDscp), expected);
        assertSame(oracle.ecnDecap(bytes, outerTos), reference.decapsulateEcn(bytes, packet, outerTos));
      }),
    ));

  it('count hops alike', () =>
    check(
      fc.property(survivingPacket, (bytes) => {
        const packet = parsed(bytes);
        fc.pre(packet.ttl > 0);
        assertSame(oracle.decrementTtl(bytes), reference.decrementTtl(bytes, packet));
      }),
    ));

  it('owe the same ICMP errors', () =>
    check(
      fc.property(
        survivingPacket,
        fc.nat({ max: 2 }),
        fc.integer({ min: 68, max: 65_535 }),
        (bytes, error, mtu) => {
          const source = Uint8Array.from({ length: parsed(bytes).family === 4 ? 4 : 16 }, (_, at) => at + 10);
          const expected = reference.makeIcmpError({ error: ICMP_ERRORS[error]!, mtu, source }, bytes);
          assertSame(oracle.icmp(error, mtu, source, bytes), expected ?? null);
        },
      ),
    ));

  it('cut the same fragments', () =>
    check(
      fc.property(survivingPacket, fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 1500 })), (bytes, more) => {
        assertSame(oracle.fragment(bytes, 68 + more), reference.fragment(bytes, 68 + more));
      }),
    ));

  it('owe the same ICMP errors about every type of ICMP message', () => {
    for (const [family, hex] of [
      [4, '4500001c00000000090100000a0701010a070102'],
      [6, '6000000000083a09fd070000000000000000000000000001fd070000000000000000000000000002'],
    ] as const)
      for (let type = 0; type < 256; type++) {
        const bytes = reference.concat(Buffer.from(hex, 'hex'), Uint8Array.of(type), filler(7, 0));
        const source = filler(family === 4 ? 4 : 16, 10);
        const expected = reference.makeIcmpError({ error: 'noRoute', mtu: 0, source }, bytes);
        assertSame(oracle.icmp(0, 0, source, bytes), expected ?? null);
      }
  });

  it('copy the same options into fragments', () => {
    const option = fc
      .tuple(fc.constantFrom(0, 1, 7, 130, 137), fc.nat({ max: 7 }))
      .map(([type, bytes]) => (type < 2 ? [type] : [type, bytes + 2, ...filler(bytes, type)]));
    check(
      fc.property(fc.array(option, { minLength: 1, maxLength: 6 }), fc.nat({ max: 60 }), (options, more) => {
        const field = Uint8Array.from({ length: 40 }, (_, at) => options.flat()[at] ?? 0);
        const start = Uint8Array.of(0x4f, 0, 0, 60 + 150, 0, 7, 0, 0, 9, 17, 0, 0);
        const bytes = reference.concat(start, filler(8, 10), field, filler(150, 0));
        assertSame(oracle.fragment(bytes, 68 + more), reference.fragment(bytes, 68 + more));
      }),
    );
  });

  it('find the same route', () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4, max: 3 }),
      fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 }),
    );
    const prefix = fc.tuple(address, fc.constantFrom(0, 7, 8, 24, 25, 31, 32)).map(([bytes, bits]) => ({
      subnet: bytes.map((value, at) => value & (0xff00 >>> Math.min(8, Math.max(0, bits - at * 8)))),
      bits,
    }));
    check(
      fc.property(fc.array(prefix, { maxLength: 12 }), address, (prefixes, destination) => {
        const expected = reference.longestPrefix(prefixes, destination)?.bits ?? -1;
        assert.equal(oracle.longestPrefix(prefixes, destination), expected);
      }),
    );
  });

  it('hash all packets of a flow alike, and flows apart', () =>
    check(
      fc.property(
        transportPacket,
        fc.nat({ max: 255 }),
        fc.integer({ min: 1, max: 255 }),
        (bytes, other, bit) => {
          const packet = parsed(bytes);
          const hash = oracle.flowHash(bytes);
          const later = reference.with8(
            bytes,
            bytes.length - 1,
            packet.totalBytes > packet.networkBytes + 8 ? other : bytes.at(-1)!,
          );
          assert.equal(oracle.flowHash(later), hash);
          const portAt = packet.networkBytes + 1;
          assert.notEqual(oracle.flowHash(reference.with8(bytes, portAt, bytes[portAt]! ^ bit)), hash);
        },
      ),
    ));
});

/** Only with DF, without which it means something. */
function withoutIdentification(bytes: Uint8Array): Uint8Array {
  const hasDf = parsed(bytes).family === 4 && (reference.read16(bytes, 6) & 0x4000) !== 0;
  return hasDf ? reference.with16(reference.with16(bytes, 4, 0), 10, 0) : bytes;
}
