// What no harm to frames on the underlay may do: make the packet path deliver a wrong byte, or lose count. TCP and UDP, IPv4 and
// IPv6 at once, through a middle that damages frames in every form that the outer checksum does not detect. One suite runs it
// with workers alone, another with BPF programs before them.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import type { Family } from '../../../lib/address.ts';
import { run } from '../../../bench/path/path-process.ts';
import { checkTcp, checkUdp, startImpairment } from './impairment.ts';
import type { Harm, HarmCounters, TcpReport, UdpReport } from './impairment.ts';
import type { PathEnd } from './path-host.ts';
import { MIDDLE, PathPair, type PathPairOptions } from './path-pair.ts';
import { parseLinkDrops } from './proc-net.ts';

const LONG_GIB = Number(process.env['PATH_INTEGRITY_GIB'] ?? 0);

interface Case {
  readonly name: string;
  readonly harm: Harm;
  /** Counters of the path, one of which must show the damage. */
  readonly counters?: readonly string[];
  /** Counters of the receiver's kernel, one of which must. */
  readonly kernelCounters?: readonly string[];
}

/** Kernel counters of inner checksum errors: the path must preserve such errors. */
const CHECKSUM_ERRORS = ['TcpInCsumErrors', 'UdpInCsumErrors', 'Udp6InCsumErrors'];

const CASES: readonly Case[] = [
  { name: 'no harm', harm: {} },
  { name: 'loss, duplicates and reordering', harm: { loss: 0.005, duplicate: 0.02, reorder: 0.02, hold: 5 } },
  {
    name: 'truncated datagrams',
    harm: { truncate: 0.01 },
    counters: ['dropRxMalformed', 'dropRxHeader'],
  },
  { name: 'corrupted inner packets', harm: { corrupt: 0.01 }, kernelCounters: CHECKSUM_ERRORS },
  {
    name: 'corrupted inner packets with wrong outer checksums',
    harm: { corrupt: 0.01, breakChecksum: true },
  },
  {
    name: 'corrupted first bytes of datagrams',
    harm: { corruptHead: 0.02 },
    counters: ['dropRxHeader', 'dropRxVni', 'dropRxMac', 'dropRxNotIp', 'dropRxMalformed', 'dropRxSource'],
  },
  { name: 'congestion marks', harm: { congest: 0.05 }, counters: ['dropRxEcn'] },
  { name: 'an outer TTL of 1', harm: { lowTtl: 1 } },
  {
    name: 'all of it at once',
    harm: {
      loss: 0.002,
      duplicate: 0.01,
      reorder: 0.01,
      truncate: 0.004,
      corrupt: 0.004,
      corruptHead: 0.004,
    },
    counters: ['dropRxMalformed', 'dropRxHeader'],
  },
];

export type IntegrityPair = PathPairOptions & { readonly name: string };

/** Of a suite. */
const PAIRS = 5;
/** A TCP flow, of three in a run. */
const TCP_BYTES = LONG_GIB > 0 ? Math.ceil((LONG_GIB * 2 ** 30) / (PAIRS * CASES.length * 3)) : 2 << 20;
const DATAGRAMS = LONG_GIB > 0 ? 100_000 : 5000;
const DATAGRAMS_PER_SEC = 15_000;

interface Flows {
  readonly tcp: readonly TcpReport[];
  readonly udp: readonly UdpReport[];
}

/** Everything at once: that is when packets of several flows stand between those of one. */
async function runFlows({ a, b, mtu }: PathPair): Promise<Flows> {
  const tcp = async (family: Family, isBidirectional: boolean) => {
    const options = {
      bytes: TCP_BYTES,
      isBidirectional,
      isCubic: family === 4,
      seed: family,
      port: 5000 + family,
    };
    const { client, server } = await checkTcp(a, b, b.overlay[family], options);
    return [client, server];
  };
  const udp = (family: Family) => {
    // Every second size is too large for one packet.
    const sizes = { smallest: 1, largest: 2 * mtu, pps: DATAGRAMS_PER_SEC };
    return checkUdp(a, b, b.overlay[family], {
      count: DATAGRAMS,
      ...sizes,
      seed: family,
      port: 6000 + family,
    });
  };
  const [tcp4, tcp6, udp4, udp6] = await Promise.all([tcp(4, true), tcp(6, false), udp(4), udp(6)]);
  return { tcp: [...tcp4, ...tcp6], udp: [udp4, udp6] };
}

function assertRight({ tcp, udp }: Flows): void {
  for (const report of tcp) assert.ok(report.isComplete, JSON.stringify(report));
  for (const report of udp) {
    assert.equal(report.wrong, 0, JSON.stringify(report));
    assert.ok(report.received > DATAGRAMS / 20, JSON.stringify(report));
  }
}

type Counts = Readonly<Record<string, number>>;

/** Packets received at each weft end, by outcome. */
async function readAllCounts(ends: readonly PathEnd[], port: number): Promise<readonly Counts[]> {
  const links = await run(['ip', 'netns', 'exec', MIDDLE, 'cat', '/proc/net/dev']);
  return Promise.all(ends.map((end) => readCounts(end, port, links)));
}

/** `links`: /proc/net/dev of the middle. */
async function readCounts(end: PathEnd, port: number, links: string): Promise<Counts> {
  const { counters } = await end.status();
  const kernel = await end.kernelCounters();
  return {
    ...counters,
    ...Object.fromEntries(CHECKSUM_ERRORS.map((name) => [name, kernel[name] ?? 0])),
    socketDrops: await end.socketDrops(port),
    linkDrops: parseLinkDrops(links, end.name === 'a' ? 'left' : 'right'),
  };
}

function difference(before_: Counts, after_: Counts): Counts {
  return Object.fromEntries(
    Object.entries(after_).map(([name, value]) => [name, value - (before_[name] ?? 0)]),
  );
}

/** Each datagram that the middle sent on is counted once: delivered, or under the reason why not. */
function assertAccounted(counts: Counts, sent: HarmCounters, { breakChecksum = false }: Harm): void {
  const names = Object.keys(counts).filter((name) =>
    /^(?:rxPackets|dropRx.*|socketDrops|linkDrops)$/.test(name),
  );
  const accounted = names.reduce((sum, name) => sum + counts[name]!, 0);
  const missing = sent.matched - sent.lost + sent.duplicated - sent.refused - accounted;
  // The kernel does not count every datagram with a wrong checksum as a drop of its socket.
  const mayBeMissing = breakChecksum ? sent.corrupted : 0;
  assert.ok(missing >= 0 && missing <= mayBeMissing, JSON.stringify({ missing, counts, sent }));
}

function assertCounted(names: readonly string[] | undefined, counts: Counts): void {
  if (names === undefined) return;
  assert.ok(
    names.some((name) => counts[name]! > 0),
    `none of ${names.join(', ')} in ${JSON.stringify(counts)}`,
  );
}

/** Where no packet is harmed almost none needs a worker; damage does. */
function assertByBpf(counts: Counts, harm: Harm): void {
  const least = Object.keys(harm).length === 0 ? 0.9 : 0.5;
  for (const [all, kernel] of [
    ['txPackets', 'kernelTxPackets'],
    ['rxPackets', 'kernelRxPackets'],
  ] as const)
    assert.ok(counts[kernel]! > counts[all]! * least, JSON.stringify({ kernel, counts }));
}

/** `usesBpf`: BPF programs must have taken most packets, in both directions. */
export function describeIntegrity({ name, ...options }: IntegrityPair, { usesBpf = false } = {}): void {
  describe(`integrity: ${name}`, function () {
    this.timeout(LONG_GIB > 0 ? 0 : 60_000);
    let pair: PathPair | undefined;
    before(async () => (pair = await PathPair.create({ ...options, hasMiddle: true })));
    after(async () => pair?.close());
    let impairment: Awaited<ReturnType<typeof startImpairment>> | undefined;
    afterEach(async () => impairment?.stop());

    for (const { name: title, harm, counters, kernelCounters } of CASES)
      it(title, async () => {
        const ends = [pair!.a, pair!.b].filter((end) => !end.isKernel);
        const read = () => readAllCounts(ends, pair!.port);
        const earlier = await read();
        impairment = await startImpairment(pair!, harm);
        const flows = await runFlows(pair!);
        const report = await impairment.stop();
        impairment = undefined;
        const later = await read();
        assertRight(flows);
        assert.equal(
          report.forward.superFrames + report.backward.superFrames,
          0,
          'super-frames in the middle',
        );
        for (const [index, end] of ends.entries()) {
          const counts = difference(earlier[index]!, later[index]!);
          assertAccounted(counts, end.name === 'a' ? report.backward : report.forward, harm);
          if (usesBpf) assertByBpf(counts, harm);
          if (end.name === 'b') assertCounted(counters, counts);
          if (end.name === 'b') assertCounted(kernelCounters, counts);
        }
      });

    it('congestion marks reach a TCP that understands them', async () => {
      const { a, b } = pair!;
      // A SYN that is late is sent again without ECN otherwise (RFC 3168, section 6.1.1.1).
      const settings = 'cd /proc/sys/net/ipv4; echo 1 >tcp_ecn; echo 0 >tcp_ecn_fallback';
      for (const end of [a, b]) await end.run(['sh', '-c', settings]);
      impairment = await startImpairment(pair!, { congest: 0.05, oneSided: true });
      for (const family of [4, 6] as const) {
        const earlier = await a.kernelCounter('TcpExtTCPDeliveredCE');
        const { client, server } = await checkTcp(a, b, b.overlay[family], { bytes: TCP_BYTES });
        assert.ok(client.isComplete && server.isComplete, JSON.stringify({ client, server }));
        assert.ok((await a.kernelCounter('TcpExtTCPDeliveredCE')) > earlier, `IPv${family}`);
      }
    });
  });
}
