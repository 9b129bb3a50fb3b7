import assert from 'node:assert/strict';
import { byte, concat, read16, read32, with16, with32, with8 } from './bytes.ts';
import { coalesce, deliverPartial } from './coalesce.ts';
import { parseIpPacket } from './ip-packet.ts';
import { GSO, NEEDS_CHECKSUM, TCP_FLAG, withHeaderChecksum, withTransportChecksum } from './segment.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

const TCP = bytesOf(
  '4500002c 0007 0000 4006 0000 0a070101 0a070102 1451 3039 00000064 00000002 5010 0200 0000 0000 00010203',
);
const BOTH = { tcp: true, udp: true };

function finished(bytes: Uint8Array): Uint8Array {
  const header = withHeaderChecksum(bytes.slice(0, 20));
  return withTransportChecksum(concat(header, bytes.slice(20)), parseIpPacket(bytes)!);
}

/** Number `index` of a flow of packets with four bytes each, changed by `change` before its checksums are made. */
function packet(index: number, change = (bytes: Uint8Array): Uint8Array => bytes): Uint8Array {
  const bytes = with32(with16(TCP, 4, 7 + index), 24, 100 + index * 4);
  return finished(change(bytes));
}

const counts = (packets: readonly Uint8Array[], joinable = BOTH): number[] =>
  coalesce(packets, joinable).map((write) => write.packets);

describe('coalesce', () => {
  it('joins a flow into one packet with its checksum begun', () => {
    const last = packet(2, (bytes) => with8(bytes, 33, TCP_FLAG.ack | TCP_FLAG.psh));
    const [write, ...more] = coalesce([packet(0), packet(1), last], BOTH);
    assert.equal(more.length, 0);
    const { header, bytes, packets, innerBytes } = write!;
    assert.deepEqual({ packets, innerBytes }, { packets: 3, innerBytes: 3 * 44 });
    assert.deepEqual(header, {
      flags: NEEDS_CHECKSUM,
      gsoType: GSO.tcpv4,
      headerBytes: 40,
      gsoSize: 4,
      checksumStart: 20,
      checksumOffset: 16,
    });
    assert.deepEqual(
      [read16(bytes, 2), read16(bytes, 4), read32(bytes, 24), byte(bytes, 33)],
      [40 + 12, 7, 100, TCP_FLAG.ack | TCP_FLAG.psh],
    );
    // 0a07 0101 0a07 0102 0006 0020
    assert.equal(read16(bytes, 36), 0x1637);
  });

  it('passes on byte by byte what stays alone, without its padding', () => {
    const bad = with8(packet(0), 43, 9);
    const [write] = coalesce([concat(bad, bytesOf('ffff'))], BOTH);
    assert.deepEqual(write!.bytes, bad);
    assert.equal(write!.header.flags, 0);
  });

  for (const [what, second] of [
    ['a bad checksum', with8(packet(1), 43, 9)],
    ['a bad IPv4 checksum', with8(packet(1), 10, 0)],
    ['a gap', packet(2)],
    ['another identification', packet(1, (bytes) => with16(bytes, 4, 9))],
    ['another TTL', packet(1, (bytes) => with8(bytes, 8, 63))],
    ['a congestion mark', packet(1, (bytes) => with8(bytes, 1, 3))],
    ['another port', packet(1, (bytes) => with16(bytes, 22, 1))],
    ['another acknowledgement', packet(1, (bytes) => with32(bytes, 28, 3))],
    ['another window', packet(1, (bytes) => with16(bytes, 34, 0x201))],
    ['RST', packet(1, (bytes) => with8(bytes, 33, TCP_FLAG.ack | TCP_FLAG.rst))],
    ['CWR', packet(1, (bytes) => with8(bytes, 33, TCP_FLAG.ack | TCP_FLAG.cwr))],
    ['no payload', packet(1, (bytes) => with16(bytes, 2, 40)).slice(0, 40)],
  ] as const)
    it(`leaves apart what has ${what}`, () => assert.deepEqual(counts([packet(0), second]), [1, 1]));

  it('ends with PSH, FIN or a short packet', () => {
    const pushed = packet(0, (bytes) => with8(bytes, 33, TCP_FLAG.ack | TCP_FLAG.psh));
    assert.deepEqual(counts([pushed, packet(1)]), [1, 1]);
    const short = finished(with16(packet(1), 2, 43).slice(0, 43));
    const afterShort = packet(2, (bytes) => with32(bytes, 24, 107));
    assert.deepEqual(counts([packet(0), short, afterShort]), [2, 1]);
  });

  it('ignores a meaningless identification', () => {
    const dontFragment = (bytes: Uint8Array): Uint8Array => with8(with16(bytes, 4, 0), 6, 0x40);
    assert.deepEqual(counts([packet(0, dontFragment), packet(1, dontFragment)]), [2]);
  });

  it('joins only what the device takes', () => {
    assert.deepEqual(counts([packet(0), packet(1)], { tcp: false, udp: true }), [1, 1]);
    assert.deepEqual(counts([packet(0), packet(1)], { tcp: true, udp: false }), [2]);
  });

  it('joins 64 packets and no more', () => {
    assert.deepEqual(counts(Array.from({ length: 66 }, (_, index) => packet(index))), [64, 2]);
  });
});

describe('deliverPartial', () => {
  const options = { mtu: 44, segmentPayload: 0 };

  it('leaves the checksum of a packet to the device', () => {
    const { header, bytes, packets } = deliverPartial(TCP, options);
    assert.deepEqual(
      [header.flags, header.gsoType, header.checksumStart, header.checksumOffset],
      [1, 0, 20, 16],
    );
    assert.deepEqual([bytes, packets], [TCP, 1]);
  });

  it('takes a longer one for a super-packet', () => {
    const long = concat(with16(TCP, 2, 49), bytesOf('0405060708'));
    const { header, packets, innerBytes } = deliverPartial(long, options);
    assert.deepEqual([header.gsoType, header.gsoSize, packets, innerBytes], [GSO.tcpv4, 4, 3, 9 + 3 * 40]);
  });
});
