// What a wire sees of the packet path: frames as Wireshark reads them, their length, TTL, ECN and MACs.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Family } from '../lib/address.ts';
import { capture, type DecodedFrame } from './support/path/capture.ts';
import type { PathPair } from './support/path/path-pair.ts';
import {
  assertAnswered,
  assertDatagramsIntact,
  assertIntact,
  ECHO_OVERHEAD_BYTES,
  ENCAPSULATIONS,
  FAMILIES,
  ping,
  sizeOf,
  usePair,
} from './support/path/path-suite.ts';

const MTUS = [1280, 1500, 9000] as const;
const ETHERNET_BYTES = 14;

for (const encapsulation of ENCAPSULATIONS)
  for (const underlay of FAMILIES)
    for (const mtu of MTUS)
      describe(`wire: ${encapsulation} over IPv${underlay}, MTU ${mtu}`, () => {
        const pairOf = usePair({ encapsulation, underlay, mtu });

        it('frames are what Wireshark takes for right, and as long as the MTU allows', async () => {
          const pair = pairOf();
          await capture(
            pair,
            pair.b,
            () => sendAllKinds(pair),
            async (captured) => {
              const { frames, complaints } = await captured.checkedFrames(FRAME_FIELDS);
              assert.deepEqual(complaints, []);
              const lengths = frames.map((frame) => Number(frame['frame.len']![0]));
              assert.equal(Math.max(...lengths), mtu + ETHERNET_BYTES);
              for (const frame of frames) assertFrame(pair, frame);
              // Else the fast path had no part in it.
              assert.equal(frames.some(hasNoChecksum), pair.hasFastPath);
            },
          );
        });

        it('a packet of the overlay MTU passes, and one byte more gets an error', async () => {
          const { a, b, families, mtu: overlayMtu } = pairOf();
          for (const family of families) {
            await assertAnswered(a, b.overlay[family], ...sizeOf(overlayMtu, family));
            const refusal = await ping(a, b.overlay[family], '-W', '0.1', ...sizeOf(overlayMtu + 1, family));
            assert.match(refusal, new RegExp(`message too long.* mtu.?=? ?${overlayMtu}`));
          }
        });

        if (mtu === 1500) describeEcn(pairOf, underlay);
      });

/** Independent of the MTU. */
function describeEcn(pairOf: () => PathPair, underlay: Family): void {
  for (const family of FAMILIES)
    it(`IPv${family}: ECN crosses to the outer header, DSCP does not`, async () => {
      const pair = pairOf();
      await capture(
        pair,
        pair.b,
        // DSCP EF, ECT(0).
        () => assertAnswered(pair.a, pair.b.overlay[family], '-Q', '0xba'),
        async (captured) => {
          const source = underlay === 4 ? 'ip.src' : 'ipv6.src';
          const field = underlay === 4 ? 'ip.dsfield' : 'ipv6.tclass';
          const frames = await captured.frames([field], `${source} == ${pair.a.underlay[underlay]}`);
          assert.equal(Number(frames[0]![field]![0]), 2);
        },
      );
    });
}

/** ICMP, TCP in both directions, UDP alone, in super-packets and in fragments, of each family. */
async function sendAllKinds(pair: PathPair): Promise<void> {
  const { a, b, families, mtu } = pair;
  for (const family of families) {
    await assertAnswered(a, b.overlay[family], ...sizeOf(mtu, family));
    await assertIntact(pair, family, 300_000);
    const sizes = { smallest: 1, largest: mtu - ECHO_OVERHEAD_BYTES[family], pps: 20_000 };
    await assertDatagramsIntact(pair, a, b, family, { ...sizes, count: 100 });
    await assertDatagramsIntact(pair, a, b, family, {
      smallest: 9,
      largest: 900,
      count: 200,
      segments: 32,
      pps: 20_000,
    });
    await assertDatagramsIntact(pair, b, a, family, {
      smallest: mtu,
      largest: 3 * mtu,
      count: 20,
      pps: 2000,
    });
  }
}

const FRAME_FIELDS = (
  'frame.len eth.src eth.dst vxlan.vni vxlan.flags ' +
  'ip.ttl ip.flags.df ip.src ipv6.src ipv6.hlim udp.checksum'
).split(' ');

/** Outer and inner headers of a frame between the two. */
function assertFrame(pair: PathPair, frame: DecodedFrame): void {
  const { a, b, options } = pair;
  const { encapsulation, underlay } = options;
  const what = JSON.stringify(frame);
  const ipv4Headers = frame['ip.ttl']!.length - (underlay === 4 ? 1 : 0);
  const innerTtl = ipv4Headers > 0 ? frame['ip.ttl']!.at(-1) : frame['ipv6.hlim']!.at(-1);
  // The path is a hop of encapsulation udp; VXLAN is a link.
  assert.equal(innerTtl, encapsulation === 'udp' ? '63' : '64', what);
  if (underlay === 4)
    assert.equal(frame['ip.flags.df']![0], '1', `outer packets are never fragmented: ${what}`);
  // The fast path computes none (RFC 7348, RFC 6935). Workers do.
  assert.ok(pair.hasFastPath || !hasNoChecksum(frame), what);
  if (encapsulation === 'udp') return;
  const isFromA =
    (frame['ip.src']![0] ?? frame['ipv6.src']![0]) === a.underlay[4] ||
    frame['ipv6.src']![0] === a.underlay[6];
  const [source, destination] = isFromA ? [a, b] : [b, a];
  assert.deepEqual(
    [frame['vxlan.vni'], frame['vxlan.flags'], frame['eth.src']!.at(-1), frame['eth.dst']!.at(-1)],
    [['1'], ['0x0800'], source.mac, destination.mac],
    what,
  );
}

function hasNoChecksum(frame: DecodedFrame): boolean {
  return frame['udp.checksum']![0] === '0x0000';
}
