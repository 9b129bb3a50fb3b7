import assert from 'node:assert/strict';
import {
  byte,
  concat,
  onesComplementSum,
  pseudoHeader,
  read16,
  read32,
  replaced,
  with16,
  with8,
} from './index.ts';
import { makeIcmpError, type IcmpError } from './icmp.ts';
import { parseIpPacket } from './ip-packet.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

const V4_SOURCE = bytesOf('0a070201');
const V6_SOURCE = bytesOf('fd070000000000000000000000000009');
/** UDP, 600 bytes. */
const V4 = concat(
  bytesOf('45000258 00000000 4011 0000 0a070101 0a070102 0001 0002 0244 0000'),
  new Uint8Array(572),
);
/** Echo request, 1400 bytes. */
const V6 = concat(
  bytesOf('60000000 0550 3a 40 fd070000000000000000000000000001 fd070000000000000000000000000002 8000'),
  new Uint8Array(1358),
);

function errorAbout(bytes: Uint8Array, error: IcmpError = 'noRoute', mtu = 0): Uint8Array | undefined {
  return makeIcmpError({ error, mtu, source: byte(bytes, 0) >>> 4 === 4 ? V4_SOURCE : V6_SOURCE }, bytes);
}

describe('makeIcmpError', () => {
  for (const [error, typeAndCode, fourBytes] of [
    ['noRoute', 0x0300, 0],
    ['timeExceeded', 0x0b00, 0],
    ['tooBig', 0x0304, 1400],
  ] as const)
    it(`${error} in ICMP`, () => {
      const bytes = errorAbout(V4, error, 1400)!;
      assert.equal(bytes.length, 576);
      assert.deepEqual([read16(bytes, 2), byte(bytes, 8), byte(bytes, 9)], [576, 64, 1]);
      assert.deepEqual([bytes.slice(12, 16), bytes.slice(16, 20)], [V4_SOURCE, V4.slice(12, 16)]);
      assert.equal(onesComplementSum(bytes.slice(0, 20)), 0xffff);
      assert.deepEqual([read16(bytes, 20), read32(bytes, 24)], [typeAndCode, fourBytes]);
      assert.equal(onesComplementSum(bytes.slice(20)), 0xffff);
      assert.deepEqual(bytes.slice(28), V4.slice(0, 548));
    });

  for (const [error, typeAndCode, mtu, fourBytes] of [
    ['noRoute', 0x0100, 1400, 0],
    ['timeExceeded', 0x0300, 1400, 0],
    ['tooBig', 0x0200, 1400, 1400],
    ['tooBig', 0x0200, 900, 1280],
  ] as const)
    it(`${error} in ICMPv6, ${mtu}`, () => {
      const bytes = errorAbout(V6, error, mtu)!;
      assert.equal(bytes.length, 1280);
      assert.deepEqual([read16(bytes, 4), byte(bytes, 6), byte(bytes, 7)], [1240, 58, 64]);
      assert.deepEqual([bytes.slice(8, 24), bytes.slice(24, 40)], [V6_SOURCE, V6.slice(8, 24)]);
      assert.deepEqual([read16(bytes, 40), read32(bytes, 44)], [typeAndCode, fourBytes]);
      const message = bytes.slice(40);
      const pseudo = pseudoHeader(bytes, parseIpPacket(bytes)!, message.length);
      assert.equal(onesComplementSum(concat(pseudo, message)), 0xffff);
      assert.deepEqual(bytes.slice(48), V6.slice(0, 1232));
    });

  it('quotes a short packet whole, without padding', () => {
    const short = with16(V4.slice(0, 30), 2, 28);
    assert.deepEqual(errorAbout(short)!.slice(28), short.slice(0, 28));
  });

  const icmp = (type: number): Uint8Array => with8(with8(V4, 9, 1), 20, type);
  const v4To = (address: string): Uint8Array => replaced(V4, 16, bytesOf(address));
  const v4From = (address: string): Uint8Array => replaced(V4, 12, bytesOf(address));
  const v6From = (address: string): Uint8Array => replaced(V6, 8, bytesOf(address));
  for (const [what, bytes] of [
    ['an ICMP error', icmp(3)],
    ['an ICMP redirect', icmp(5)],
    ['an unknown ICMP type', icmp(99)],
    ['an ICMPv6 error', with8(V6, 40, 1)],
    ['an ICMPv6 redirect', with8(V6, 40, 137)],
    ['a later fragment', with8(V4, 7, 1)],
    ['a multicast packet', v4To('e0000001')],
    ['a broadcast packet', v4To('ffffffff')],
    ['a packet from multicast', v4From('e0000001')],
    ['a packet from the unspecified address', v4From('00000000')],
    ['a packet from loopback', v4From('7f000001')],
    ['an IPv6 packet from a link-local address', v6From('fe800000000000000000000000000001')],
    ['an IPv6 packet from the unspecified address', v6From('00000000000000000000000000000000')],
    ['an IPv6 packet from loopback', v6From('00000000000000000000000000000001')],
  ] as const)
    it(`keeps silent about ${what}`, () => assert.equal(errorAbout(bytes, 'tooBig', 1400), undefined));

  it('speaks about echo requests and first fragments', () => {
    assert.ok(errorAbout(icmp(8)));
    assert.ok(errorAbout(with8(V4, 6, 0x20)));
  });

  it('reports the MTU even about IPv6 multicast, but no other error', () => {
    const multicast = replaced(V6, 24, bytesOf('ff0e0000000000000000000000000001'));
    assert.ok(errorAbout(multicast, 'tooBig', 1400));
    assert.equal(errorAbout(multicast, 'noRoute'), undefined);
  });
});
