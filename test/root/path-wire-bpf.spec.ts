// What a wire sees of packets that the BPF programs of the packet path encapsulate, as Wireshark reads it, and what they leave to the
// workers. Loading a BPF program takes the real root: test/in-namespaces.sh with AS_ROOT=1.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { capture, type DecodedFrame } from '../support/path/capture.ts';
import type { PathPair } from '../support/path/path-pair.ts';
import {
  assertAnswered,
  assertDatagramsIntact,
  assertIntact,
  ECHO_OVERHEAD_BYTES,
  ENCAPSULATIONS,
  FAMILIES,
  growth,
  ping,
  sizeOf,
  usePair,
} from '../support/path/path-suite.ts';

const ETHERNET_BYTES = 14;
const FRAME_FIELDS =
  'frame.len ip.ttl ip.flags.df ipv6.hlim ipv6.flow udp.checksum vxlan.vni vxlan.flags eth.type'.split(' ');

for (const encapsulation of ENCAPSULATIONS)
  for (const underlay of FAMILIES)
    describe(`wire of the kernel's share: ${encapsulation} over IPv${underlay}`, () => {
      const pairOf = usePair({ encapsulation, underlay, tuning: { useBpf: true } });

      it('frames are what Wireshark takes for right, and as long as the MTU allows', async () => {
        const pair = pairOf();
        for (const family of FAMILIES) await assertAnswered(pair.a, pair.b.overlay[family]);
        await capture(
          pair,
          pair.b,
          async () => {
            const grown = await growth(pair.a, () => sendAllKinds(pair));
            assert.ok(grown['kernelTxPackets']! > grown['txPackets']! * 0.95, JSON.stringify(grown));
            assert.ok(grown['kernelRxPackets']! > grown['rxPackets']! * 0.95, JSON.stringify(grown));
          },
          async (captured) => {
            const { frames, complaints } = await captured.checkedFrames(FRAME_FIELDS);
            assert.deepEqual(complaints, []);
            const lengths = frames.map((frame) => Number(frame['frame.len']![0]));
            assert.equal(Math.max(...lengths), 1500 + ETHERNET_BYTES);
            for (const frame of frames) assertFrame(pair, frame);
          },
        );
      });

      for (const family of FAMILIES)
        it(`IPv${family}: ECN crosses to the outer header, DSCP does not`, async () => {
          const pair = pairOf();
          await capture(
            pair,
            pair.b,
            async () => {
              // DSCP EF, ECT(0).
              const grown = await growth(pair.a, () =>
                assertAnswered(pair.a, pair.b.overlay[family], '-Q', '0xba'),
              );
              assert.equal(grown['kernelTxPackets'], 1);
            },
            async (captured) => {
              const source = underlay === 4 ? 'ip.src' : 'ipv6.src';
              const field = underlay === 4 ? 'ip.dsfield' : 'ipv6.tclass';
              const frames = await captured.frames([field], `${source} == ${pair.a.underlay[underlay]}`);
              assert.equal(Number(frames[0]![field]![0]), 2);
            },
          );
        });

      for (const family of FAMILIES)
        it(`IPv${family}: a packet too large for the path is left to the workers, which notify its sender`, async () => {
          const { a, b, mtu } = pairOf();
          const prefix = underlay === 4 ? 32 : 128;
          const route = `${b.underlay[underlay]}/${prefix} dev eth0`;
          await a.ip([`route add ${route} mtu 1400`]);
          await a.status({ refresh: true });
          const grown = await growth(a, async () => {
            const refusal = await ping(a, b.overlay[family], ...sizeOf(mtu, family));
            assert.match(refusal, new RegExp(`mtu.?=? ?${mtu - 100}`));
          });
          await a.ip([`route delete ${route}`]);
          await a.run(['ip', `-${family}`, 'route', 'flush', 'cache']);
          await a.status({ refresh: true });
          assert.deepEqual([grown['dropTxTooBig'], grown['kernelTxPackets']], [1, 0], JSON.stringify(grown));
        });
    });

/** ICMP, TCP in both directions and UDP alone and in super-packets, of each family. */
async function sendAllKinds(pair: PathPair): Promise<void> {
  const { a, b, mtu } = pair;
  for (const family of FAMILIES) {
    await assertAnswered(a, b.overlay[family], ...sizeOf(mtu, family));
    await assertIntact(pair, family, 300_000);
    const sizes = { smallest: 1, largest: mtu - ECHO_OVERHEAD_BYTES[family], pps: 20_000 };
    await assertDatagramsIntact(pair, a, b, family, { ...sizes, count: 100 });
    const segmented = { smallest: 9, largest: 900, count: 200, segments: 32, pps: 20_000 };
    await assertDatagramsIntact(pair, a, b, family, segmented);
    await assertDatagramsIntact(pair, b, a, family, {
      smallest: mtu,
      largest: 3 * mtu,
      count: 20,
      pps: 2000,
    });
  }
}

/** Outer and inner headers of a frame. */
function assertFrame({ options: { encapsulation, underlay } }: PathPair, frame: DecodedFrame): void {
  const what = JSON.stringify(frame);
  const isInnerIpv4 = frame['ip.ttl']!.length > (underlay === 4 ? 1 : 0);
  const [outerTtl] = frame[underlay === 4 ? 'ip.ttl' : 'ipv6.hlim']!;
  const innerTtl = frame[isInnerIpv4 ? 'ip.ttl' : 'ipv6.hlim']!.at(-1);
  assert.equal(outerTtl, '64', what);
  // The path is a hop of encapsulation udp; VXLAN is a link.
  assert.equal(innerTtl, encapsulation === 'udp' ? '63' : '64', what);
  if (underlay === 4) assert.equal(frame['ip.flags.df']![0], '1', what);
  assert.equal(frame['udp.checksum']![0], '0x0000', what);
  if (underlay === 6) assert.notEqual(Number(frame['ipv6.flow']![0]), 0, what);
  if (encapsulation === 'udp') return;
  assert.deepEqual([frame['vxlan.vni'], frame['vxlan.flags']], [['1'], ['0x0800']], what);
  assert.equal(Number(frame['eth.type']!.at(-1)), isInnerIpv4 ? 0x0800 : 0x86dd, what);
}
