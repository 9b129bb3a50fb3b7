import assert from 'node:assert/strict';
import { parseIpPacket, type IpPacket } from './ip-packet.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

const V6_ADDRESSES = 'fd070000000000000000000000000001 fd070000000000000000000000000002';
const TCP = '1451 3039 00000001 00000002 5010 0200 0000 0000';

/** A IPv6 packet with Next Header `next` and what follows the addresses. */
function ipv6(next: number, rest: string): Uint8Array {
  const bytes = bytesOf(rest);
  const length = bytes.length.toString(16).padStart(4, '0');
  return bytesOf(`60000000 ${length} ${next.toString(16).padStart(2, '0')} 40 ${V6_ADDRESSES} ${rest}`);
}

function partsOf(bytes: Uint8Array): Partial<IpPacket> | undefined {
  const packet = parseIpPacket(bytes);
  if (packet === undefined) return undefined;
  const { protocol, networkBytes, transportBytes, isFragment, isLaterFragment } = packet;
  return { protocol, networkBytes, transportBytes, isFragment, isLaterFragment };
}

describe('parseIpPacket', () => {
  it('reads an echo request as Linux sent it', () => {
    const sent = '450000548d804000400199180a0700010a07000208007b78002b0001';
    assert.deepEqual(parseIpPacket(bytesOf(sent.padEnd(84 * 2, '0'))), {
      family: 4,
      protocol: 1,
      tos: 0,
      ttl: 64,
      isFragment: false,
      isLaterFragment: false,
      hasOptions: false,
      isSourceRouted: false,
      networkBytes: 20,
      transportBytes: 0,
      totalBytes: 84,
    });
  });

  it('reads traffic class and hop limit of IPv6', () => {
    const { tos, ttl, totalBytes } = parseIpPacket(bytesOf(`6b960fff 0000 3b 07 ${V6_ADDRESSES} ff`))!;
    assert.deepEqual({ tos, ttl, totalBytes }, { tos: 0xb9, ttl: 7, totalBytes: 40 });
  });

  for (const [what, hex] of [
    ['nothing', ''],
    ['version 5', '55000014'.padEnd(40, '0')],
    ['an IPv4 header cut short', '45000014'.padEnd(38, '0')],
    ['a header of 16 bytes', '44000014'.padEnd(40, '0')],
    ['a header longer than the packet', '46000014'.padEnd(48, '0')],
    ['a packet longer than its bytes', '45000015'.padEnd(40, '0')],
    ['an IPv6 header cut short', '60'.padEnd(78, '0')],
    ['an IPv6 payload longer than its bytes', '600000000001'.padEnd(80, '0')],
  ] as const)
    it(`refuses ${what}`, () => assert.equal(parseIpPacket(bytesOf(hex)), undefined));

  it('finds TCP behind hop-by-hop options and a destination header', () => {
    const bytes = ipv6(0, `3c00000000000000 0601 ${'00'.repeat(14)} ${TCP}`);
    assert.deepEqual(partsOf(bytes), {
      protocol: 6,
      networkBytes: 40 + 8 + 16,
      transportBytes: 20,
      isFragment: false,
      isLaterFragment: false,
    });
  });

  it('knows first, later and atomic fragments', () => {
    const first = partsOf(ipv6(44, `06000001 00000001 ${TCP}`))!;
    const later = partsOf(ipv6(44, `06000008 00000001 ${TCP}`))!;
    const atomic = partsOf(ipv6(44, `06000000 00000001 ${TCP}`))!;
    assert.deepEqual([first.isFragment, first.isLaterFragment, first.transportBytes], [true, false, 0]);
    assert.deepEqual([later.isFragment, later.isLaterFragment, later.transportBytes], [true, true, 0]);
    assert.deepEqual([atomic.isFragment, atomic.isLaterFragment, atomic.transportBytes], [false, false, 20]);
  });

  it('does not trust a checksum of source-routed packets, whose destination is another', () => {
    const inTransit = parseIpPacket(ipv6(43, `06000301 00000000 ${TCP}`))!;
    const arrived = parseIpPacket(ipv6(43, `06000300 00000000 ${TCP}`))!;
    assert.deepEqual([inTransit.isSourceRouted, inTransit.transportBytes], [true, 0]);
    assert.deepEqual([arrived.isSourceRouted, arrived.transportBytes], [false, 20]);
  });

  it('reads no protocol behind truncated headers', () =>
    assert.equal(parseIpPacket(ipv6(60, '0601 000000000000'))!.protocol, 59));

  it('reads no transport header that is cut short', () => {
    const tcp = (length: string, offset: string): Uint8Array =>
      bytesOf(
        `4500 ${length} 00000000 4006 0000 0a070101 0a070102 1451 3039 00000001 00000002 ${offset}`.padEnd(
          110,
          '0',
        ),
      );
    assert.equal(parseIpPacket(tcp('0028', '50'))!.transportBytes, 20);
    assert.equal(parseIpPacket(tcp('0027', '50'))!.transportBytes, 0);
    assert.equal(parseIpPacket(tcp('0028', '60'))!.transportBytes, 0);
    assert.equal(parseIpPacket(tcp('0028', '40'))!.transportBytes, 0);
  });
});
