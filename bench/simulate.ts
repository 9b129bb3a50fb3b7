// How does a whole cluster grow? N hosts (simulated-host.ts) in two processes and one real etcd: all boot at once, one joins, one
// leaves, etcd is restarted, all daemons are restarted at once. Each is counted until the last host knows all others: requests
// to etcd, bytes from it, processor time. The exponent of growth is fitted to each. `--hosts 10,100,1000` chooses sizes.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { withEtcd, type BenchEtcd, type EtcdUsage } from './etcd.ts';
import { measuresOf, type Figure } from './figures.ts';
import { fitGrowth, formatGrowth } from './growth-fit.ts';
import { progress } from './progress.ts';
import type { PartRecord } from './record.ts';
import { median } from './statistics.ts';
import type { WorkerAnswer, WorkerCommand } from './simulate-worker.ts';

const WORKER = fileURLToPath(new URL('simulate-worker.js', import.meta.url));
const WORKERS = 2;
const DEFAULT_HOSTS = '10,30,100,300';
/** The network of benchmarks has 65,536 subnets, the simulated underlay 65,536 addresses. */
const MOST_HOSTS = 60_000;
const HEAP_MB = 8000;
/** What an exponent may be beyond the promised one before the promise counts as broken. */
const ALLOWANCE = 0.15;

const PHASES = ['cold start', 'one joins', 'one leaves', 'etcd restarted', 'all daemons restarted'] as const;
type Phase = (typeof PHASES)[number];

/** What one phase took in the whole cluster. */
interface Cost {
  readonly ms: number;
  readonly requests: number;
  /** To all hosts. */
  readonly bytes: number;
  readonly etcdProcessorMs: number;
  readonly hostsProcessorMs: number;
  readonly steps: number;
}

interface Sample {
  readonly costs: Readonly<Record<Phase, Cost>>;
  readonly databaseMb: number;
  readonly etcdMb: number;
  readonly hostsMb: number;
}

/** Most that each may grow with: hosts to the power of this. What each host must be told of each other is quadratic in sum. */
const PROMISES: readonly (readonly [Phase, 'requests' | 'bytes', number])[] = [
  ['cold start', 'requests', 1],
  ['cold start', 'bytes', 2],
  ['one joins', 'requests', 0],
  ['one joins', 'bytes', 1],
  ['etcd restarted', 'requests', 1],
  ['all daemons restarted', 'requests', 1],
  ['all daemons restarted', 'bytes', 2],
];

export async function benchSimulate(args: readonly string[], rounds = 1): Promise<PartRecord> {
  const sizes = parseSizes(args);
  const samples = new Map<number, Sample[]>(sizes.map((hosts) => [hosts, []]));
  for (let round = 0; round < rounds; round++)
    for (const hosts of sizes) {
      const sample = await withEtcd((etcd) => measure(etcd, hosts));
      samples.get(hosts)!.push(sample);
      const { ms, requests } = sample.costs['cold start'];
      progress(
        `  ${hosts} hosts: cold start ${(ms / 1000).toFixed(1)} s, ${(requests / hosts).toFixed(1)} requests a host`,
      );
    }
  return {
    part: 'simulate',
    falsifiedBy:
      'requests of a cold start or of a restart of all grow faster than the number of hosts, or those of one join grow at all',
    conditions: { workers: WORKERS },
    measures: measuresOf([...figuresOf(samples), ...(sizes.length > 1 ? growthOf(samples) : [])]),
  };
}

/** @throws Error naming the option and what it may be. */
export function parseSizes(args: readonly string[]): readonly number[] {
  const { hosts } = parseArgs({
    args: [...args],
    options: { hosts: { type: 'string', default: DEFAULT_HOSTS } },
  }).values;
  const sizes = [...new Set(hosts.split(',').map(Number))].toSorted((a, b) => a - b);
  if (sizes.every((size) => Number.isInteger(size) && size >= WORKERS && size <= MOST_HOSTS)) return sizes;
  throw new Error(`--hosts '${hosts}': give numbers from ${WORKERS} to ${MOST_HOSTS}, divided by commas`);
}

class Cluster {
  readonly #etcd: BenchEtcd;
  readonly #workers: readonly ChildProcess[];

  constructor(etcd: BenchEtcd) {
    this.#etcd = etcd;
    const options = { execArgv: [`--max-old-space-size=${HEAP_MB}`] };
    this.#workers = Array.from({ length: WORKERS }, () => fork(WORKER, options));
  }

  /** Gives each process its command (none: it is left alone), then waits until all hosts have so many peers. */
  async run(
    commands: readonly (WorkerCommand | undefined)[],
    peers: number,
  ): Promise<readonly WorkerAnswer[]> {
    const answers = await Promise.all(
      this.#workers.map(async (worker, index) => {
        const command = commands[index];
        const first = command && (await tell(worker, command));
        return sum([...(first ? [first] : []), await tell(worker, { do: 'await', peers })]);
      }),
    );
    return answers;
  }

  all(command: WorkerCommand): Promise<readonly WorkerAnswer[]> {
    return Promise.all(this.#workers.map((worker) => tell(worker, command)));
  }

  /** Counts what `act` takes; etcd's sums before are `before` if it was restarted meanwhile. */
  async cost(act: () => Promise<readonly WorkerAnswer[]>, isAnewEtcd = false): Promise<Cost> {
    const before = isAnewEtcd ? NOTHING : await this.#etcd.usage();
    const startMs = performance.now();
    const answers = await act();
    const ms = performance.now() - startMs;
    const after = await this.#etcd.usage();
    const { requests, steps, processorMs } = sum(answers);
    return {
      ms,
      requests,
      steps,
      bytes: after.sentBytes - before.sentBytes,
      etcdProcessorMs: (after.processorSec - before.processorSec) * 1000,
      hostsProcessorMs: processorMs,
    };
  }

  end(): void {
    for (const worker of this.#workers) worker.kill('SIGKILL');
  }
}

const NOTHING: EtcdUsage = {
  receivedBytes: 0,
  sentBytes: 0,
  processorSec: 0,
  residentBytes: 0,
  databaseBytes: 0,
};

async function tell(worker: ChildProcess, command: WorkerCommand): Promise<WorkerAnswer> {
  const answered = once(worker, 'message');
  const ended = once(worker, 'exit').then(([code]) => {
    throw new Error(
      `A process of simulated hosts ended (${String(code)}) while it was told to ${command.do}`,
    );
  });
  worker.send(command);
  return ((await Promise.race([answered, ended])) as [WorkerAnswer])[0];
}

function sum(answers: readonly WorkerAnswer[]): WorkerAnswer {
  const total = (pick: (answer: WorkerAnswer) => number) => answers.reduce((all, one) => all + pick(one), 0);
  return {
    requests: total(({ requests }) => requests),
    steps: total(({ steps }) => steps),
    processorMs: total(({ processorMs }) => processorMs),
    rssMb: total(({ rssMb }) => rssMb),
    subnets: answers.at(-1)?.subnets ?? [],
  };
}

async function measure(etcd: BenchEtcd, hosts: number): Promise<Sample> {
  const { url } = etcd;
  const cluster = new Cluster(etcd);
  try {
    const half = Math.floor(hosts / WORKERS);
    const boots: WorkerCommand[] = [
      { do: 'boot', url, from: 0, count: half },
      { do: 'boot', url, from: half, count: hosts - half },
    ];
    // Both processes run, before anything is timed.
    await cluster.all({ do: 'mark' });
    const coldStart = await cluster.cost(() => cluster.run(boots, hosts - 1));
    const join: WorkerCommand = { do: 'boot', url, from: hosts, count: 1 };
    const joins = await cluster.cost(() => cluster.run([undefined, join], hosts));
    const leaves = await cluster.cost(() => cluster.run([undefined, { do: 'leave' }], hosts - 1));
    await cluster.all({ do: 'mark' });
    await etcd.restart();
    const restartedEtcd = await cluster.cost(() => cluster.all({ do: 'reconnect' }), true);
    const restart: WorkerCommand = { do: 'restart' };
    const restarted = await cluster.cost(() => cluster.run([restart, restart], hosts - 1));
    const answers = await cluster.all({ do: 'mark' });
    checkSubnets(
      answers.flatMap(({ subnets }) => subnets),
      hosts,
    );
    const { databaseBytes, residentBytes } = await etcd.usage();
    return {
      costs: {
        'cold start': coldStart,
        'one joins': joins,
        'one leaves': leaves,
        'etcd restarted': restartedEtcd,
        'all daemons restarted': restarted,
      },
      databaseMb: databaseBytes / 1e6,
      etcdMb: residentBytes / 1e6,
      hostsMb: sum(answers).rssMb,
    };
  } finally {
    cluster.end();
  }
}

/** @throws Error if a host has none, or two have the same. */
function checkSubnets(subnets: readonly (string | undefined)[], hosts: number): void {
  const distinct = new Set(subnets.filter((subnet) => subnet !== undefined)).size;
  if (distinct !== hosts) throw new Error(`${hosts} hosts hold only ${distinct} distinct subnets`);
}

const UNITS: Readonly<Record<keyof Cost, string>> = {
  ms: 'ms',
  requests: 'RPCs',
  bytes: 'bytes',
  etcdProcessorMs: 'ms',
  hostsProcessorMs: 'ms',
  steps: 'steps',
};
const WORDS: Readonly<Record<keyof Cost, string>> = {
  ms: 'time',
  requests: 'requests',
  bytes: 'bytes from etcd',
  etcdProcessorMs: 'processor time of etcd',
  hostsProcessorMs: 'processor time of all hosts',
  steps: 'steps in all kernels',
};

function figuresOf(samples: ReadonlyMap<number, readonly Sample[]>): Figure[] {
  return [...samples].flatMap(([hosts, runs]): Figure[] => [
    ...PHASES.flatMap((phase) =>
      (Object.keys(UNITS) as (keyof Cost)[]).map((what) => ({
        name: `${hosts} hosts, ${phase}: ${WORDS[what]}`,
        unit: UNITS[what],
        runs: runs.map(({ costs }) => costs[phase][what]),
      })),
    ),
    { name: `${hosts} hosts: database of etcd`, unit: 'MB', runs: runs.map(({ databaseMb }) => databaseMb) },
    { name: `${hosts} hosts: memory of etcd`, unit: 'MB', runs: runs.map(({ etcdMb }) => etcdMb) },
    { name: `${hosts} hosts: memory of all hosts`, unit: 'MB', runs: runs.map(({ hostsMb }) => hostsMb) },
  ]);
}

function growthOf(samples: ReadonlyMap<number, readonly Sample[]>): Figure[] {
  return PROMISES.map(([phase, what, promised]) => {
    const points = [...samples].map(([hosts, runs]) => ({
      hosts,
      value: median(runs.map(({ costs }) => costs[phase][what])),
    }));
    const growth = fitGrowth(points);
    progress(`  ${phase}: ${WORDS[what]} grow as hosts ^ ${formatGrowth(growth)}`);
    const name = `${phase}: exponent of ${WORDS[what]}`;
    return { name, unit: '', runs: [growth.exponent], atMost: promised + ALLOWANCE };
  });
}
