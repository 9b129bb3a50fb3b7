import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { type IpAddress, parseIp, parseMac } from '../../../lib/address.ts';
import { decodeIp, decodeMac, encodeIp, encodeMac } from './address-bytes.ts';

const ipv6Bytes = fc.array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 255 })), {
  minLength: 16,
  maxLength: 16,
});

describe('address bytes', () => {
  for (const [text, hex] of [
    ['0.0.0.0', '00000000'],
    ['10.5.72.255', '0a0548ff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['fd00:5:72::', 'fd000005007200000000000000000000'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['2001:db8::1:0:0:1', '20010db8000000000001000000000001'],
    ['1:0:0:2::3', '00010000000000020000000000000003'],
  ] as const)
    it(text, () => {
      const buffer = Buffer.alloc(20, 0xee);
      const length = encodeIp(buffer, 2, text as IpAddress);
      assert.equal(buffer.toString('hex', 2, 2 + length), hex);
      assert.equal(buffer.toString('hex', 2 + length, 4 + length), 'eeee'.slice(0, 2 * (18 - length)));
      assert.equal(decodeIp(buffer, 2, length), text);
    });

  it('agrees with the allocator on every IPv6 address, in both directions', () =>
    fc.assert(
      fc.property(ipv6Bytes, (bytes) => {
        const text = decodeIp(Buffer.from(bytes), 0, 16)!;
        assert.equal(parseIp(text), text);
        const again = Buffer.alloc(16);
        encodeIp(again, 0, text);
        assert.deepEqual([...again], bytes);
      }),
    ));

  it('agrees with the allocator on every IPv4 and MAC address', () =>
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
        const buffer = Buffer.from(bytes);
        const address = decodeIp(buffer, 0, 4)!;
        const mac = decodeMac(buffer, 0);
        assert.deepEqual([parseIp(address), parseMac(mac)], [address, mac]);
        const again = Buffer.alloc(10);
        encodeIp(again, 0, address);
        encodeMac(again, 4, mac);
        assert.deepEqual(again, Buffer.concat([buffer.subarray(0, 4), buffer]));
      }),
    ));

  it('knows no address of another length', () => assert.equal(decodeIp(Buffer.alloc(16), 0, 8), undefined));
});
