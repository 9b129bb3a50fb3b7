// A fresh etcd on loopback for one measurement, gone afterwards, and what it says of itself.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../lab/wait.ts';

const ANSWER_LIMIT_MS = 60_000;

/** Sums since etcd started, but for sizes and revision, which are as of now. */
export interface EtcdUsage {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly processorSec: number;
  readonly residentBytes: number;
  readonly databaseBytes: number;
  /** Of the newest change. */
  readonly revision: number;
}

/** Names of etcd's own metrics (https://etcd.io/docs/v3.4/metrics/). */
const METRICS: Readonly<Record<keyof EtcdUsage, string>> = {
  receivedBytes: 'etcd_network_client_grpc_received_bytes_total',
  sentBytes: 'etcd_network_client_grpc_sent_bytes_total',
  processorSec: 'process_cpu_seconds_total',
  residentBytes: 'process_resident_memory_bytes',
  databaseBytes: 'etcd_mvcc_db_total_size_in_bytes',
  revision: 'etcd_debugging_mvcc_current_revision',
};

export interface BenchEtcd {
  readonly url: string;
  usage(): Promise<EtcdUsage>;
  /** Kills it and starts it again on the same data; resolves once it answers. Its sums begin anew. */
  restart(): Promise<void>;
}

/** Runs `use` with a fresh etcd. */
export async function withEtcd<Result>(use: (etcd: BenchEtcd) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'));
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const start = async (): Promise<ChildProcess> => {
    const clients = ['--listen-client-urls', url, '--advertise-client-urls', url];
    const words = ['etcd', '--data-dir', folder, ...clients, '--listen-peer-urls', peerUrl];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...words], { stdio: 'ignore' });
    await waitFor('etcd to answer', async () => (await fetch(`${url}/health`)).ok, ANSWER_LIMIT_MS);
    return child;
  };
  let etcd = await start();
  try {
    return await use({
      url,
      usage: async () => parseUsage(await (await fetch(`${url}/metrics`)).text()),
      restart: async () => {
        await end(etcd);
        etcd = await start();
      },
    });
  } finally {
    await end(etcd);
    await rm(folder, { recursive: true, force: true });
  }
}

function parseUsage(text: string): EtcdUsage {
  const values = Object.entries(METRICS).map(([name, metric]) => {
    const value = Number(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
    return [name, value] as const;
  });
  return Object.fromEntries(values) as unknown as EtcdUsage;
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
