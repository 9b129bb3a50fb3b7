// Stampedes: how many requests does each of N hosts need that boot at once, and when has the last one its lease? Then the same
// with a pool that is nearly full. Each host is a real lease manager with its own connection to one real etcd; kernels are
// missing, and so are watches: in one process, a thousand watchers of a thousand joins would be all that is measured.
// Baseline: the same hosts one after another, which never collide. `--hosts 10,100,1000,5000` chooses stampedes.
import { parseArgs } from 'node:util';
import { ipv4FromNumber } from '../../lib/address.ts';
import { withEtcd } from './etcd.ts';
import { measuresOf, type Metric } from '../metrics.ts';
import { leaseOf, putLeases } from './seed.ts';
import { progress } from '../progress.ts';
import type { BenchmarkRecord } from '../record.ts';
import { readConfig, SimulatedHost } from './simulated-host.ts';

const DEFAULT_HOSTS = '10,100,1000';
const MOST_HOSTS = 16_000;
/** Larger stampedes have no baseline: it adds no information. */
const MOST_IN_TURN = 1000;
/** Hosts that come to a pool that is in part full: the last of them takes the last subnet at 95 %. */
const LATECOMERS = 50;
const FULL_PERCENT = [50, 75, 90, 95] as const;
const POOL = 1000;
const FIRST_SUBNET = 10 << 24;
/** Snapshot, grant, create. */
const LEAST_REQUESTS = 3;
const MOST_REQUESTS = 4;

interface Stampede {
  readonly lastLeaseMs: number;
  readonly requestsPerHost: number;
  /** Requests beyond those that a host alone needs, a host. */
  readonly extraPerHost: number;
}

export async function benchAllocate(args: readonly string[], rounds = 3): Promise<BenchmarkRecord> {
  const sizes = parseHosts(args);
  const metrics: Metric[] = [];
  for (const hosts of sizes) {
    const config = configOf(tightPool(hosts));
    const atOnce = await repeat(rounds, () =>
      withEtcd(({ url }) => stampede({ url, config, hosts, width: hosts })),
    );
    metrics.push(...metricsOf(`${hosts} hosts at once`, atOnce, MOST_REQUESTS));
    if (hosts > MOST_IN_TURN) continue;
    const inTurn = await repeat(rounds, () =>
      withEtcd(({ url }) => stampede({ url, config, hosts, width: 1 })),
    );
    metrics.push(...metricsOf(`${hosts} hosts in turn`, inTurn));
  }
  for (const percent of FULL_PERCENT) {
    const runs = await repeat(rounds, () => withEtcd(({ url }) => stampedeOnFull(url, percent)));
    metrics.push(...metricsOf(`${LATECOMERS} hosts at once, pool of ${POOL} ${percent} % full`, runs));
  }
  return {
    benchmark: 'allocate',
    invalidatedBy: `hosts that boot at once need more than ${MOST_REQUESTS} requests on average, or two hosts get one subnet`,
    conditions: { pool: POOL, latecomers: LATECOMERS },
    measures: measuresOf(metrics),
  };
}

function parseHosts(args: readonly string[]): readonly number[] {
  const options = { hosts: { type: 'string', default: DEFAULT_HOSTS } } as const;
  const { hosts } = parseArgs({ args: [...args], options }).values;
  const sizes = hosts.split(',').map(Number);
  if (sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= MOST_HOSTS)) return sizes;
  throw new Error(`--hosts '${hosts}': give numbers from 1 to ${MOST_HOSTS}, divided by commas`);
}

/** A few subnets more than hosts, so that they meet. */
function tightPool(hosts: number): number {
  return Math.ceil(hosts * 1.024);
}

function configOf(subnets: number): string {
  const last = ipv4FromNumber(FIRST_SUBNET + (subnets - 1) * 256);
  return `{"Network":"10.0.0.0/8","SubnetLen":24,"SubnetMin":"10.0.0.0","SubnetMax":"${last}","Backend":{"Type":"vxlan"}}`;
}

async function repeat<Result>(rounds: number, run: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let round = 0; round < rounds; round++) results.push(await run());
  return results;
}

function metricsOf(name: string, runs: readonly Stampede[], atMost?: number): Metric[] {
  progress(
    `  ${name}: ${runs.map(({ requestsPerHost }) => requestsPerHost.toFixed(2)).join(', ')} requests a host`,
  );
  return [
    {
      name: `${name}: requests a host`,
      unit: 'RPCs',
      runs: runs.map((run) => run.requestsPerHost),
      ...(atMost === undefined ? {} : { atMost }),
    },
    { name: `${name}: of these by conflicts`, unit: 'RPCs', runs: runs.map((run) => run.extraPerHost) },
    { name: `${name}: last lease`, unit: 'ms', runs: runs.map((run) => run.lastLeaseMs) },
  ];
}

/** {@link LATECOMERS} hosts boot at once when `percent` of the pool is taken. */
async function stampedeOnFull(url: string, percent: number): Promise<Stampede> {
  const subnets = Array.from({ length: POOL }, (_, index) => ipv4FromNumber(FIRST_SUBNET + index * 256));
  // Spread over the pool, as hashes of public addresses are: 7 has no factor in common with the size.
  const spread = subnets.map((_, index) => subnets[(index * 7) % POOL]!);
  const taken = spread.slice(0, (POOL * percent) / 100);
  await putLeases(
    url,
    taken.map((subnet, index) => ({ key: `${subnet}-24`, value: leaseOf(index).value })),
  );
  const hosts = LATECOMERS;
  return stampede({ url, config: configOf(POOL), hosts, width: hosts, firstIndex: POOL });
}

interface StampedeOptions {
  readonly url: string;
  readonly config: string;
  readonly hosts: number;
  /** So many boot at a time. */
  readonly width: number;
  /** Public addresses begin here, behind those of the leases that are there. */
  readonly firstIndex?: number;
}

/** Waits for the leases of all hosts. @throws Error if two got one subnet. */
async function stampede({
  url,
  config: text,
  hosts,
  width,
  firstIndex = 0,
}: StampedeOptions): Promise<Stampede> {
  const config = readConfig(text);
  let requests = 0;
  const onRequest = (): void => void (requests += 1);
  const all = Array.from(
    { length: hosts },
    (_, offset) =>
      new SimulatedHost({ url, config, index: firstIndex + offset, isWatching: false, onRequest }),
  );
  const startMs = performance.now();
  for (let from = 0; from < hosts; from += width)
    await Promise.all(all.slice(from, from + width).map((host) => host.acquire()));
  const lastLeaseMs = performance.now() - startMs;
  const subnets = new Set(all.map((host) => host.subnet)).size;
  for (const host of all) host.stop();
  if (subnets !== hosts) throw new Error(`${hosts} hosts got only ${subnets} distinct subnets`);
  const requestsPerHost = requests / hosts;
  return { lastLeaseMs, requestsPerHost, extraPerHost: requestsPerHost - LEAST_REQUESTS };
}
