// Random fields, addresses and TCP, UDP and other upper-layer packets: the parts of packet-arbitrary.ts.
import * as fc from 'fast-check';
import { concat, PROTOCOL } from '../../../native/reference/index.ts';

const TCP_DATA = 0x10;

/** `length` bytes that differ by position. */
export function filler(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + seed) ^ (at >>> 5));
}

export const uint16 = fc.nat({ max: 0xffff });
const uint32 = fc.nat({ max: 0xffff_ffff });
export const byteValue = fc.nat({ max: 0xff });

export function bytes16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

const payload = fc
  .tuple(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 1500 })), byteValue)
  .map(([length, seed]) => filler(length, seed));

export const ipv4Address = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 3 }).map((host) => Uint8Array.of(10, 1, 2, host)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
      )
      .map((bytes) => Uint8Array.from(bytes)),
  },
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
);

function ipv6(start: readonly number[], end: readonly number[]): Uint8Array {
  return concat(Uint8Array.from(start), new Uint8Array(16 - start.length - end.length), Uint8Array.from(end));
}

export const ipv6Address = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 3 }).map((host) => ipv6([0xfd, 7], [host])) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ipv6([], []),
      ipv6([], [1]),
      ipv6([], [0xff, 0xff, 1, 2, 3, 4]),
      ipv6([0xfe, 0x80], [1]),
      ipv6([0xfe, 0xbf], [1]),
      ipv6([0xfe, 0xc0], [1]),
      ipv6([0xff, 2], [1]),
    ),
  },
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);

/** Of RFC 791 §3.1, with lengths that are mostly right. */
export const ipv4Options = fc
  .array(
    fc.oneof(
      fc.constant([1]),
      fc.constant([0]),
      fc
        .tuple(fc.constantFrom(7, 68, 130, 131, 137, 148), fc.nat({ max: 8 }))
        .map(([type, bytes]) => [type, bytes + 2, ...filler(bytes, type)]),
      fc.array(byteValue, { maxLength: 3 }),
    ),
    { maxLength: 4 },
  )
  .map((options) => options.flat().slice(0, 40))
  .map((options) => concat(Uint8Array.from(options), new Uint8Array(-options.length & 3)));

interface Upper {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

const tcpOptions = fc.oneof(
  fc.constant(new Uint8Array()),
  fc.uint8Array({ minLength: 12, maxLength: 12 }),
  fc.nat({ max: 10 }).map((fields) => filler(fields * 4, 3)),
);

const tcp = fc
  .record({
    ports: fc.tuple(uint16, uint16),
    numbers: fc.tuple(uint32, uint32),
    flags: fc.oneof(fc.constantFrom(TCP_DATA, TCP_DATA | 8), byteValue),
    reserved: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.nat({ max: 15 }) },
    ),
    window: uint16,
    options: tcpOptions,
    payload,
  })
  .map(({ ports, numbers, flags, reserved, window, options, payload: data }): Upper => {
    const offset = ((5 + options.length / 4) << 4) | reserved;
    const fields = [
      ...numbers.flatMap((number) => [number >>> 16, number & 0xffff]),
      (offset << 8) | flags,
      window,
      0,
      0,
    ];
    return { protocol: PROTOCOL.tcp, bytes: concat(...[...ports, ...fields].map(bytes16), options, data) };
  });

const udp = fc
  .record({ ports: fc.tuple(uint16, uint16), payload })
  .map(({ ports, payload: data }): Upper => ({
    protocol: PROTOCOL.udp,
    bytes: concat(...[...ports, 8 + data.length, 0].map(bytes16), data),
  }));

const otherUpper = fc
  .record({
    protocol: fc.constantFrom(
      PROTOCOL.icmp,
      PROTOCOL.icmpv6,
      PROTOCOL.none,
      2,
      47,
      50,
      132,
      135,
      139,
      140,
      253,
    ),
    type: fc.oneof(fc.nat({ max: 20 }), fc.integer({ min: 125, max: 140 })),
    data: payload,
  })
  .map(({ protocol, type, data }): Upper => {
    return { protocol, bytes: data.length === 0 ? data : concat(Uint8Array.of(type), data.slice(1)) };
  });

export const upper = fc.oneof(
  { weight: 4, arbitrary: tcp },
  { weight: 4, arbitrary: udp },
  { weight: 2, arbitrary: otherUpper },
);
