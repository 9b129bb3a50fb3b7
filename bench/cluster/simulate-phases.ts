// What a simulated cluster goes through, one phase after another, each counted until the last host has all others as peers.
import { setTimeout } from 'node:timers/promises';
import type { BenchEtcd } from './etcd.ts';
import { Cluster, sum, WORKERS, type Cost } from './simulate-cluster.ts';
import type { WorkerAnswer, WorkerCommand } from './simulate-worker.ts';

export const PHASES = [
  'cold start',
  'one joins',
  'one leaves',
  'churn',
  'etcd restarted',
  'all daemons restarted',
] as const;
export type Phase = (typeof PHASES)[number];

/** How long hosts come and go. */
export const CHURN_SEC = 5;
/** Of all hosts, every second. */
const CHURN_SHARE = 0.01;

export interface Sample {
  readonly costs: Readonly<Record<Phase, Cost>>;
  readonly databaseMb: number;
  readonly etcdMb: number;
  readonly hostsMb: number;
}

export async function measure(etcd: BenchEtcd, hosts: number): Promise<Sample> {
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
    const churn = await measureChurn(cluster, etcd, hosts);
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
        churn,
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

/** One in a hundred hosts leaves and another joins each second; the time is that from the start of the last second until all are up to date. */
async function measureChurn(cluster: Cluster, etcd: BenchEtcd, hosts: number): Promise<Cost> {
  const each = Math.max(1, Math.round(hosts * CHURN_SHARE));
  const shares = [Math.floor(each / WORKERS), Math.ceil(each / WORKERS)];
  let lastMs = 0;
  const cost = await cluster.cost(async () => {
    const answers: WorkerAnswer[] = [];
    const startMs = performance.now();
    for (let second = 0; second < CHURN_SEC; second++) {
      await setTimeout(Math.max(0, startMs + second * 1000 - performance.now()));
      if (second === CHURN_SEC - 1) lastMs = performance.now() - startMs;
      // One more index than hosts is in use, by the one that joined and left.
      const from = hosts + 1 + second * each;
      const commands = [
        { do: 'churn', from, count: shares[0]! },
        { do: 'churn', from: from + shares[0]!, count: shares[1]! },
      ] as const;
      answers.push(...(await cluster.each(commands)));
    }
    const { revision } = await etcd.usage();
    return [...answers, ...(await cluster.all({ do: 'await', peers: hosts - 1, revision }))];
  });
  return { ...cost, ms: cost.ms - lastMs };
}

/** @throws Error if a host has none, or two have the same. */
function checkSubnets(subnets: readonly (string | undefined)[], hosts: number): void {
  const distinct = new Set(subnets.filter((subnet) => subnet !== undefined)).size;
  if (distinct !== hosts) throw new Error(`${hosts} hosts hold only ${distinct} distinct subnets`);
}
