// A stampede: a thousand hosts boot at once on a network of 1,024 subnets. How many requests does each need, and when
// has the last one its lease? Each host is a real lease keeper with its own connection to one real etcd; kernels are
// missing, and so are watches: in one process, a thousand watchers of a thousand joins would be all that is measured.
// Rival: the same hosts one after another, which never collide.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ipv4FromNumber } from '../allocator/address.ts';
import { systemClock } from '../allocator/clock.ts';
import { parseNetworkConfig } from '../allocator/config-parse.ts';
import type { NetworkConfig } from '../allocator/config.ts';
import { LeaseKeeper } from '../allocator/lease-keeper.ts';
import { createEtcdRegistry } from '../allocator/registry-etcd.ts';
import { RegistryMirror } from '../allocator/registry-mirror.ts';
import type { WatchEnd, WatchOptions } from '../allocator/registry.ts';
import { waitFor } from '../lab/wait.ts';
import type { BenchResult } from './figures.ts';

const HOSTS = 1000;
/** 1,024 subnets of which the first is left out, as always. */
const CONFIG = '{"Network":"10.0.0.0/14","SubnetMin":"10.0.0.0","Backend":{"Type":"alloc"}}';
const FIRST_PUBLIC_IP = (100 << 24) | (64 << 16);

interface Stampede {
  readonly lastLeaseMs: number;
  readonly unaryPerHost: number;
  readonly subnets: number;
}

export async function benchAllocate(rounds = 3): Promise<BenchResult> {
  const atOnce: Stampede[] = [];
  const inTurn: Stampede[] = [];
  for (let round = 0; round < rounds; round++) {
    atOnce.push(await withEtcd((url) => stampede(url, HOSTS)));
    inTurn.push(await withEtcd((url) => stampede(url, 1)));
  }
  for (const { subnets } of [...atOnce, ...inTurn])
    if (subnets !== HOSTS) throw new Error(`${HOSTS} hosts got only ${subnets} distinct subnets`);
  return {
    bench: 'allocate',
    falsifiedBy: 'hosts need more than 4 requests on average, or two hosts get one subnet',
    figures: [
      {
        name: `${HOSTS} hosts at once: requests a host`,
        unit: 'RPCs',
        runs: atOnce.map((run) => run.unaryPerHost),
        atMost: 4,
      },
      {
        name: `${HOSTS} hosts in turn: requests a host`,
        unit: 'RPCs',
        runs: inTurn.map((run) => run.unaryPerHost),
      },
      { name: `${HOSTS} hosts at once: last lease`, unit: 'ms', runs: atOnce.map((run) => run.lastLeaseMs) },
      { name: `${HOSTS} hosts in turn: last lease`, unit: 'ms', runs: inTurn.map((run) => run.lastLeaseMs) },
    ],
  };
}

/** Starts {@link HOSTS} hosts, `width` of them at a time, and waits for all their leases. */
async function stampede(url: string, width: number): Promise<Stampede> {
  const config = readConfig();
  let requests = 0;
  const hosts = Array.from(
    { length: HOSTS },
    (_, index) => new Host(url, config, index, () => (requests += 1)),
  );
  const startMs = performance.now();
  for (let from = 0; from < HOSTS; from += width)
    await Promise.all(hosts.slice(from, from + width).map((host) => host.acquire()));
  const lastLeaseMs = performance.now() - startMs;
  const subnets = new Set(hosts.map((host) => host.subnet)).size;
  for (const host of hosts) host.stop();
  return { lastLeaseMs, unaryPerHost: requests / HOSTS, subnets };
}

class Host {
  readonly #registry;
  readonly #mirror: RegistryMirror;
  readonly #config: NetworkConfig;
  readonly #index: number;
  #keeper: LeaseKeeper | undefined;

  constructor(url: string, config: NetworkConfig, index: number, onRequest: () => void) {
    const options = { endpoints: [url], prefix: '/coreos.com/network', requestTimeoutMs: 60_000 };
    const registry = createEtcdRegistry({ ...options, onCall: onRequest });
    const unwatched = { snapshot: registry.snapshot.bind(registry), watch: neverReport };
    this.#registry = registry;
    this.#mirror = new RegistryMirror({ registry: unwatched, clock: systemClock, random: Math.random });
    this.#config = config;
    this.#index = index;
  }

  get subnet(): string | undefined {
    return this.#keeper?.own?.subnets.ipv4;
  }

  async acquire(): Promise<void> {
    this.#mirror.start();
    await this.#mirror.ready;
    const publicIp = ipv4FromNumber(FIRST_PUBLIC_IP + this.#index);
    await new Promise<void>((resolve) => {
      this.#keeper = new LeaseKeeper({
        registry: this.#registry,
        mirror: this.#mirror,
        clock: systemClock,
        random: Math.random,
        identity: publicIp,
        config: this.#config,
        attributes: () => ({ publicIp, backendType: '' }),
        listener: { onOwnLease: () => resolve(), onPeers: () => {}, onState: () => {}, onEvent: () => {} },
      });
      this.#keeper.start();
    });
  }

  stop(): void {
    this.#keeper?.stop();
    this.#mirror.stop();
    this.#registry.close();
  }
}

function neverReport({ signal, onReady }: WatchOptions): Promise<WatchEnd> {
  onReady?.();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve({ reason: 'aborted' }), { once: true });
  });
}

function readConfig(): NetworkConfig {
  const result = parseNetworkConfig(CONFIG);
  if (!result.ok) throw new Error('The config of the benchmark is wrong');
  return result.config;
}

/** Runs `use` with a fresh etcd on loopback, gone afterwards. */
async function withEtcd<Result>(use: (url: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'));
  const [client, peer] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${client}`;
  const listen = [
    '--listen-client-urls',
    url,
    '--advertise-client-urls',
    url,
    '--listen-peer-urls',
    `http://127.0.0.1:${peer}`,
  ];
  const etcd = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', '--data-dir', folder, ...listen], {
    stdio: 'ignore',
  });
  try {
    await waitFor('etcd to answer', async () => (await fetch(`${url}/health`)).ok, 15_000);
    return await use(url);
  } finally {
    await end(etcd);
    await rm(folder, { recursive: true, force: true });
  }
}

function end(process: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    process.once('close', () => resolve());
    process.kill('SIGKILL');
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
