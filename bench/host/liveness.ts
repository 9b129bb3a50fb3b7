// What does it cost to know whether peers answer? A host of a cluster of N peers, all of which answer. Its processor time and
// packets of some rounds of echoes are counted, beside those of the same daemon that sends none. One echo is 36 bytes of ICMP
// and IP; with the outer headers of VXLAN 86.
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab } from '../../lab/lab.ts';
import { waitFor } from '../../lab/wait.ts';
import { openWriter, startTimed } from '../cluster/lab-programs.ts';
import { BENCH_CONFIG } from '../cluster/seed.ts';
import type { BenchResult, Metric } from '../metrics.ts';
import { answerForPeers, receiveElsewhere } from './answering-peers.ts';
import { withInstalled } from './installed.ts';
import { watchUsage } from './usage.ts';

const PEERS = [10, 1000, 10_000];
/** The default of --liveness-interval. */
const INTERVAL_SEC = 20;
/**
 * After a start the kernel is read in full after one and three minutes, give or take a tenth. The rounds are between these, when
 * the code is compiled.
 */
const SETTLE_MS = 75_000;
const ROUNDS = 4;
const DEADLINE_MS = 60_000;

export interface LivenessOptions {
  readonly peers: readonly number[];
}

/** `--peers`: some numbers, divided by commas. @throws Error */
export function parseLivenessOptions(args: readonly string[]): LivenessOptions {
  const { peers } = parseArgs({ args: [...args], options: { peers: { type: 'string' } } }).values;
  if (peers === undefined) return { peers: PEERS };
  const numbers = peers.split(',').map(Number);
  const isCount = (count: number): boolean => Number.isInteger(count) && count > 0 && count <= 32_768;
  if (!numbers.every(isCount)) throw new Error(`--peers has '${peers}': give numbers from 1 to 32768`);
  return { peers: numbers };
}

interface Sample {
  readonly processorMs: number;
  readonly packets: number;
  readonly wakeUps: number;
}

export async function benchLiveness(args: readonly string[], rounds = 1): Promise<BenchResult> {
  const metrics: Metric[] = [];
  for (const peers of parseLivenessOptions(args).peers) {
    const runs: { with: Sample; without: Sample }[] = [];
    for (let round = 0; round < rounds; round++)
      runs.push({
        without: await withInstalled((program) => measure(program, peers, 0)),
        with: await withInstalled((program) => measure(program, peers, INTERVAL_SEC)),
      });
    metrics.push(...metricsOf(peers, runs));
  }
  return {
    bench: 'liveness',
    invalidatedBy: 'echoes to 1,000 peers take more than 50 ms a minute, which leaves 10 of the idle budget',
    metrics,
  };
}

function metricsOf(peers: number, runs: readonly { with: Sample; without: Sample }[]): Metric[] {
  const name = `${peers} peers`;
  return [
    {
      name: `${name}: processor time of a minute's echoes`,
      unit: 'ms',
      runs: runs.map((each) => each.with.processorMs - each.without.processorMs),
      ...(peers === 1000 && { atMost: 50 }),
    },
    {
      name: `${name}: processor time of the same minute without`,
      unit: 'ms',
      runs: runs.map(({ without }) => without.processorMs),
    },
    {
      name: `${name}: packets sent in a minute`,
      unit: 'packets',
      runs: runs.map((each) => each.with.packets - each.without.packets),
    },
    {
      name: `${name}: wake-ups in a minute`,
      unit: 'times',
      runs: runs.map((each) => each.with.wakeUps - each.without.wakeUps),
    },
  ];
}

async function measure(program: string, peers: number, intervalSec: number): Promise<Sample> {
  const lab = await Lab.create({ name: `liveness-${process.pid}`, hosts: 2, start: false });
  try {
    await lab.startEtcd();
    await lab.putConfig(BENCH_CONFIG);
    const writer = openWriter(lab);
    await writer.send({ seed: peers });
    writer.end();
    const daemon = await startTimed(lab, program, ['--liveness-interval', `${intervalSec}s`]);
    await answerForPeers(lab);
    await receiveElsewhere(lab, daemon.times.pid);
    const settled = sleep(SETTLE_MS);
    if (intervalSec > 0) await waitUntilReachable(lab, peers);
    await settled;
    const sample = await watch(lab, daemon.times.pid);
    daemon.end();
    return sample;
  } finally {
    await lab.down();
  }
}

async function waitUntilReachable(lab: Lab, peers: number): Promise<void> {
  await waitFor(
    `${peers} peers to answer`,
    async () => (await lab.query('h1', statusCommand(lab))).stdout.includes(`"reachable":${peers},`),
    DEADLINE_MS,
  );
}

/** The socket's document as one line. */
function statusCommand(lab: Lab): string[] {
  return ['curl', '-s', '--unix-socket', lab.controlSocket('h1'), 'http://weft/v1/status'];
}

async function watch(lab: Lab, pid: number): Promise<Sample> {
  const file = `/proc/${lab.sandbox.pid}/root/proc/${pid}/task`;
  const before = await sentPackets(lab);
  const ms = ROUNDS * INTERVAL_SEC * 1000;
  const { processorMs, wakeUps } = await watchUsage(file, ms);
  const packets = (await sentPackets(lab)) - before;
  const perMinute = (count: number): number => (count * 60_000) / ms;
  return {
    processorMs: perMinute(processorMs),
    packets: perMinute(packets),
    wakeUps: perMinute(wakeUps),
  };
}

async function sentPackets(lab: Lab): Promise<number> {
  return Number(await lab.check('h1', ['cat', '/sys/class/net/flannel.1/statistics/tx_packets']));
}
