// What does a daemon cost that has nothing to do? A host of a cluster of N peers, which are all in the kernel and answer its
// echoes; then nothing happens for almost three minutes, in which its processor time and wake-ups are counted over all of its
// threads. That covers one incremental registry check in it, which runs every five minutes. Then it lists registry and kernel in
// full, which an idle daemon does every ten minutes, and of the kernel alone: a tenth of that is counted to each minute. Both are
// too much rather than too little. In between its memory is read.
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab } from '../../lab/lab.ts';
import { openWriter, startTimed } from '../cluster/lab-programs.ts';
import { BENCH_CONFIG } from '../cluster/seed.ts';
import type { BenchResult, Metric } from '../metrics.ts';
import { answerForPeers, receiveElsewhere } from './answering-peers.ts';
import { withInstalled } from './installed.ts';
import { residentMegabytes } from './stopwatch.ts';
import { watchUsage, type Usage } from './usage.ts';

const PEERS = 1000;
/**
 * After a start the kernel is read in full after one, three and seven minutes, give or take a tenth, then every ten at the most,
 * and the registry after five at the most, then once in an hour.
 */
const SETTLE_MS = 465_000;
const WATCHED_MINUTES = 2.8;
const MINUTE_MS = 60_000;
const READING_MS = 5000;
const MINUTES_PER_READING = 10;
/** 0.1 % of a core. */
const LIMIT_MS = MINUTE_MS / 1000;

interface Sample {
  readonly quiet: Usage;
  readonly reading: Usage;
  readonly residentMb: number;
}

export async function benchIdle(rounds = 1): Promise<BenchResult> {
  const runs: Sample[] = [];
  for (let round = 0; round < rounds; round++) runs.push(await withInstalled(measure));
  const metrics: Metric[] = [
    {
      name: `${PEERS} peers: processor time of an idle minute`,
      unit: 'ms',
      runs: runs.map(
        ({ quiet, reading }) => perMinute(quiet.processorMs) + reading.processorMs / MINUTES_PER_READING,
      ),
      atMost: LIMIT_MS,
    },
    {
      name: `${PEERS} peers: of one reading of registry and kernel`,
      unit: 'ms',
      runs: runs.map(({ reading }) => reading.processorMs),
    },
    {
      name: `${PEERS} peers: wake-ups in an idle minute`,
      unit: 'times',
      runs: runs.map(({ quiet }) => perMinute(quiet.wakeUps)),
    },
    {
      name: `${PEERS} peers: memory of an idle daemon (VmRSS)`,
      unit: 'MB',
      runs: runs.map(({ residentMb }) => residentMb),
    },
  ];
  return { bench: 'idle', invalidatedBy: 'an idle minute takes more than 60 ms: 0.1 % of a core', metrics };
}

const perMinute = (count: number): number => count / WATCHED_MINUTES;

async function measure(program: string): Promise<Sample> {
  const lab = await Lab.create({ name: `idle-${process.pid}`, hosts: 2, start: false });
  try {
    await lab.startEtcd();
    await lab.putConfig(BENCH_CONFIG);
    const writer = openWriter(lab);
    await writer.send({ seed: PEERS });
    writer.end();
    const daemon = await startTimed(lab, program);
    const { pid } = daemon.times;
    await answerForPeers(lab);
    await receiveElsewhere(lab, pid);
    const processes = `/proc/${lab.sandbox.pid}/root/proc`;
    const tasks = `${processes}/${pid}/task`;
    await sleep(SETTLE_MS);
    const quiet = await watchUsage(tasks, WATCHED_MINUTES * MINUTE_MS);
    const residentMb = residentMegabytes(processes, pid);
    await lab.check('h1', ['kill', '-HUP', String(pid)]);
    const reading = await watchUsage(tasks, READING_MS);
    daemon.end();
    return { quiet, reading, residentMb };
  } finally {
    await lab.down();
  }
}
