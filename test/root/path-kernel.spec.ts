// The kernel's share of the packet path: packets that no worker sees, between two weft ends, beside the kernel's own VXLAN, and
// beside an end that has workers only. Loading a BPF program takes the real root: test/in-namespaces.sh with AS_ROOT=1.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { waitFor } from '../../lab/wait.ts';
import { CHANGES_FAMILY } from '../support/kernel-features.ts';
import type { PathEnd } from '../support/path/path-host.ts';
import type { PathPair, PathPairOptions } from '../support/path/path-pair.ts';
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

const PATIENCE_MS = 10_000;
const tuning = { useBpf: true };

const PAIRS: readonly (PathPairOptions & { readonly name: string })[] = [
  ...ENCAPSULATIONS.flatMap((encapsulation) =>
    FAMILIES.flatMap((underlay) => [
      { name: `${encapsulation} over IPv${underlay}, frames as on a wire`, encapsulation, underlay },
      {
        name: `${encapsulation} over IPv${underlay}, super-packets`,
        encapsulation,
        underlay,
        hasOffloads: true,
      },
    ]),
  ),
  { name: "the kernel's VXLAN at b", encapsulation: 'vxlan', underlay: 4, kernelEnds: ['b'] },
  {
    name: "the kernel's VXLAN at b, super-packets",
    encapsulation: 'vxlan',
    underlay: 4,
    kernelEnds: ['b'],
    hasOffloads: true,
  },
  { name: 'workers only at b', encapsulation: 'udp', underlay: 4, workerEnds: ['b'] },
  {
    name: 'workers only at b, super-packets',
    encapsulation: 'udp',
    underlay: 4,
    workerEnds: ['b'],
    hasOffloads: true,
  },
  { name: 'MTU 9000', encapsulation: 'vxlan', underlay: 4, mtu: 9000 },
  { name: 'MTU 9000 over IPv6', encapsulation: 'udp', underlay: 6, mtu: 9000 },
  ...ENCAPSULATIONS.map((encapsulation) => ({
    name: `${encapsulation} by filters, as before Linux 6.6`,
    encapsulation,
    underlay: 4 as const,
    hasOffloads: true,
    tuning: { useBpf: true, avoidsBpfLinks: true },
  })),
];

for (const { name, ...options } of PAIRS)
  describe(`the kernel's share: ${name}`, () => {
    const pairOf = usePair({ tuning, ...options });

    for (const family of FAMILIES) {
      it(`carries TCP over IPv${family} in both directions, and workers see little of it`, async () => {
        const pair = pairOf();
        const grown = await growth(pair.a, () => assertIntact(pair, family, 8_000_000));
        assert.ok(grown['kernelTxPackets']! > grown['txPackets']! * 0.9, JSON.stringify(grown));
        if (options.kernelEnds !== undefined || options.workerEnds !== undefined) return;
        // The decapsulating device, which takes super-packets, needs no program that changes the family.
        const isTaken = CHANGES_FAMILY || family === options.underlay || options.hasOffloads === true;
        const { kernelRxPackets = 0, rxPackets = 0 } = grown;
        assert.ok(isTaken ? kernelRxPackets > rxPackets * 0.9 : kernelRxPackets === 0, JSON.stringify(grown));
      });

      it(`carries UDP over IPv${family} of every size, also in super-packets and fragments`, async () => {
        const pair = pairOf();
        const fitting = pair.mtu - ECHO_OVERHEAD_BYTES[family];
        const sendAll = async (from: PathEnd, to: PathEnd, port: number): Promise<void> => {
          const run = { largest: fitting, count: 1000, pps: 20_000, port };
          await assertDatagramsIntact(pair, from, to, family, run);
          const segmented = { ...run, smallest: 8, largest: Math.min(fitting, 2000), segments: 32 };
          await assertDatagramsIntact(pair, from, to, family, segmented);
          const large = { smallest: pair.mtu, largest: 60_000, count: 50, pps: 1000, port };
          await assertDatagramsIntact(pair, from, to, family, large);
        };
        await Promise.all([sendAll(pair.a, pair.b, 5000), sendAll(pair.b, pair.a, 5001)]);
      });
    }

    it('carries pings of every size around the MTU, of both families, and no worker has a part', async () => {
      const { a, b, families, mtu } = pairOf();
      for (const family of families) {
        await assertAnswered(a, b.overlay[family]);
        const grown = await growth(a, async () => {
          for (const bytes of [mtu - 1, mtu, 64])
            await assertAnswered(a, b.overlay[family], ...sizeOf(bytes, family));
        });
        assert.equal(grown['kernelTxPackets'], 3, JSON.stringify(grown));
      }
    });
  });

describe("the kernel's share over IPv6, without it at the other end", () => {
  for (const [what, other] of [
    ['workers', { encapsulation: 'udp', workerEnds: ['b'] }],
    ["the kernel's VXLAN", { encapsulation: 'vxlan', kernelEnds: ['b'] }],
  ] as const)
    describe(what, () => {
      const pairOf = usePair({ ...other, underlay: 6, hasOffloads: true, tuning });

      it('is nothing, as those need checksums, and all arrives intact', async () => {
        const pair = pairOf();
        for (const family of FAMILIES) {
          const grown = await growth(pair.a, () => assertIntact(pair, family, 4_000_000));
          assert.deepEqual([grown['kernelTxPackets'], grown['kernelRxPackets']], [0, 0]);
          await assertAnswered(pair.a, pair.b.overlay[family]);
        }
      });
    });
});

describe("the kernel's share: what a router owes in IPv6", () => {
  for (const underlay of FAMILIES)
    describe(`over IPv${underlay}`, () => {
      const pairOf = usePair({ encapsulation: 'udp', underlay, tuning });

      it('is left to the workers: hop limit, missing routes, packets too large', async () => {
        const { a, b } = pairOf();
        await assertAnswered(a, b.overlay[6]);
        const grown = await growth(a, async () => {
          assert.match(await ping(a, b.overlay[6], '-t', '1'), /Time exceeded: Hop limit/);
          await a.ip([`route add fd00:5:77::/64 dev ${a.device}`]);
          assert.match(await ping(a, 'fd00:5:77::1'), /No route/);
        });
        // Reports of multicast groups (MLD), which the kernel sends when it pleases, have no route either, or count as multicast.
        const unrouted = grown['dropTxNoRoute']!;
        assert.ok(unrouted >= 1, JSON.stringify(grown));
        assert.deepEqual(
          [grown['kernelTxPackets'], grown['dropTxTtl'], unrouted + grown['dropTxMulticast']!],
          [0, 1, grown['txReads']! - 1],
          JSON.stringify(grown),
        );
      });

      it('a hop limit that lasts is one less at the other end', async () => {
        const { a, b } = pairOf();
        const grown = await growth(b, () => assertAnswered(a, b.overlay[6], '-t', '2'));
        const isTaken = CHANGES_FAMILY || underlay === 6;
        assert.deepEqual([grown['kernelRxPackets'], grown['kernelTxPackets']], [isTaken ? 1 : 0, 1]);
        assert.match(await ping(a, b.overlay[6]), /ttl=63/);
      });

      it('a forged inner source is dropped, with the reason counted', async () => {
        const { a, b, port } = pairOf();
        const forged = await growth(b, async () => {
          await a.ip([`address add fd00:5:99::1/128 dev lo nodad`]);
          await a.run(['sh', '-c', `ping -n -c 1 -W 1 -I fd00:5:99::1 ${b.overlay[6]} || true`]);
          await a.ip([`address delete fd00:5:99::1/128 dev lo`]);
        });
        assert.deepEqual([forged['dropRxSource'], forged['kernelRxPackets']], [1, 0], String(port));
      });
    });
});

for (const encapsulation of ENCAPSULATIONS)
  describe(`the kernel's share of ${encapsulation} over IPv6`, () => {
    const pairOf = usePair({ encapsulation, underlay: 6, tuning });

    it('is counted with the rest, a packet once', async () => {
      const { a, b } = pairOf();
      await assertAnswered(a, b.overlay[6]);
      const pings = ['ping', '-q', '-n', '-c', '20', '-i', '0.01', b.overlay[6]];
      const grown = await growth(a, () => a.run(pings));
      const names = ['txPackets', 'rxPackets', 'kernelTxPackets', 'kernelRxPackets', 'txBytes', 'rxBytes'];
      assert.deepEqual(
        names.map((name) => grown[name]),
        [20, 20, 20, 20, 20 * 104, 20 * 104],
      );
    });

    it('follows the routes: gone, back, and a longer prefix that leads elsewhere', async () => {
      const { a, b, port } = pairOf();
      const whole = {
        destination: b.subnets[6],
        remote: b.underlay[6],
        port,
        acceptsZeroChecksum: true,
        ...(encapsulation === 'vxlan' && { mac: b.mac }),
      };
      await a.status({ removeRoute: whole.destination });
      assert.match(await ping(a, b.overlay[6]), /No route/);
      await a.status({ setRoute: whole });
      await assertAnswered(a, b.overlay[6]);
      const part = { ...whole, destination: b.subnets[6].replace('/64', '/126'), remote: '2001:db8::99' };
      await a.status({ setRoute: part });
      assert.doesNotMatch(await ping(a, b.overlay[6]), /1 received/);
      await a.status({ removeRoute: part.destination });
      const grown = await growth(a, () => assertAnswered(a, b.overlay[6]));
      assert.equal(grown['kernelTxPackets'], 1);
      await a.status({ setRoute: { ...whole, acceptsZeroChecksum: false } });
      const checked = await growth(a, () => assertAnswered(a, b.overlay[6]));
      assert.equal(checked['kernelTxPackets'], 0);
    });
  });

for (const encapsulation of ENCAPSULATIONS)
  describe(`the kernel's share of ${encapsulation}`, () => {
    const pairOf = usePair({ encapsulation, underlay: 4, tuning });

    it('is counted with the rest, a packet once', async () => {
      const { a, b } = pairOf();
      await assertAnswered(a, b.overlay[4]);
      const pings = ['ping', '-q', '-n', '-c', '20', '-i', '0.01', b.overlay[4]];
      const [bytes, names] = [20 * 84, ['txPackets', 'rxPackets', 'kernelTxPackets', 'kernelRxPackets']];
      const grown = await growth(a, () => a.run(pings));
      assert.deepEqual(
        [...names, 'txBytes', 'rxBytes'].map((name) => grown[name]),
        [20, 20, 20, 20, bytes, bytes],
      );
    });

    it('follows the routes: gone, back, and a longer prefix that leads elsewhere', async () => {
      const { a, b, port } = pairOf();
      const whole = {
        destination: b.subnets[4],
        remote: b.underlay[4],
        port,
        ...(encapsulation === 'vxlan' && { mac: b.mac }),
      };
      await a.status({ removeRoute: whole.destination });
      assert.match(await ping(a, b.overlay[4]), /Net Unreachable/);
      await a.status({ setRoute: whole });
      await assertAnswered(a, b.overlay[4]);
      const part = { ...whole, destination: '10.5.2.0/30', remote: '192.0.2.99' };
      await a.status({ setRoute: part });
      assert.doesNotMatch(await ping(a, b.overlay[4]), /1 received/);
      await a.status({ removeRoute: part.destination });
      const grown = await growth(a, () => assertAnswered(a, b.overlay[4]));
      assert.equal(grown['kernelTxPackets'], 1);
    });

    it('survives a re-created underlay interface', async () => {
      const pair = pairOf();
      await replaceUnderlay(pair);
      for (const end of [pair.a, pair.b])
        assert.equal((await end.status({ refresh: true })).bpfDisabledReason, '');
      await assertAnswered(pair.a, pair.b.overlay[4]);
      const grown = await growth(pair.b, () => assertAnswered(pair.a, pair.b.overlay[4]));
      assert.deepEqual([grown['kernelRxPackets'], grown['kernelTxPackets']], [1, 1]);
    });

    it('ends with its process, however that ends: the port is free for others', async () => {
      const { a, b, port } = pairOf();
      await b.close('SIGKILL');
      const listener = await b.start(
        ['socat', '-u', '-d', '-d', `UDP4-RECV:${port}`, 'STDOUT'],
        'starting data',
      );
      await a.run(['ping', '-q', '-n', '-c', '1', '-W', '1', b.overlay[4]]).catch(() => undefined);
      await waitFor('the bare datagram', () => listener.stdout.length > 0, PATIENCE_MS);
      await listener.stop();
    });
  });

async function replaceUnderlay({ a, b }: PathPair): Promise<void> {
  await a.ip(['link delete eth0', `link add eth0 type veth peer name eth0 netns ${b.netns}`]);
  for (const end of [a, b]) await end.ip([`address add ${end.underlay[4]}/24 dev eth0`, 'link set eth0 up']);
  await waitFor('the underlay', async () => /1 received/.test(await ping(a, b.underlay[4])), PATIENCE_MS);
}
