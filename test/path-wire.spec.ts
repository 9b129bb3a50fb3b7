// What a wire sees of the packet path and what a router owes: frames as Wireshark reads them, MTU, TTL, ICMP errors, whom
// it believes, and the kernel's own VXLAN at the other end.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Family } from '../allocator/address.ts';
import { waitFor } from '../lab/wait.ts';
import { capture, type DecodedFrame } from './support/capture.ts';
import { checkTcp, checkUdp } from './support/impairment.ts';
import { PathPair, type PathEnd, type PathPairOptions } from './support/path-pair.ts';
import type { DatagramsToSend } from './support/send-datagrams.ts';
import { makeTunnelDatagram, type TunnelDatagram } from './support/tunnel-datagram.ts';

const FAMILIES = [4, 6] as const;
const ENCAPSULATIONS = ['udp', 'vxlan'] as const;
const MTUS = [1280, 1500, 9000] as const;
const ETHERNET_BYTES = 14;
/** IP and ICMP headers of an echo request. */
const ECHO_OVERHEAD_BYTES: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };
const PATIENCE_MS = 10_000;

/** Makes a pair before the tests of a `describe`, and removes it after. */
function usePair(options: PathPairOptions): () => PathPair {
  let pair: PathPair | undefined;
  before(async () => (pair = await PathPair.create(options)));
  after(async () => pair?.close());
  return () => pair!;
}

/** What ping says, whether it is answered or not. An error of its own does not keep it from waiting. */
function ping(from: PathEnd, address: string, ...words: string[]): Promise<string> {
  return from.run(['sh', '-c', 'ping -n -c 1 -W 2 "$@" 2>&1 || true', 'sh', ...words, address]);
}

const sizeOf = (packetBytes: number, family: Family): string[] => [
  '-M',
  'do',
  '-s',
  String(packetBytes - ECHO_OVERHEAD_BYTES[family]),
];

async function assertAnswered(from: PathEnd, address: string, ...words: string[]): Promise<void> {
  assert.match(await ping(from, address, ...words), /1 received/);
}

async function assertIntact(pair: PathPair, family: Family, bytes: number): Promise<void> {
  const { a, b } = pair;
  const { client, server } = await checkTcp(a, b, b.overlay[family], { bytes, isBothWays: true });
  assert.ok(client.isComplete && server.isComplete, JSON.stringify({ client, server }));
}

/** Each datagram arrives as it was sent, but for those that some buffer of the kernel had no room for. */
async function assertDatagramsIntact(
  { port }: PathPair,
  from: PathEnd,
  to: PathEnd,
  family: Family,
  options: Parameters<typeof checkUdp>[3],
): Promise<void> {
  const kernelDrops = async (): Promise<number> =>
    (await to.socketDrops(port)) + (await from.linkDrops(from.device)) + (await from.linkDrops('eth0'));
  const earlier = await kernelDrops();
  const report = await checkUdp(from, to, to.overlay[family], options);
  // What carries many datagrams is one drop.
  const explained = ((await kernelDrops()) - earlier + report.overflow) * (options.segments ?? 1);
  assert.equal(report.wrong, 0, JSON.stringify(report));
  assert.ok(report.lost <= explained && report.received > 0, JSON.stringify({ ...report, explained }));
}

/** How much each counter of a weft end grows while `action` goes on. */
async function growth(
  end: PathEnd,
  action: () => Promise<unknown>,
): Promise<Readonly<Record<string, number>>> {
  const earlier = await end.counters();
  await action();
  const later = await end.counters();
  return Object.fromEntries(Object.entries(later).map(([name, count]) => [name, count - earlier[name]!]));
}

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
              assert.deepEqual(await captured.complaints(), []);
              const frames = await captured.frames(FRAME_FIELDS);
              const lengths = frames.map((frame) => Number(frame['frame.len']![0]));
              assert.equal(Math.max(...lengths), mtu + ETHERNET_BYTES);
              for (const frame of frames) assertFrame(pair, frame);
            },
          );
        });

        it('a packet of the overlay MTU passes, and one byte more is told', async () => {
          const { a, b, families, mtu: overlayMtu } = pairOf();
          for (const family of families) {
            await assertAnswered(a, b.overlay[family], ...sizeOf(overlayMtu, family));
            const refusal = await ping(a, b.overlay[family], '-W', '0.1', ...sizeOf(overlayMtu + 1, family));
            assert.match(refusal, new RegExp(`message too long.* mtu.?=? ?${overlayMtu}`));
          }
        });
      });

/** ICMP, TCP both ways, UDP alone, in super-packets and in fragments, of each family. */
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

const FRAME_FIELDS = [
  'frame.len',
  'eth.src',
  'eth.dst',
  'vxlan.vni',
  'vxlan.flags',
  'ip.ttl',
  'ip.flags.df',
  'ip.dsfield',
  'ip.src',
  'ipv6.src',
  'ipv6.hlim',
  'udp.checksum',
];

/** Outer and inner headers of a frame between the two. */
function assertFrame({ a, b, options }: PathPair, frame: DecodedFrame): void {
  const { encapsulation, underlay } = options;
  const what = JSON.stringify(frame);
  const ipv4Headers = frame['ip.ttl']!.length - (underlay === 4 ? 1 : 0);
  const innerTtl = ipv4Headers > 0 ? frame['ip.ttl']!.at(-1) : frame['ipv6.hlim']!.at(-1);
  // The path is a hop of encapsulation udp; VXLAN is a link.
  assert.equal(innerTtl, encapsulation === 'udp' ? '63' : '64', what);
  if (underlay === 4)
    assert.equal(frame['ip.flags.df']![0], '1', `outer packets are never fragmented: ${what}`);
  assert.notEqual(frame['udp.checksum']![0], '0x0000', what);
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

for (const encapsulation of ENCAPSULATIONS)
  for (const underlay of FAMILIES)
    describe(`router: ${encapsulation} over IPv${underlay}`, () => {
      const pairOf = usePair({ encapsulation, underlay });

      for (const family of FAMILIES) {
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

        it(`IPv${family}: a TTL of 1 ${encapsulation === 'udp' ? 'expires, and is told' : 'passes a link'}`, async () => {
          const { a, b } = pairOf();
          if (encapsulation === 'vxlan') return assertAnswered(a, b.overlay[family], '-t', '1');
          const grown = await growth(a, async () => {
            const said = await ping(a, b.overlay[family], '-t', '1');
            assert.match(said, new RegExp(`From ${a.overlay[family]}.* (?:Time to live|Time) exceeded`));
          });
          assert.deepEqual([grown['dropTxTtl'], grown['icmpSent']], [1, 1]);
        });

        it(`IPv${family}: a destination that no peer has is told`, async () => {
          const { a } = pairOf();
          const [subnet, address] =
            family === 4 ? ['10.5.9.0/24', '10.5.9.1'] : ['fd00:5:9::/64', 'fd00:5:9::1'];
          await a.ip([`route replace ${subnet} dev ${a.device}`]);
          const grown = await growth(a, async () => {
            const said = await ping(a, address);
            assert.match(said, new RegExp(`From ${a.overlay[family]}.* (?:Net Unreachable|No route)`));
          });
          assert.deepEqual([grown['dropTxNoRoute'], grown['icmpSent']], [1, 1]);
        });

        it(`IPv${family}: packets of others are dropped, and counted by what is wrong with them`, async () => {
          const { a, b, port } = pairOf();
          const right: TunnelDatagram = {
            encapsulation,
            family,
            source: a.overlay[family],
            destination: b.overlay[family],
            mac: b.mac,
          };
          const stranger = underlay === 4 ? '192.0.2.77' : '2001:db8::77';
          await a.ip([
            `address replace ${stranger}/${underlay === 4 ? 24 : 64} dev eth0 ${underlay === 6 ? 'nodad' : ''}`,
          ]);
          const foreign = family === 4 ? '10.5.9.1' : 'fd00:5:9::1';
          const own = a.underlay[underlay];
          const send = (local: string, payloads: readonly Buffer[]): Promise<unknown> =>
            sendDatagrams(a, { local, remote: b.underlay[underlay], port, payloads: payloads.map(toHex) });
          const cases: readonly (readonly [string, string, Buffer])[] = [
            ['rxPackets', own, makeTunnelDatagram(right)],
            ['dropRxSender', stranger, makeTunnelDatagram(right)],
            ['dropRxSource', own, makeTunnelDatagram({ ...right, source: foreign })],
            ['dropRxSource', own, makeTunnelDatagram({ ...right, source: b.overlay[family] })],
            ['dropRxMalformed', own, makeTunnelDatagram(right).subarray(0, -1)],
            // As long as a datagram can be: its underlay packets are fragments.
            ['rxPackets', own, makeTunnelDatagram({ ...right, payloadBytes: 65_000 })],
            ...(encapsulation === 'udp'
              ? []
              : ([
                  ['dropRxVni', own, makeTunnelDatagram({ ...right, vni: 2 })],
                  ['dropRxMac', own, makeTunnelDatagram({ ...right, mac: '02:00:00:00:00:77' })],
                  ['dropRxHeader', own, makeTunnelDatagram(right).subarray(0, 21)],
                ] as const)),
          ];
          for (const [counter, local, payload] of cases) {
            const earlier = await b.counters();
            await send(local, [payload]);
            await waitFor(
              `${counter} of ${payload.length} bytes from ${local}`,
              async () => (await b.counters())[counter] === (earlier[counter] ?? 0) + 1,
              PATIENCE_MS,
            );
          }
        });

        it(`IPv${family}: a datagram cut at any length is counted, and what comes after it passes`, async () => {
          const { a, b, port } = pairOf();
          const whole = makeTunnelDatagram({
            encapsulation,
            family,
            source: a.overlay[family],
            destination: b.overlay[family],
            mac: b.mac,
          });
          const payloads = Array.from({ length: whole.length }, (_, length) =>
            toHex(whole.subarray(0, length)),
          );
          const earlier = await b.counters();
          const local = a.underlay[underlay];
          await sendDatagrams(a, { local, remote: b.underlay[underlay], port, payloads });
          const drops = async (): Promise<number> => {
            const counters = await b.counters();
            const names = ['dropRxHeader', 'dropRxMalformed'];
            return names.reduce((sum, name) => sum + counters[name]! - earlier[name]!, 0);
          };
          await waitFor(
            'every one to be counted',
            async () => (await drops()) >= payloads.length,
            PATIENCE_MS,
          );
          assert.equal(await drops(), payloads.length);
          await assertAnswered(a, b.overlay[family]);
        });
      }
    });

function toHex(bytes: Buffer): string {
  return bytes.toString('hex');
}

function sendDatagrams(from: PathEnd, datagrams: DatagramsToSend): Promise<unknown> {
  const file = fileURLToPath(import.meta.resolve('./support/send-datagrams.js'));
  return from.run([process.execPath, file], { input: JSON.stringify(datagrams) });
}

/** Bytes by which the underlay becomes narrower than the device knows. */
const NARROWING_BYTES = 100;

for (const encapsulation of ENCAPSULATIONS)
  for (const underlay of FAMILIES)
    describe(`narrow underlay: ${encapsulation} over IPv${underlay}`, () => {
      const pairOf = usePair({ encapsulation, underlay, mtu: 1500 });
      before(async () => {
        const route = underlay === 4 ? '192.0.2.0/24 scope link src 192.0.2.1' : '2001:db8::/64 metric 256';
        const words = `${route} dev eth0 proto kernel mtu ${1500 - NARROWING_BYTES}`;
        await pairOf().a.ip([`route replace ${words}`]);
      });

      for (const family of FAMILIES) {
        it(`IPv${family}: a packet that must not be fragmented is told the MTU that passes`, async () => {
          const { a, b, mtu } = pairOf();
          const narrow = Math.max(mtu - NARROWING_BYTES, family === 6 ? 1280 : 0);
          const said = await ping(a, b.overlay[family], ...sizeOf(mtu, family));
          assert.match(
            said,
            new RegExp(`From ${a.overlay[family]}.*(?:Frag needed|too big).*mtu ?= ?${narrow}`),
          );
          await assertAnswered(a, b.overlay[family], ...sizeOf(narrow, family));
        });

        it(`IPv${family}: TCP finds its way`, () => assertIntact(pairOf(), family, 1_000_000));
      }

      it('IPv4: a packet that may be fragmented is, and arrives', async () => {
        const { a, b, mtu } = pairOf();
        const size = ['-M', 'dont', '-s', String(mtu - ECHO_OVERHEAD_BYTES[4])];
        // An address about which the kernel has not been told an MTU: else it fragments by itself.
        const untold = '10.5.2.7';
        await b.ip([`address add ${untold}/32 dev ${b.device}`]);
        const grown = await growth(a, () => assertAnswered(a, untold, ...size));
        assert.equal(grown['fragmented'], 1);
      });
    });

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
  describe(`both ways: ${name}`, () => {
    const pairOf = usePair(options);

    for (const family of FAMILIES) {
      it(`IPv${family}: TCP`, async () => {
        const pair = pairOf();
        const grown = await growth(pair.a, () => assertIntact(pair, family, 8_000_000));
        assert.ok(
          grown['txReads']! < grown['txPackets']!,
          `the device hands over super-packets: ${JSON.stringify(grown)}`,
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
