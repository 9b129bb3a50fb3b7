// SAs as the kernel dumps them; policies are in the compliance suite of the kernel.
import assert from 'node:assert/strict';
import { decodeSa, kindOfChange } from './xfrm.ts';

/** A message of `ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 0x1001 reqid 11 mode tunnel …` (Linux 6.1). */
function message(change: (bytes: Buffer) => void = () => undefined): Buffer {
  const bytes = Buffer.alloc(16 + 224);
  bytes.writeUInt16LE(0x10, 4);
  Buffer.from([10, 9, 0, 2]).copy(bytes, 16 + 56);
  bytes.writeUInt32BE(0x1001, 16 + 72);
  bytes[16 + 76] = 50;
  Buffer.from([10, 9, 0, 1]).copy(bytes, 16 + 80);
  bytes.writeUInt32LE(11, 16 + 208);
  bytes.writeUInt16LE(2, 16 + 212);
  change(bytes);
  return bytes;
}
const decode = (bytes: Buffer) => decodeSa(bytes, 0, bytes.length);

describe('SAs of netlink', () => {
  it('have their ends and request id', () =>
    assert.deepEqual(decode(message()), { source: '10.9.0.1', destination: '10.9.0.2', requestId: 11 }));

  const others: readonly [string, (bytes: Buffer) => void][] = [
    ['larval', (bytes) => bytes.writeUInt32BE(0, 16 + 72)],
    ['of AH', (bytes) => bytes.writeUInt8(51, 16 + 76)],
    ['of IPv6', (bytes) => bytes.writeUInt16LE(10, 16 + 212)],
  ];
  for (const [what, change] of others)
    it(`are none of ours when ${what}`, () => assert.equal(decode(message(change)), undefined));

  it('are none of ours when cut off', () => assert.equal(decodeSa(message(), 0, 239), undefined));

  it('send notifications one by one, but for the removal of all', () => {
    for (const [type, kind] of [
      [0x10, 'sa-made'],
      [0x1a, 'sa-made'],
      [0x11, 'sa-ended'],
      [0x18, 'sa-ended'],
      [0x1c, 'other'],
      [0x14, 'other'],
    ] as const)
      assert.equal(kindOfChange(message((bytes) => bytes.writeUInt16LE(type, 4))), kind);
  });
});
