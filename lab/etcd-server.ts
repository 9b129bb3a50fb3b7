// A real etcd without a lab: one member on loopback, data in a temporary directory, killed when this process ends. It can be
// stopped, paused, restarted and put back to an older snapshot.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { etcdCommand, flagsOf } from './etcd-command.ts';
import { waitFor } from './wait.ts';

const SETPRIV = '/usr/bin/setpriv';
const HEALTHY_WITHIN_MS = 60_000;
const run = promisify(execFile);

/** Files in PEM. */
export interface EtcdTlsFiles {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

export interface EtcdServerOptions {
  /** Serves TLS with this server certificate. */
  readonly tls?: EtcdTlsFiles;
  /** Requires a client certificate of the same authority. */
  readonly clientCertAuth?: boolean;
  /** Life of an authentication token, in s. Default 300. */
  readonly authTokenTtlSec?: number;
  /** A tenth of it is the time between heartbeats. Default 100: elected at once, and a lease may be as short as one second. */
  readonly electionTimeoutMs?: number;
}

export interface EtcdServer {
  /** Client URL on 127.0.0.1. */
  readonly url: string;
  readonly port: number;
  /** Of its own metrics, in Prometheus' format. */
  readonly metricsUrl: string;
  stop(): Promise<void>;
  /** Starts again on the same data and port. */
  restart(): Promise<void>;
  /** Sends SIGKILL; {@link restart} starts it on the same data. */
  kill(): Promise<void>;
  /** Stops the process so that its sockets stay open and nothing answers. */
  pause(): void;
  resume(): void;
  snapshotSave(path: string): Promise<void>;
  /** Replaces all data by a snapshot's, which takes the revision back, and starts again. */
  snapshotRestore(path: string): Promise<void>;
  /** Runs etcdctl against this server and returns its output. */
  ctl(...args: readonly string[]): Promise<string>;
  /** Calls the JSON gateway, for example `kv/put`; keys and values are base64. Without TLS and users only. */
  api(path: string, body: object): Promise<void>;
}

/** Starts a member and waits until it is healthy. The caller stops it. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-etcd-'));
  const [clientPort, peerPort, metricsPort] = await freePorts();
  const server = new Member(options, directory, { clientPort, peerPort, metricsPort });
  await server.restart();
  return server;
}

interface Ports {
  readonly clientPort: number;
  readonly peerPort: number;
  readonly metricsPort: number;
}

class Member implements EtcdServer {
  readonly url: string;
  readonly port: number;
  readonly #options: EtcdServerOptions;
  readonly #directory: string;
  readonly #ports: Ports;
  #process: ChildProcess | undefined;
  #output = '';

  constructor(options: EtcdServerOptions, directory: string, ports: Ports) {
    this.#options = options;
    this.#directory = directory;
    this.#ports = ports;
    this.port = ports.clientPort;
    this.url = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${ports.clientPort}`;
  }

  get #dataDirectory(): string {
    return join(this.#directory, 'data');
  }

  get metricsUrl(): string {
    return `http://127.0.0.1:${this.#ports.metricsPort}`;
  }

  get #peerUrl(): string {
    return `http://127.0.0.1:${this.#ports.peerPort}`;
  }

  async restart(): Promise<void> {
    await this.kill();
    const command = this.#command();
    // Without setpriv a killed test process would leave etcd behind.
    const [file = '', ...args] = existsSync(SETPRIV)
      ? [SETPRIV, '--pdeathsig', 'KILL', '--', ...command]
      : command;
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-4000);
    });
    const answersOrEnds = async () =>
      child.exitCode !== null || (await fetch(`${this.metricsUrl}/health`)).ok;
    await waitFor(`etcd on port ${this.port} to be healthy`, answersOrEnds, HEALTHY_WITHIN_MS);
    if (child.exitCode !== null) throw new Error(`etcd exited with ${child.exitCode}:\n${this.#output}`);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async snapshotSave(path: string): Promise<void> {
    await this.ctl('snapshot', 'save', path);
  }

  async snapshotRestore(path: string): Promise<void> {
    await this.kill();
    await rm(this.#dataDirectory, { recursive: true, force: true });
    const target = flagsOf({ 'data-dir': this.#dataDirectory, ...this.#cluster() });
    await run('etcdctl', ['snapshot', 'restore', path, ...target]);
    await this.restart();
  }

  async ctl(...args: readonly string[]): Promise<string> {
    const { tls } = this.#options;
    const security: Record<string, string> =
      tls === undefined ? {} : { cacert: tls.ca, cert: tls.clientCert, key: tls.clientKey };
    const { stdout } = await run('etcdctl', [...flagsOf({ endpoints: this.url, ...security }), ...args]);
    return stdout;
  }

  async api(path: string, body: object): Promise<void> {
    const answer = await fetch(`${this.url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd ${path}: ${answer.status} ${await answer.text()}`);
  }

  #cluster(): Record<string, string> {
    return {
      name: 'test',
      'initial-cluster': `test=${this.#peerUrl}`,
      'initial-advertise-peer-urls': this.#peerUrl,
    };
  }

  #command(): string[] {
    const { tls, clientCertAuth, authTokenTtlSec = 300, electionTimeoutMs = 100 } = this.#options;
    return etcdCommand({
      dataDir: this.#dataDirectory,
      peerUrl: this.#peerUrl,
      clientUrl: this.url,
      more: flagsOf({
        ...this.#cluster(),
        'listen-metrics-urls': this.metricsUrl,
        'heartbeat-interval': String(electionTimeoutMs / 10),
        'election-timeout': String(electionTimeoutMs),
        logger: 'zap',
        'log-level': 'error',
        'auth-token-ttl': String(authTokenTtlSec),
        ...(tls && { 'cert-file': tls.serverCert, 'key-file': tls.serverKey }),
        ...(tls && clientCertAuth && { 'client-cert-auth': 'true', 'trusted-ca-file': tls.ca }),
      }),
    });
  }
}

/** Unused ports; all are bound at the same time, so they differ. */
async function freePorts(): Promise<[number, number, number]> {
  const take = async (): Promise<[number, () => Promise<void>]> => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const release = async (): Promise<void> => {
      holder.close();
      await once(holder, 'close');
    };
    return [port, release];
  };
  const [first, second, third] = await Promise.all([take(), take(), take()]);
  await Promise.all([first[1](), second[1](), third[1]()]);
  return [first[0], second[0], third[0]];
}
