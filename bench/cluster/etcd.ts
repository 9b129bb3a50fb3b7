// A fresh etcd on loopback for one measurement, and its own metrics.
import { startEtcd } from '../../lab/etcd-server.ts';

/** etcd's own default. */
const ELECTION_TIMEOUT_MS = 1000;

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
  /** Kills it and starts it on the same data; resolves once it answers. Its sums start from 0. */
  restart(): Promise<void>;
}

/** Runs `use` with a fresh etcd. */
export async function withEtcd<Result>(use: (etcd: BenchEtcd) => Promise<Result>): Promise<Result> {
  const etcd = await startEtcd({ electionTimeoutMs: ELECTION_TIMEOUT_MS });
  try {
    return await use({
      url: etcd.url,
      usage: async () => parseUsage(await (await fetch(`${etcd.metricsUrl}/metrics`)).text()),
      restart: () => etcd.restart(),
    });
  } finally {
    await etcd.stop();
  }
}

function parseUsage(text: string): EtcdUsage {
  const values = Object.entries(METRICS).map(([name, metric]) => {
    const value = Number(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
    return [name, value] as const;
  });
  return Object.fromEntries(values) as unknown as EtcdUsage;
}
