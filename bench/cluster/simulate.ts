// How does a whole cluster grow? N hosts (simulated-host.ts) in two processes and one real etcd: all boot at once, one joins, one
// leaves, one in a hundred goes and comes each second, etcd is restarted, all daemons are restarted at once. Each is counted until the last host has all others as peers: requests
// to etcd, bytes from it, processor time. The exponent of growth is fitted to each. `--hosts 10,100,1000` chooses sizes.
import { parseArgs } from 'node:util';
import { withEtcd } from './etcd.ts';
import { measuresOf, type Metric } from '../metrics.ts';
import { fitGrowth, formatGrowth } from './growth-fit.ts';
import { progress } from '../progress.ts';
import type { BenchmarkRecord } from '../record.ts';
import { WORKERS, type Cost } from './simulate-cluster.ts';
import { CHURN_SEC, measure, PHASES, type Phase, type Sample } from './simulate-phases.ts';
import { median } from '../statistics.ts';

const DEFAULT_HOSTS = '10,30,100,300';
/** The network of benchmarks has 65,536 subnets, the simulated underlay 65,536 addresses. */
const MOST_HOSTS = 60_000;
/** What an exponent may be beyond the maxExponent one before the threshold counts as broken. */
const ALLOWANCE = 0.15;

/** What is fitted. */
interface Fit {
  readonly phase: Phase;
  readonly what: keyof Cost;
  /** Threshold: growth of at most hosts to the power of this; unset: only shown. */
  readonly maxExponent?: number;
}

/** Notifications of each host about each other are quadratic in sum. */
const FITS: readonly Fit[] = [
  { phase: 'cold start', what: 'requests', maxExponent: 1 },
  { phase: 'cold start', what: 'bytes', maxExponent: 2 },
  { phase: 'cold start', what: 'hostsProcessorMs' },
  { phase: 'cold start', what: 'etcdProcessorMs' },
  { phase: 'one joins', what: 'requests', maxExponent: 0 },
  { phase: 'one joins', what: 'bytes', maxExponent: 1 },
  { phase: 'churn', what: 'requests', maxExponent: 1 },
  { phase: 'churn', what: 'bytes', maxExponent: 2 },
  { phase: 'churn', what: 'hostsProcessorMs' },
  { phase: 'etcd restarted', what: 'requests', maxExponent: 1 },
  { phase: 'all daemons restarted', what: 'requests', maxExponent: 1 },
  { phase: 'all daemons restarted', what: 'bytes', maxExponent: 2 },
  { phase: 'all daemons restarted', what: 'hostsProcessorMs' },
];
/** Of fewer hosts one in a hundred is less than one. */
const LEAST_CHURNING = 100;

export async function benchSimulate(args: readonly string[], rounds = 1): Promise<BenchmarkRecord> {
  const sizes = parseSizes(args);
  const samples = new Map<number, Sample[]>(sizes.map((hosts) => [hosts, []]));
  for (let round = 0; round < rounds; round++)
    for (const hosts of sizes) {
      const sample = await withEtcd((etcd) => measure(etcd, hosts));
      samples.get(hosts)!.push(sample);
      progress(`  ${hosts} hosts: ${formatSample(sample, hosts)}`);
    }
  return {
    benchmark: 'simulate',
    invalidatedBy:
      'requests of a cold start or of a restart of all grow faster than the number of hosts, or those of one join grow at all',
    conditions: { workers: WORKERS, 'churn s': CHURN_SEC },
    measures: measuresOf([...metricsOf(samples), ...(sizes.length > 1 ? growthOf(samples) : [])]),
  };
}

function formatSample({ costs }: Sample, hosts: number): string {
  const times = PHASES.map((phase) => `${phase} ${(costs[phase].ms / 1000).toFixed(1)} s`);
  return `${times.join(', ')}; ${(costs['cold start'].requests / hosts).toFixed(1)} requests a host`;
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

const UNITS: Readonly<Record<keyof Cost, string>> = {
  ms: 'ms',
  requests: 'RPCs',
  bytes: 'bytes',
  etcdProcessorMs: 'ms',
  hostsProcessorMs: 'ms',
  steps: 'steps',
};
/** What depends on the number of hosts alone. */
const EXACT: readonly (keyof Cost)[] = ['requests', 'bytes', 'steps'];
const COST_NAMES: Readonly<Record<keyof Cost, string>> = {
  ms: 'time',
  requests: 'requests',
  bytes: 'bytes from etcd',
  etcdProcessorMs: 'processor time of etcd',
  hostsProcessorMs: 'processor time of all hosts',
  steps: 'steps in all kernels',
};

function metricsOf(samples: ReadonlyMap<number, readonly Sample[]>): Metric[] {
  return [...samples].flatMap(([hosts, runs]): Metric[] => [
    ...PHASES.flatMap((phase) =>
      (Object.keys(UNITS) as (keyof Cost)[]).map((what) => ({
        name: `${hosts} hosts, ${phase}: ${COST_NAMES[what]}`,
        unit: UNITS[what],
        runs: runs.map(({ costs }) => costs[phase][what]),
        ...(EXACT.includes(what) && { isExact: true as const }),
      })),
    ),
    { name: `${hosts} hosts: database of etcd`, unit: 'MB', runs: runs.map(({ databaseMb }) => databaseMb) },
    { name: `${hosts} hosts: memory of etcd`, unit: 'MB', runs: runs.map(({ etcdMb }) => etcdMb) },
    { name: `${hosts} hosts: memory of all hosts`, unit: 'MB', runs: runs.map(({ hostsMb }) => hostsMb) },
  ]);
}

function growthOf(samples: ReadonlyMap<number, readonly Sample[]>): Metric[] {
  return FITS.flatMap(({ phase, what, maxExponent }) => {
    const fitting = [...samples].filter(([hosts]) => phase !== 'churn' || hosts >= LEAST_CHURNING);
    if (fitting.length < 2) return [];
    const growth = fitGrowth(
      fitting.map(([hosts, runs]) => ({ hosts, value: median(runs.map(({ costs }) => costs[phase][what])) })),
    );
    progress(`  ${phase}: ${COST_NAMES[what]} grow as hosts ^ ${formatGrowth(growth)}`);
    const limit = maxExponent === undefined ? {} : { atMost: maxExponent + ALLOWANCE };
    return [
      {
        name: `${phase}: exponent of ${COST_NAMES[what]}`,
        unit: 'exponent',
        runs: [growth.exponent],
        better: 'neither',
        ...limit,
      },
    ];
  });
}
