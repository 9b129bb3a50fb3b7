// Inputs of checks: answers of the daemon, etcd, the kernel, files. Each is read once, when the
// first check needs it. A missing input is `undefined`: a finding of one check, and no failure of
// others.
import { readFile } from 'node:fs/promises';
import { createEtcdConfigStore } from '../../allocator/registry/etcd/config-store.ts';
import type { EtcdOptions } from '../../allocator/registry/etcd/options.ts';
import { parseNetworkConfig, type NetworkConfigResult } from '../../allocator/config/config-parse.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { ConfigStore, ConfigSnapshot } from '../../allocator/registry/config-store.ts';
import { decodeEntry } from '../../allocator/registry/lease-entry.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { AskV1, DevicesV1, DiffV1, OptionsV1, PeerV1, PeersV1, StatusV1 } from '../../api/index.ts';
import { runTool, type ToolLimits, type ToolOutput } from '../../daemon/kernel/firewall/run-tool.ts';
import { Prober } from '../../daemon/probe/prober.ts';
import { loadNative } from '../../native/index.ts';
import type { IpAddress } from '../../lib/address.ts';
import type { KubernetesOptions } from '../../daemon/options/kubernetes-options.ts';
import { AgentProcess } from '../../daemon/connectivity/agent-process.ts';
import type { ProbeOutcome, ProbeSpec } from '../../daemon/connectivity/probe.ts';
import { askPeer, type FinalAnswer } from '../client/ask-peer.ts';
import {
  NoDaemonError,
  RejectedError,
  type ControlClient,
  type RequestOptions,
} from '../client/control-client.ts';
import { ToolQueue } from './tool-queue.ts';
import { twice } from './twice.ts';
import { kubernetesOptionsOf } from '../client/kubernetes-options.ts';

export interface FactsOptions {
  readonly client: ControlClient;
  readonly etcd: EtcdOptions;
  /** Whether anything names etcd; default true. Otherwise {@link etcd} is a guess. */
  readonly isEtcdNamed?: boolean;
  /** Options of the running daemon. */
  readonly options?: OptionsV1 | undefined;
  /** Folder of /proc, /etc and /run; default `/`. */
  readonly root?: string;
  /** Runs a program; `undefined` if it is missing or fails. */
  readonly output?: (argv: readonly string[]) => Promise<string | undefined>;
  /** Runs a program; its exit code and error output count. */
  readonly run?: (argv: readonly string[]) => Promise<ToolOutput>;
  /** An API server that takes longer for one Node is slow, in ms; default 1000. */
  readonly slowApiMs?: number;
  /** The address whose path is checked; default: an address of each peer. */
  readonly to?: IpAddress | undefined;
  /** Key of the peer whose path is checked, whatever its address. */
  readonly toPeer?: string | undefined;
}

/** Limit of one request to etcd. */
export const ETCD_TIMEOUT_MS = 2500;
/** A healthy API server answers in some 10 ms. */
const SLOW_API_MS = 1000;
const TOOL_LIMITS: ToolLimits = { timeoutMs: 5000, maxOutputBytes: 64 << 20 };
/** Below the limit of one check. */
const ASK_TIMEOUT_MS = 25_000;
/** The daemon waits for two series of echoes at most. */
const PROBE_TIMEOUT_MS = 6000;
/** Longest life of a process in a container. */
const AGENT_SECONDS = 20;
/** Maximum number of peers that are probed one by one. */
const MAX_PROBED_PEERS = 32;

export class Facts {
  readonly etcd: EtcdOptions;
  readonly isEtcdNamed: boolean;
  readonly options: OptionsV1 | undefined;
  readonly slowApiMs: number;
  readonly to: IpAddress | undefined;
  readonly toPeer: string | undefined;
  readonly prober = new Prober({ addon: loadNative() });
  /** Its echoes expire at the first router. */
  readonly nearProber = new Prober({ addon: loadNative(), ttl: 1 });
  readonly #client: ControlClient;
  readonly #root: string;
  readonly #output: (argv: readonly string[]) => Promise<string | undefined>;
  readonly #run: (argv: readonly string[]) => Promise<ToolOutput>;
  readonly #queue = new ToolQueue();
  readonly #known = new Map<string, Promise<unknown>>();

  constructor(facts: FactsOptions) {
    const { client, etcd, options, root = '/', output = outputOf, slowApiMs = SLOW_API_MS } = facts;
    this.to = facts.to;
    this.toPeer = facts.toPeer;
    this.#run = facts.run ?? runWithLimits;
    this.#client = client;
    this.etcd = etcd;
    this.isEtcdNamed = facts.isEtcdNamed ?? true;
    this.options = options;
    this.slowApiMs = slowApiMs;
    this.#root = root;
    this.#output = output;
  }

  /** The reason why no daemon answers; `undefined` if one does. */
  get connectError(): Promise<NoDaemonError | undefined> {
    return this.#answer.then((answer) => (answer instanceof NoDaemonError ? answer : undefined));
  }

  get status(): Promise<StatusV1 | undefined> {
    return this.#answer.then((answer) => (answer instanceof Error ? undefined : answer));
  }

  get #answer(): Promise<StatusV1 | NoDaemonError | RejectedError> {
    return this.once('status', () =>
      this.#client.request<StatusV1>('status').catch((error: unknown) => {
        if (error instanceof NoDaemonError || error instanceof RejectedError) return error;
        throw error;
      }),
    );
  }

  get peers(): Promise<PeersV1 | undefined> {
    return this.once('peers', () => this.#ask<PeersV1>('peers'));
  }

  get devices(): Promise<DevicesV1 | undefined> {
    return this.once('devices', () => this.#ask<DevicesV1>('devices'));
  }

  /** The status once the daemon has tried again whom it does not reach; of an older daemon the first one. */
  async probedStatus(): Promise<StatusV1 | undefined> {
    const status = await this.#ask<StatusV1>('probe', { method: 'POST', timeoutMs: PROBE_TIMEOUT_MS });
    return status ?? this.status;
  }

  /** The first peers that the kernel has routes to. */
  get reachedPeers(): Promise<readonly PeerV1[]> {
    return this.peers.then((answer) =>
      (answer?.peers ?? [])
        .filter(({ state, mode }) => state === 'in-sync' && mode !== 'none')
        .slice(0, MAX_PROBED_PEERS),
    );
  }

  /** Read at each call. */
  readDiff(): Promise<DiffV1 | undefined> {
    return this.#ask<DiffV1>('diff');
  }

  /** Whether the daemon takes subnets from the Kubernetes API, or would if it ran. */
  get isKubernetes(): Promise<boolean> {
    return this.once('is-kubernetes', async () => {
      const status = await this.status.catch(() => undefined);
      return status === undefined
        ? (await this.kubernetes) !== undefined
        : status.registry.kind === 'kubernetes';
    });
  }

  /** Options of that registry: of the daemon, of its service, or of the environment. */
  get kubernetes(): Promise<KubernetesOptions | undefined> {
    return this.once('kubernetes', async () =>
      kubernetesOptionsOf(this.options, await this.file('etc/default/weft')),
    );
  }

  /** Content of etcd, read through all endpoints; `undefined` if it cannot be read, or is not the registry. */
  get registry(): Promise<ConfigSnapshot | undefined> {
    return this.once('registry', async () =>
      (await this.isKubernetes) ? undefined : this.#onStore((store) => store.read()),
    );
  }

  /** Keys where the document was perhaps put by mistake. */
  get configNearMisses(): Promise<readonly string[]> {
    return this.#onStore((store) => store.nearMisses()).then((keys) => keys ?? []);
  }

  async #onStore<Result>(action: (store: ConfigStore) => Promise<Result>): Promise<Result | undefined> {
    let store: ConfigStore | undefined;
    try {
      store = createEtcdConfigStore({ ...this.etcd, requestTimeoutMs: ETCD_TIMEOUT_MS });
      return await twice(action, store);
    } catch {
      return undefined;
    } finally {
      store?.close();
    }
  }

  /** The document in etcd as hosts parse it; `undefined` without one. */
  get document(): Promise<NetworkConfigResult | undefined> {
    return this.once('document', async () => {
      const view = await this.registry;
      return view?.config && parseNetworkConfig(view.config.text);
    });
  }

  /** The valid document in etcd. */
  get config(): Promise<NetworkConfig | undefined> {
    return this.document.then((result) => (result?.ok === true ? result.config : undefined));
  }

  /** Leases in etcd. */
  get leases(): Promise<readonly Lease[]> {
    return this.once('leases', async () => {
      const view = await this.registry;
      return (view?.leases ?? []).flatMap((entry) => {
        const decoded = decodeEntry(entry);
        return decoded.ok ? [decoded.lease] : [];
      });
    });
  }

  /** Value of a sysctl, for example `net/ipv4/ip_forward`. */
  sysctl(path: string): Promise<string | undefined> {
    return this.file(`proc/sys/${path}`).then((text) => text?.trim());
  }

  /** Text of a file below the root. */
  file(path: string): Promise<string | undefined> {
    return this.once(`file ${path}`, () => readFile(`${this.#root}${path}`, 'utf8').catch(() => undefined));
  }

  /** Path of a file of the host. */
  path(path: string): string {
    return `${this.#root}${path.replace(/^\//, '')}`;
  }

  /** Output of a program; `undefined` if it is missing or fails. */
  program(...argv: readonly string[]): Promise<string | undefined> {
    return this.once(argv.join(' '), () => this.#queue.run(() => this.#output(argv)));
  }

  /** How a program ends, its error output included; once for each command line. */
  run(...argv: readonly string[]): Promise<ToolOutput> {
    return this.once(`run ${argv.join(' ')}`, () => this.#queue.run(() => this.#run(argv)));
  }

  /** Rows of `ip -j …`. */
  async ip<Row>(...args: readonly string[]): Promise<readonly Row[] | undefined> {
    const text = await this.program('ip', '-j', ...args);
    if (text === undefined) return undefined;
    return text.trim() === '' ? [] : (JSON.parse(text) as Row[]);
  }

  /** The result of the first call of `read` under this name; for inputs of several checks. */
  once<Answer>(name: string, read: () => Promise<Answer>): Promise<Answer> {
    const known = this.#known.get(name) as Promise<Answer> | undefined;
    if (known !== undefined) return known;
    const answer = read();
    this.#known.set(name, answer);
    return answer;
  }

  /** Whether one peer's path is checked, by `--to`. */
  get isTargeted(): boolean {
    return this.to !== undefined || this.toPeer !== undefined;
  }

  /** What a peer answers; the request has ended. */
  async askPeer(body: AskV1): Promise<FinalAnswer> {
    const late = AbortSignal.timeout(ASK_TIMEOUT_MS);
    try {
      const { answer, close } = await askPeer(this.#client, body, late);
      close();
      return answer;
    } catch (error) {
      if (!late.aborted) throw error;
      return { kind: 'untested', reason: `no answer within ${ASK_TIMEOUT_MS / 1000} s` };
    }
  }

  /** Sends test packets from another network namespace. @throws Error with the reason if it cannot be entered */
  async probeFrom(path: string, specs: readonly ProbeSpec[]): Promise<readonly ProbeOutcome[]> {
    const agent = await AgentProcess.startIn(path, AGENT_SECONDS);
    try {
      return await Promise.all(specs.map((spec) => agent.call({ call: 'probe', spec })));
    } finally {
      await agent.close();
    }
  }

  close(): void {
    this.prober.close();
    this.nearProber.close();
  }

  async #ask<Answer>(name: string, options?: RequestOptions): Promise<Answer | undefined> {
    try {
      return await this.#client.request<Answer>(name, options);
    } catch (error) {
      if (error instanceof NoDaemonError || error instanceof RejectedError) return undefined;
      throw error;
    }
  }
}

async function outputOf(argv: readonly string[]): Promise<string | undefined> {
  const { code, stdout } = await runWithLimits(argv);
  return code === 0 ? stdout : undefined;
}

function runWithLimits([file = '', ...args]: readonly string[]): Promise<ToolOutput> {
  return runTool(file, args, '', TOOL_LIMITS);
}
