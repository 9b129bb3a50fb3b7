// Super-packets from the kernel: TCP and UDP in both directions, between ends of weft and with the kernel's
// own VXLAN, which must see no difference.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { PathEnd } from './support/path/path-host.ts';
import type { PathPairOptions } from './support/path/path-pair.ts';
import {
  assertAnswered,
  assertDatagramsIntact,
  assertIntact,
  ECHO_OVERHEAD_BYTES,
  ENCAPSULATIONS,
  FAMILIES,
  growth,
  sizeOf,
  usePair,
} from './support/path/path-suite.ts';

/** Pairs in which the kernel passes on what has not been cut, between weft ends and beside the kernel's own VXLAN. */
const SUPER_PAIRS: readonly (PathPairOptions & { readonly name: string })[] = [
  ...ENCAPSULATIONS.flatMap((encapsulation) =>
    FAMILIES.map((underlay) => ({
      name: `${encapsulation} over IPv${underlay}`,
      encapsulation,
      underlay,
      hasOffloads: true,
    })),
  ),
  ...FAMILIES.flatMap((underlay) =>
    [true, false].map((hasOffloads) => ({
      name: `the kernel's VXLAN over IPv${underlay}, ${hasOffloads ? 'super-packets' : 'frames as on a wire'}`,
      encapsulation: 'vxlan' as const,
      underlay,
      kernelEnds: ['b'] as const,
      hasOffloads,
    })),
  ),
  { name: 'MTU 9000, super-packets', encapsulation: 'vxlan', underlay: 4, mtu: 9000, hasOffloads: true },
  {
    name: 'two workers and many source ports',
    encapsulation: 'vxlan',
    underlay: 4,
    hasOffloads: true,
    tuning: { workers: 2, sourcePorts: 4 },
  },
];

for (const { name, ...options } of SUPER_PAIRS)
  describe(`both directions: ${name}`, () => {
    const pairOf = usePair(options);

    for (const family of FAMILIES) {
      it(`IPv${family}: TCP`, async () => {
        const pair = pairOf();
        const grown = await growth(pair.a, () => assertIntact(pair, family, 8_000_000));
        assert.ok(
          grown['txReads']! < grown['txPackets']!,
          `the device delivers super-packets: ${JSON.stringify(grown)}`,
        );
        assert.ok(
          grown['txSends']! < grown['txPackets']!,
          `a send carries many datagrams: ${JSON.stringify(grown)}`,
        );
        assert.ok(
          grown['rxWrites']! < grown['rxPackets']!,
          `the device takes super-packets: ${JSON.stringify(grown)}`,
        );
      });

      it(`IPv${family}: UDP of every size, in super-packets, in fragments`, async () => {
        const pair = pairOf();
        const fitting = pair.mtu - ECHO_OVERHEAD_BYTES[family];
        const run = { smallest: 8, largest: Math.min(fitting, 2000), count: 2000, segments: 32, pps: 20_000 };
        const sendAll = async (from: PathEnd, to: PathEnd, port: number): Promise<void> => {
          await assertDatagramsIntact(pair, from, to, family, {
            largest: fitting,
            count: 2000,
            pps: 20_000,
            port,
          });
          for (const gro of [false, true])
            await assertDatagramsIntact(pair, from, to, family, { ...run, gro, port });
          const large = { smallest: pair.mtu, largest: 60_000, count: 50, pps: 1000 };
          await assertDatagramsIntact(pair, from, to, family, { ...large, port });
        };
        await Promise.all([sendAll(pair.a, pair.b, 5000), sendAll(pair.b, pair.a, 5001)]);
      });

      it(`IPv${family}: pings of every size around the MTU`, async () => {
        const { a, b, mtu } = pairOf();
        for (const bytes of [mtu - 1, mtu, 64])
          await assertAnswered(a, b.overlay[family], ...sizeOf(bytes, family));
      });
    }
  });
