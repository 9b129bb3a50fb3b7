// Random packets with damage, and virtio headers that may not fit them.
import * as fc from 'fast-check';
import { concat, parseIpPacket, type VirtioHeader } from '../../../native/reference/index.ts';
import { ipPacket } from './packet-arbitrary.ts';
import { filler, uint16, byteValue } from './transport-arbitrary.ts';

type Damage = (bytes: Uint8Array) => Uint8Array;

const damage: fc.Arbitrary<Damage> = fc.oneof(
  // Headers are where it matters.
  fc.tuple(fc.nat({ max: 80 }), byteValue).map(([at, value]): Damage => {
    return (bytes) => bytes.map((old, index) => (index === at ? value : old));
  }),
  fc.tuple(fc.nat({ max: 2000 }), fc.nat({ max: 7 })).map(([at, bit]): Damage => {
    return (bytes) => bytes.map((old, index) => (index === at % bytes.length ? old ^ (1 << bit) : old));
  }),
  fc.nat({ max: 100 }).map(
    (length): Damage =>
      (bytes) =>
        bytes.slice(0, length),
  ),
  fc.nat({ max: 30 }).map(
    (count): Damage =>
      (bytes) =>
        bytes.slice(0, Math.max(0, bytes.length - count)),
  ),
  fc.nat({ max: 30 }).map(
    (count): Damage =>
      (bytes) =>
        concat(bytes, filler(count, 1)),
  ),
);

/** `bytes` as some failing or hostile sender might make them; mostly one thing is wrong. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const damages = fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 5, arbitrary: fc.array(damage, { minLength: 1, maxLength: 1 }) },
    { weight: 3, arbitrary: fc.array(damage, { minLength: 2, maxLength: 5 }) },
  );
  return fc.tuple(bytes, damages).map(([whole, steps]) => steps.reduce((each, step) => step(each), whole));
}

/** Anything that may come; often well-formed. */
export const anyBytes = fc.oneof(
  { weight: 9, arbitrary: damaged(ipPacket) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
);

/** Well-formed, but with whatever damage leaves it so. */
export const survivingPacket = anyBytes.filter((bytes) => parseIpPacket(bytes) !== undefined);

export const virtioHeader: fc.Arbitrary<VirtioHeader> = fc.record({
  flags: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: byteValue }),
  gsoType: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(0, 1, 4, 5, 0x81, 0x84, 0x85) },
    { weight: 1, arbitrary: byteValue },
  ),
  headerBytes: uint16,
  gsoSize: fc.oneof(fc.nat({ max: 300 }), uint16),
  checksumStart: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 80 }) }, { weight: 1, arbitrary: uint16 }),
  checksumOffset: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(6, 16) },
    { weight: 1, arbitrary: uint16 },
  ),
});
