import assert from 'node:assert/strict';
import { byte, concat, read16, with16 } from './bytes.ts';
import { isHeaderChecksumGood } from './checksum.ts';
import { isDropped } from './dropped.ts';
import { fragment } from './fragment.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** The example of RFC 791 appendix A, example 2: 452 bytes of data. Identification 111, protocol 6. */
const EXAMPLE = concat(
  bytesOf('450001d8 006f0000 7b06 0000 0a070101 0a070102'),
  Uint8Array.from({ length: 452 }, (_, at) => at),
);

function cut(bytes: Uint8Array, mtu: number): readonly Uint8Array[] {
  const fragments = fragment(bytes, mtu);
  assert.ok(!isDropped(fragments));
  for (const each of fragments) {
    assert.ok(isHeaderChecksumGood(each.slice(0, (byte(each, 0) & 15) * 4)));
    assert.equal(read16(each, 2), each.length);
    assert.ok(each.length <= mtu);
  }
  return fragments;
}

describe('fragment', () => {
  it('cuts the example of RFC 791 as the RFC does', () => {
    const fragments = cut(EXAMPLE, 280);
    // Example 3: total length 276, more fragments, offset 0; then 216, the last, offset 32.
    assert.deepEqual(
      fragments.map((each) => [each.length, read16(each, 6)]),
      [
        [276, 0x2000],
        [216, 32],
      ],
    );
    assert.deepEqual(concat(...fragments.map((each) => each.slice(20))), EXAMPLE.slice(20));
  });

  it('cuts a fragment again: offsets go on, and more follow its last piece if they did before', () => {
    const fields = (bytes: Uint8Array): number[] => cut(bytes, 280).map((each) => read16(each, 6));
    assert.deepEqual(fields(with16(EXAMPLE, 6, 0x2000 + 100)), [0x2064, 0x2084]);
    assert.deepEqual(fields(with16(EXAMPLE, 6, 100)), [0x2064, 132]);
  });

  it('copies only options that say so, into all but the first', () => {
    // Record route (not copied), no operation, security-like 130 of three bytes (copied).
    const options = bytesOf('070401ff 01 8203aa 00000000');
    const header = concat(bytesOf('48000080 006f0000 7b06 0000 0a070101 0a070102'), options);
    const [first, second] = cut(concat(header, new Uint8Array(96)), 100);
    assert.deepEqual(first!.slice(20, 32), options);
    assert.equal(byte(second!, 0), 0x46);
    assert.deepEqual(second!.slice(20, 24), bytesOf('8203aa00'));
  });

  it('leaves whole what fits', () => assert.equal(cut(EXAMPLE, 472).length, 1));

  it('goes down to the smallest MTU, one block at a time with the longest header', () => {
    const header = concat(
      bytesOf('4f000054 006f0000 7b06 0000 0a070101 0a070102'),
      bytesOf('82280000'),
      new Uint8Array(36),
    );
    const fragments = cut(concat(header, new Uint8Array(24)), 68);
    assert.deepEqual(
      fragments.map((each) => each.length),
      [68, 68, 68],
    );
  });

  for (const [what, bytes] of [
    ['with DF', with16(EXAMPLE, 6, 0x4000)],
    ['of IPv6', bytesOf('6000000000003b40'.padEnd(80, '0'))],
    ['beyond the longest packet', with16(EXAMPLE, 6, 0x1fff)],
  ] as const)
    it(`refuses packets ${what}`, () => assert.deepEqual(fragment(bytes, 280), { drop: 'dropTxTooBig' }));
});
