// What does the Kubernetes API cost as registry, beside etcd? N nodes of 14 KB wait in a real kube-apiserver; a daemon
// starts; measured until the last peer is in the kernel, with its memory, beside the same start with etcd. Then kubelets
// report: bytes that arrive at the daemon, beside those at an informer that watches whole nodes. `--nodes 1000,5000` chooses
// sizes.
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { apiServerProgram } from '../../lab/kubernetes/api-server.ts';
import { realServer } from '../../lab/kubernetes/lab-api-server.ts';
import { Lab } from '../../lab/lab.ts';
import { withInstalled } from '../host/installed.ts';
import { residentMegabytes, type StartTimes } from '../host/stopwatch.ts';
import { recordOf, type Metric } from '../metrics.ts';
import type { BenchmarkRecord } from '../record.ts';
import { median } from '../statistics.ts';
import { openNodeWriter, openWatcher, openWriter, startTimed } from './lab-programs.ts';
import { BENCH_CONFIG } from './seed.ts';

const NODES = '1000,5000';
/** Simulated nodes have addresses and subnets of 10.0.0.0/8. */
const MOST_NODES = 10_000;
/** A Node object changes once in about five minutes where nothing happens. */
const CHANGES_PER_MINUTE = 0.2;
const HEARTBEATS = 500;
/** Segments that arrive late, of heartbeats that were acknowledged. */
const DRAIN_MS = 2000;
/** The memory of a start is given back soon after it. */
const REST_MS = 3000;
const MOST_MORE_MB = 20;
const MOST_OF_FULL_WATCH = 1 / 3;

interface Start {
  readonly times: StartTimes;
  readonly rssMb: number;
}

interface Sample extends Start {
  readonly etcd: Start;
  /** Processor time of the API server while the daemon starts, in ms. */
  readonly serverMs: number;
  /** Bytes for one change of a node. */
  readonly ownBytes: number;
  readonly fullBytes: number;
}

const INVALIDATED_BY =
  'at 1,000 nodes the daemon takes more than 20 MB over what it takes with etcd, or at rest more than a third of the bytes of a full watch arrive';

export async function benchKubernetes(args: readonly string[], rounds = 1): Promise<BenchmarkRecord> {
  const counts = parseNodes(args);
  const missing = missingProgram();
  if (missing !== undefined) return failed(missing);
  const metrics: Metric[] = [];
  for (const count of counts) {
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round++)
      samples.push(await withInstalled((program) => measure(program, count)));
    metrics.push(...metricsOf(count, samples));
  }
  return recordOf({ bench: 'kubernetes', invalidatedBy: INVALIDATED_BY, metrics });
}

function parseNodes(args: readonly string[]): readonly number[] {
  const { nodes } = parseArgs({
    args: [...args],
    options: { nodes: { type: 'string', default: NODES } },
  }).values;
  const counts = nodes.split(',').map(Number);
  if (counts.every((count) => Number.isInteger(count) && count >= 1 && count <= MOST_NODES)) return counts;
  throw new Error(`--nodes '${nodes}': give numbers from 1 to ${MOST_NODES}, divided by commas`);
}

function missingProgram(): string | undefined {
  try {
    apiServerProgram();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Machines without kube-apiserver measure all else. */
function failed(failure: string): BenchmarkRecord {
  const subjects = [{ name: 'weft', rounds: [null], failure }];
  const measures = [{ name: 'start to last peer', unit: 'ms', better: 'less', subjects }] as const;
  return { benchmark: 'kubernetes', invalidatedBy: INVALIDATED_BY, conditions: {}, measures };
}

function metricsOf(count: number, samples: readonly Sample[]): Metric[] {
  const of = (value: (sample: Sample) => number): number[] => samples.map(value);
  const etcdMb = median(of(({ etcd }) => etcd.rssMb));
  const perMinute = (bytes: number): number => bytes * CHANGES_PER_MINUTE;
  const nodes = `${count} nodes`;
  return [
    { name: `${nodes}: start to last peer`, unit: 'ms', runs: of(({ times }) => times.readyMs) },
    {
      name: `${nodes}: start to last peer, etcd`,
      unit: 'ms',
      runs: of(({ etcd }) => etcd.times.readyMs),
      better: 'neither',
    },
    {
      name: `${nodes}: resident memory`,
      unit: 'MB',
      runs: of(({ rssMb }) => rssMb),
      ...(count === 1000 && { atMost: etcdMb + MOST_MORE_MB }),
    },
    {
      name: `${nodes}: resident memory, etcd`,
      unit: 'MB',
      runs: of(({ etcd }) => etcd.rssMb),
      better: 'neither',
    },
    {
      name: `${nodes}: bytes a node and minute at rest`,
      unit: 'bytes',
      runs: of(({ ownBytes }) => perMinute(ownBytes)),
    },
    {
      name: `${nodes}: bytes a node and minute at rest, full watch`,
      unit: 'bytes',
      runs: of(({ fullBytes }) => perMinute(fullBytes)),
      better: 'neither',
    },
    {
      name: `${nodes}: bytes at rest ÷ full watch`,
      unit: 'ratio',
      runs: of(({ fullBytes, ownBytes }) => ownBytes / fullBytes),
      atMost: MOST_OF_FULL_WATCH,
    },
    {
      name: `${nodes}: processor time of the API server for a start`,
      unit: 'ms',
      runs: of(({ serverMs }) => serverMs),
    },
  ];
}

async function measure(program: string, count: number): Promise<Sample> {
  const etcd = await withLab((lab) => startWithEtcd(lab, program, count));
  const kubernetes = await withLab((lab) => startWithKubernetes(lab, program, count));
  return { ...kubernetes, etcd };
}

async function withLab<Result>(use: (lab: Lab) => Promise<Result>): Promise<Result> {
  const lab = await Lab.create({ name: `bench-${process.pid}`, hosts: 2, bare: ['h2'], start: false });
  try {
    return await use(lab);
  } finally {
    await lab.down();
  }
}

async function startWithEtcd(lab: Lab, program: string, count: number): Promise<Start> {
  await lab.startEtcd();
  await lab.putConfig(BENCH_CONFIG);
  const writer = openWriter(lab);
  await writer.send({ seed: count });
  writer.end();
  const { end, times } = await startTimed(lab, program);
  await sleep(REST_MS);
  const rssMb = memoryOf(lab, times.pid);
  end();
  return { times, rssMb };
}

async function startWithKubernetes(lab: Lab, program: string, count: number): Promise<Omit<Sample, 'etcd'>> {
  const server = realServer(lab);
  await server.start();
  const writer = openNodeWriter(lab, server);
  await writer.send({ seed: count, own: 'h1' });
  const config = '/run/net-conf.json';
  await lab.check('h1', ['sh', '-c', `cat > ${config}`], { input: BENCH_CONFIG });
  const flags = ['--kube-subnet-mgr', `--net-config-path=${config}`, ...server.daemonFlags];
  const serverPid = Number(await lab.check('etcd', ['pgrep', '-n', 'kube-apiserver']));
  const before = processorMs(lab, serverPid);
  const { end, times } = await startTimed(lab, program, flags, ['env', 'NODE_NAME=h1']);
  const serverMs = processorMs(lab, serverPid) - before;
  await sleep(REST_MS);
  const rssMb = memoryOf(lab, times.pid);
  const watcher = await openWatcher(lab, server);
  // The watch of the daemon has begun by then, and the server has no other work.
  await sleep(DRAIN_MS);
  const [ownBefore, fullBefore] = await bytesOf(lab);
  await writer.send({ heartbeats: Math.min(HEARTBEATS, count) });
  await sleep(DRAIN_MS);
  const [own, full] = await bytesOf(lab);
  const perChange = (bytes: number): number => bytes / Math.min(HEARTBEATS, count);
  watcher.end();
  writer.end();
  end();
  return {
    times,
    rssMb,
    serverMs,
    ownBytes: perChange(own - ownBefore),
    fullBytes: perChange(full - fullBefore),
  };
}

/** Bytes that arrived at `h1`, which runs the daemon, and at `h2`, with headers of all layers. */
async function bytesOf(lab: Lab): Promise<readonly [number, number]> {
  const read = async (name: string): Promise<number> => {
    const rows = JSON.parse(await lab.check(name, ['ip', '-j', '-s', 'link', 'show', 'eth0'])) as {
      stats64: { rx: { bytes: number } };
    }[];
    return rows[0]!.stats64.rx.bytes;
  };
  return [await read('h1'), await read('h2')];
}

function processes(lab: Lab): string {
  return `/proc/${lab.sandbox.pid}/root/proc`;
}

function memoryOf(lab: Lab, pid: number): number {
  return residentMegabytes(processes(lab), pid);
}

/** Of all threads, ended ones too; in ticks of 10 ms. */
function processorMs(lab: Lab, pid: number): number {
  const fields = readFileSync(`${processes(lab)}/${pid}/stat`, 'utf8')
    .split(') ')[1]!
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
