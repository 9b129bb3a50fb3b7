import assert from 'node:assert/strict';
import { with16 } from './bytes.ts';
import {
  checksumState,
  internetChecksum,
  isHeaderChecksumGood,
  onesComplementSum,
  pseudoHeader,
  updatedChecksum,
} from './checksum.ts';
import { parseIpPacket } from './ip-packet.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

describe('checksum', () => {
  it('sums the example of RFC 1071 §3', () => {
    assert.equal(onesComplementSum(bytesOf('0001f203f4f5f6f7')), 0xddf2);
    assert.equal(internetChecksum(bytesOf('0001f203f4f5f6f7')), 0x220d);
  });

  it('pads an odd byte at its right', () => assert.equal(onesComplementSum(bytesOf('000102')), 0x0201));

  it('is 0 as a sum for zeroes only', () => {
    assert.equal(onesComplementSum(new Uint8Array(6)), 0);
    assert.equal(onesComplementSum(bytesOf('ffff')), 0xffff);
    assert.equal(onesComplementSum(bytesOf('00ffff00')), 0xffff);
  });

  it('updates the example of RFC 1624 §4 to zero, where RFC 1141 came to all ones', () =>
    assert.equal(updatedChecksum(0xdd2f, 0x5555, 0x3285), 0x0000));

  it('proves a header good, and one with a flipped bit bad', () => {
    const header = bytesOf('45000073000040004011b861c0a80001c0a800c7');
    assert.ok(isHeaderChecksumGood(header));
    assert.ok(!isHeaderChecksumGood(with16(header, 4, 0x0100)));
  });

  describe('of UDP', () => {
    // 10.0.0.1:1 to 10.0.0.2:2 with payload `hi`; the sum of all but the checksum is 0x7c94.
    const ip = '4500001e00000000401100000a0000010a000002';
    const packetWith = (checksum: string): Uint8Array => bytesOf(`${ip}00010002000a${checksum}6869`);
    const stateOf = (bytes: Uint8Array): string => checksumState(bytes, parseIpPacket(bytes)!);

    it('covers a pseudo header', () => {
      const bytes = packetWith('0000');
      const pseudo = pseudoHeader(bytes, parseIpPacket(bytes)!, 10);
      assert.equal(Buffer.from(pseudo).toString('hex'), '0a0000010a0000020011000a');
    });

    for (const [state, checksum] of [
      ['good', '836b'],
      ['bad', '836a'],
      ['partial', '141e'],
      ['none', '0000'],
    ] as const)
      it(`${checksum} is ${state}`, () => assert.equal(stateOf(packetWith(checksum)), state));

    it('is bad if its length is more than there is, or less than its header', () => {
      for (const length of [11, 7, 0]) assert.equal(stateOf(with16(packetWith('0000'), 24, length)), 'bad');
    });
  });

  it('of UDP over IPv6 must be there', () => {
    const bytes = bytesOf(
      `6000000000081140${'fd'.padEnd(30, '0')}01${'fd'.padEnd(30, '0')}020001000200080000`,
    );
    assert.equal(checksumState(bytes, parseIpPacket(bytes)!), 'bad');
  });
});
