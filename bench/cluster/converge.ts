// How fast does a host catch up with a cluster? N peer leases wait in etcd; a daemon starts; measured until the last
// entry is in the kernel, beside `ip -batch` and `bridge -batch` making the same entries on the host next to it. Then
// one more host joins. Then the daemon's memory. Processor time is that of the daemon until it is ready.
import { Lab } from '../../lab/lab.ts';
import { runBaseline } from './baseline.ts';
import { openWriter, startTimed, type Writer } from './lab-programs.ts';
import { openMonitor } from './route-monitor.ts';
import { BENCH_CONFIG, fakePeer } from './seed.ts';
import type { BenchResult, Metric } from '../metrics.ts';
import { withInstalled } from '../host/installed.ts';
import { median } from '../statistics.ts';
import { residentMegabytes, type StartTimes } from '../host/stopwatch.ts';

const JOINS = 5;
/** Threshold of a start: twice the time of the baseline plus this. */
const START_ALLOWANCE_MS = 500;
const RSS_LIMIT_MB: Readonly<Record<number, number>> = { 3: 58, 1000: 66, 10000: 100 };

/** One measurement of N peers. */
interface Sample {
  readonly times: StartTimes;
  readonly baselineMs: number;
  readonly changes: Changes;
  readonly rssMb: number;
}

export async function benchConverge(
  peers: readonly number[] = [3, 100, 1000, 10000],
  rounds = 3,
): Promise<BenchResult> {
  const metrics = await withInstalled((program) => measureAll(program, peers, rounds));
  return {
    bench: 'converge',
    invalidatedBy:
      'at 10,000 peers a start takes more than twice ip -batch plus 0.5 s, or one join more than 50 ms',
    metrics,
  };
}

async function measureAll(program: string, peers: readonly number[], rounds: number): Promise<Metric[]> {
  const [fewest = 3] = peers;
  const first = await measure(program, fewest);
  const metrics: Metric[] = [
    {
      name: 'first start of an installation: process start to lease',
      unit: 'ms',
      runs: [first.times.leasedMs],
    },
  ];
  for (const count of peers) {
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round++) samples.push(await measure(program, count));
    metrics.push(...metricsOf(count, samples));
  }
  return metrics;
}

function metricsOf(count: number, samples: readonly Sample[]): Metric[] {
  const baseline = samples.map((sample) => sample.baselineMs);
  const ready = samples.map((sample) => sample.times.readyMs);
  const peers = `${count} peers`;
  return [
    {
      name: `${peers}: process start to lease`,
      unit: 'ms',
      runs: samples.map((sample) => sample.times.leasedMs),
    },
    {
      name: `${peers}: process start to last entry`,
      unit: 'ms',
      runs: ready,
      ...(count === 10000 ? { atMost: 2 * median(baseline) + START_ALLOWANCE_MS } : {}),
    },
    { name: `${peers}: ip -batch and bridge -batch`, unit: 'ms', runs: baseline, isCompetitor: true },
    {
      name: `${peers}: start ÷ batch`,
      unit: 'ratio',
      runs: samples.map((sample) => sample.times.readyMs / sample.baselineMs),
    },
    {
      name: `${peers}: processor time of the start, user`,
      unit: 'ms',
      runs: samples.map(({ times }) => times.userMs),
    },
    {
      name: `${peers}: processor time of the start, system`,
      unit: 'ms',
      runs: samples.map(({ times }) => times.systemMs),
    },
    {
      name: `${peers}: one more joins`,
      unit: 'ms',
      runs: samples.flatMap(({ changes }) => changes.joinMs),
      atMost: 50,
    },
    {
      name: `${peers}: one leaves`,
      unit: 'ms',
      runs: samples.flatMap(({ changes }) => changes.leaveMs),
      atMost: 100,
    },
    {
      name: `${peers}: resident memory`,
      unit: 'MB',
      runs: samples.map((sample) => sample.rssMb),
      ...limitOf(count),
    },
  ];
}

function limitOf(count: number): { readonly atMost?: number } {
  const limit = RSS_LIMIT_MB[count];
  return limit === undefined ? {} : { atMost: limit };
}

/** One fresh lab: `h1` runs the daemon, `h2` the baseline. */
async function measure(program: string, count: number): Promise<Sample> {
  const lab = await Lab.create({ name: `bench-${process.pid}`, hosts: 2, bare: ['h2'], start: false });
  try {
    await lab.startEtcd();
    await lab.putConfig(BENCH_CONFIG);
    const writer = openWriter(lab);
    await writer.send({ seed: count });
    const baselineMs = await runBaseline(lab, count);
    const daemon = await startTimed(lab, program);
    const changes = await measureChanges(lab, writer, count);
    const rssMb = residentMegabytes(`/proc/${lab.sandbox.pid}/root/proc`, daemon.times.pid);
    daemon.end();
    writer.end();
    return { times: daemon.times, baselineMs, changes, rssMb };
  } finally {
    await lab.down();
  }
}

/** ms from the request to write or delete a lease to its route, last of its entries, coming or going. */
interface Changes {
  readonly joinMs: readonly number[];
  readonly leaveMs: readonly number[];
}

/** {@link JOINS} hosts join one after another, then leave. */
async function measureChanges(lab: Lab, writer: Writer, firstIndex: number): Promise<Changes> {
  const monitor = await openMonitor(lab);
  const indexes = Array.from({ length: JOINS }, (_, offset) => firstIndex + offset);
  const joinMs: number[] = [];
  const leaveMs: number[] = [];
  const time = (command: object, line: string): Promise<number> => monitor.timeOf(writer, command, line);
  for (const index of indexes) joinMs.push(await time({ put: index }, `${fakePeer(index).subnet}/24`));
  for (const index of indexes)
    leaveMs.push(await time({ delete: index }, `Deleted ${fakePeer(index).subnet}/24`));
  monitor.end();
  return { joinMs, leaveMs };
}
