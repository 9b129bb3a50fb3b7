import assert from 'node:assert/strict';
import { byte, with8 } from './bytes.ts';
import { isHeaderChecksumGood } from './checksum.ts';
import { decapsulateEcn, decrementTtl, encapsulatedTos } from './ecn.ts';
import { isDropped } from './dropped.ts';
import { parseIpPacket } from './ip-packet.ts';
import { withHeaderChecksum } from './segment.ts';

const NAMES = ['Not-ECT', 'ECT(1)', 'ECT(0)', 'CE'] as const;
const IPV4 = Uint8Array.from(Buffer.from('4500001400000000403b00000a0701010a070102', 'hex'));
const IPV6 = Uint8Array.from(Buffer.from('6abcdef000003b40'.padEnd(80, '0'), 'hex'));

function ipv4(tos: number): Uint8Array {
  return withHeaderChecksum(with8(IPV4, 1, tos));
}

describe('ecn', () => {
  it('copies the mark to the outer header, DSCP only on request', () => {
    assert.equal(encapsulatedTos(0xb9, false), 1);
    assert.equal(encapsulatedTos(0xb9, true), 0xb9);
  });

  // Rows of figure 4 of RFC 6040: inner; then what leaves for outer Not-ECT, ECT(0), ECT(1), CE.
  for (const [inner, ...outgoing] of [
    ['Not-ECT', 'Not-ECT', 'Not-ECT', 'Not-ECT', 'drop'],
    ['ECT(0)', 'ECT(0)', 'ECT(0)', 'ECT(1)', 'CE'],
    ['ECT(1)', 'ECT(1)', 'ECT(1)', 'ECT(1)', 'CE'],
    ['CE', 'CE', 'CE', 'CE', 'CE'],
  ] as const)
    it(`${inner} inside becomes ${outgoing.join(', ')}`, () => {
      const bytes = ipv4(0xb8 | NAMES.indexOf(inner));
      const results = (['Not-ECT', 'ECT(0)', 'ECT(1)', 'CE'] as const).map((outer) => {
        const result = decapsulateEcn(bytes, parseIpPacket(bytes)!, 0x10 | NAMES.indexOf(outer));
        if (isDropped(result)) return 'drop';
        assert.ok(isHeaderChecksumGood(result));
        assert.equal(byte(result, 1) & 0xfc, 0xb8);
        return NAMES[byte(result, 1) & 3];
      });
      assert.deepEqual(results, outgoing);
    });

  it('changes two bits of an IPv6 header', () => {
    // The low half of the traffic class is the high half of the second byte: 0b1010 becomes 0b1011.
    const capable = with8(IPV6, 1, 0xac);
    const result = decapsulateEcn(capable, parseIpPacket(capable)!, 3);
    assert.deepEqual(result, with8(IPV6, 1, 0xbc));
  });

  it('counts a hop', () => {
    const hop = decrementTtl(ipv4(0), parseIpPacket(ipv4(0))!);
    assert.ok(isHeaderChecksumGood(hop));
    assert.equal(byte(hop, 8), 63);
    assert.deepEqual(decrementTtl(IPV6, parseIpPacket(IPV6)!), with8(IPV6, 7, 63));
  });

  it('does not repair a bad header checksum', () => {
    const bad = with8(ipv4(2), 10, byte(ipv4(2), 10) ^ 1);
    const result = decapsulateEcn(bad, parseIpPacket(bad)!, 3);
    assert.ok(!isDropped(result) && !isHeaderChecksumGood(result));
  });
});
