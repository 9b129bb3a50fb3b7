import assert from 'node:assert/strict';
import { byte, concat, read16, read32, with8 } from './bytes.ts';
import { checksumState, isHeaderChecksumGood } from './checksum.ts';
import { isDropped } from './dropped.ts';
import { parseIpPacket } from './ip-packet.ts';
import { completeChecksum, GSO, NEEDS_CHECKSUM, segment, TCP_FLAG, type VirtioHeader } from './segment.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

const HEADER: VirtioHeader = {
  flags: NEEDS_CHECKSUM,
  gsoType: GSO.tcpv4,
  headerBytes: 40,
  gsoSize: 4,
  checksumStart: 20,
  checksumOffset: 16,
};
const ALL_FLAGS = TCP_FLAG.ack | TCP_FLAG.psh | TCP_FLAG.fin | TCP_FLAG.cwr;

/** Ten bytes of payload; identification 0xffff, sequence number 0xffff_fffe. */
const TCP = bytesOf(
  '45000032 ffff4000 4006 0000 0a070101 0a070102 1451 3039 fffffffe 00000002 5099 0200 0000 0000 00010203040506070809',
);

function cut(header: VirtioHeader, bytes: Uint8Array): readonly Uint8Array[] {
  const packets = segment(header, bytes);
  assert.ok(!isDropped(packets));
  return packets;
}

describe('segment', () => {
  it('cuts TCP into packets with their own lengths, numbers, flags and checksums', () => {
    assert.equal(byte(TCP, 33), ALL_FLAGS);
    const packets = cut(HEADER, TCP);
    const { ack, psh, fin, cwr } = TCP_FLAG;
    assert.deepEqual(
      packets.map((each) => [read16(each, 2), read16(each, 4), read32(each, 24), byte(each, 33)]),
      [
        [44, 0xffff, 0xffff_fffe, ack | cwr],
        [44, 0x0000, 0x0000_0002, ack],
        [42, 0x0001, 0x0000_0006, ack | psh | fin],
      ],
    );
    for (const each of packets) {
      assert.ok(isHeaderChecksumGood(each.slice(0, 20)));
      assert.equal(checksumState(each, parseIpPacket(each)!), 'good');
    }
    assert.deepEqual(concat(...packets.map((each) => each.slice(40))), TCP.slice(40));
  });

  it('cuts UDP into datagrams', () => {
    const udp = bytesOf(
      '60000000 000d 11 40 '.concat(
        'fd'.padEnd(30, '0'),
        '01',
        'fd'.padEnd(30, '0'),
        '02',
        '0001 0002 000d 0000 0102030405',
      ),
    );
    const packets = cut({ ...HEADER, gsoType: GSO.udp, gsoSize: 2 }, udp);
    assert.deepEqual(
      packets.map((each) => [read16(each, 4), read16(each, 44)]),
      [
        [10, 10],
        [10, 10],
        [9, 9],
      ],
    );
    for (const each of packets) assert.equal(checksumState(each, parseIpPacket(each)!), 'good');
  });

  for (const [what, header, bytes] of [
    ['another family', { ...HEADER, gsoType: GSO.tcpv6 }, TCP],
    ['another protocol', { ...HEADER, gsoType: GSO.udp }, TCP],
    ['UDP with the mark of TCP', { ...HEADER, gsoType: GSO.udp | GSO.ecn }, with8(TCP, 9, 17)],
    ['no size', { ...HEADER, gsoSize: 0 }, TCP],
    ['a fragment', HEADER, with8(TCP, 6, 0x20)],
    ['a header cut short', HEADER, with8(TCP, 32, 0xf0)],
  ] as const)
    it(`refuses ${what}`, () => assert.deepEqual(segment(header, bytes), { drop: 'dropTxMalformed' }));

  it('keeps the reduced window notice of a type with ECN', () =>
    assert.deepEqual(segment({ ...HEADER, gsoType: GSO.tcpv4 | GSO.ecn }, TCP), segment(HEADER, TCP)));
});

describe('completeChecksum', () => {
  // 10.0.0.1:1 to 10.0.0.2:2 with payload `hi`, the field holding the pseudo header's sum.
  const begun = bytesOf('4500001e 00000000 4011 0000 0a000001 0a000002 0001 0002 000a 141e 6869');
  const header = { ...HEADER, gsoType: GSO.none, checksumOffset: 6 };

  it('finishes what was begun', () => {
    const bytes = completeChecksum(header, begun);
    assert.ok(!isDropped(bytes));
    assert.equal(read16(bytes, 26), 0x836b);
  });

  it('leaves alone what needs nothing', () =>
    assert.equal(completeChecksum({ ...header, flags: 0 }, begun), begun));

  it('refuses a field outside', () =>
    assert.deepEqual(completeChecksum({ ...header, checksumOffset: 9 }, begun), { drop: 'dropTxMalformed' }));

  it('writes a sum of zero as all ones', () => {
    const bytes = completeChecksum({ ...header, checksumStart: 0, checksumOffset: 2 }, bytesOf('fffe 0001'));
    assert.deepEqual(bytes, bytesOf('fffe ffff'));
  });
});
