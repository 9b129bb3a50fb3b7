// A host without kernel and packets: registry client, cache and lease manager are those of the daemon, with a connection of
// their own to a real etcd. Kernel steps are counted only. Hosts of one process share entries that they read alike:
// otherwise memory would not suffice.
import { ipv4FromNumber } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { decodeEntry, type DecodedEntry } from '../../allocator/registry/lease-entry.ts';
import { LeaseManager } from '../../allocator/lease/lease-manager.ts';
import type { LeaseAttributes } from '../../allocator/lease.ts';
import { createEtcdRegistry } from '../../allocator/registry/etcd/index.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { Registry, RegistryEntry, WatchEnd, WatchOptions } from '../../allocator/registry/registry.ts';
import { deriveVtepMac } from '../../backends/vtep-mac.ts';

const FIRST_PUBLIC_IP = (100 << 24) | (64 << 16);
/** Many hosts on few cores wait for each other; a time-out would measure the machine. */
const TIMEOUT_MS = 600_000;
/** Neighbour, FDB entry and route. */
const STEPS_PER_PEER = 3;

export interface SimulatedHostOptions {
  readonly url: string;
  readonly config: NetworkConfig;
  /** Which host it is; its public IP follows from that. */
  readonly index: number;
  /** Whether it watches the registry. */
  readonly isWatching: boolean;
  readonly onRequest: () => void;
  readonly onSteps?: (count: number) => void;
}

export class SimulatedHost {
  readonly index: number;
  readonly #registry: Registry;
  readonly #cache: RegistryCache;
  readonly #manager: LeaseManager;
  #onLease: () => void = () => undefined;

  constructor({
    url,
    config,
    index,
    isWatching,
    onRequest,
    onSteps = () => undefined,
  }: SimulatedHostOptions) {
    const limits = { requestTimeoutMs: TIMEOUT_MS, idleProbeMs: TIMEOUT_MS };
    const options = { endpoints: [url], prefix: '/coreos.com/network', ...limits };
    const registry = createEtcdRegistry({ ...options, onCall: onRequest });
    this.index = index;
    const publicIp = ipv4FromNumber(FIRST_PUBLIC_IP + index);
    this.#registry = registry;
    const [clock, random] = [systemClock, Math.random];
    this.#cache = new RegistryCache({
      registry: isWatching ? sharing(registry) : { ...sharing(registry), watch: neverReport },
      clock,
      random,
      decode: decodeOnce,
    });
    const mac = deriveVtepMac({ publicIp, vni: 1, family: 4 });
    const backendData = { VNI: 1, VtepMAC: mac };
    const attributes: LeaseAttributes = { publicIp, backendType: 'vxlan', backendData };
    this.#manager = new LeaseManager({
      registry,
      cache: this.#cache,
      clock,
      random,
      nodeId: publicIp,
      config,
      attributes: () => attributes,
      listener: {
        onOwnLease: () => this.#onLease(),
        onPeers: (keys) => onSteps(keys.size * STEPS_PER_PEER),
        onState: () => undefined,
        onEvent: () => undefined,
      },
    });
  }

  get subnet(): string | undefined {
    return this.#manager.own?.subnets.ipv4;
  }

  get peers(): number {
    return this.#manager.peers.size;
  }

  /** Up to which it has received all changes of the registry. */
  get revision(): number {
    return this.#cache.revision;
  }

  /** Whether the registry was in contact since, on the system clock in ms. */
  hadContactSince(ms: number): boolean {
    return this.#cache.isConnected && (this.#cache.lastContactMs ?? 0) > ms;
  }

  /** Resolves when it holds a lease. */
  async acquire(): Promise<void> {
    this.#cache.start();
    await this.#cache.ready;
    const leased = new Promise<void>((resolve) => (this.#onLease = resolve));
    this.#manager.start();
    await leased;
  }

  /** As a daemon that ends: the lease stays. */
  stop(): void {
    this.#manager.stop();
    this.#cache.stop();
    this.#registry.close();
  }

  /** Gives the lease back and ends. */
  async leave(): Promise<void> {
    this.#manager.stop();
    if (this.#manager.own !== undefined) await this.#registry.revoke(this.#manager.own.leaseId);
    this.stop();
  }
}

/** The network of a benchmark. @throws Error if `text` is no valid config. */
export function readConfig(text: string): NetworkConfig {
  const result = parseNetworkConfig(text);
  if (!result.ok) throw new Error('The config of the benchmark is wrong');
  return result.config;
}

const entries = new Map<string, RegistryEntry>();
const decoded = new WeakMap<RegistryEntry, DecodedEntry>();

/** The same object for all hosts that read the same revision of a key. */
function shared(entry: RegistryEntry): RegistryEntry {
  const known = entries.get(entry.key);
  if (known?.modRevision === entry.modRevision && known.leaseId === entry.leaseId) return known;
  entries.set(entry.key, entry);
  return entry;
}

function decodeOnce(entry: RegistryEntry): DecodedEntry {
  const known = decoded.get(entry) ?? decodeEntry(entry);
  decoded.set(entry, known);
  return known;
}

function sharing(registry: Registry): Pick<Registry, 'snapshot' | 'changesSince' | 'watch'> {
  return {
    snapshot: async (signal) => {
      const snapshot = await registry.snapshot(signal);
      return { ...snapshot, entries: snapshot.entries.map(shared) };
    },
    changesSince: (since, signal) => registry.changesSince(since, signal),
    watch: (options) =>
      registry.watch({
        ...options,
        onEvents: (events, revision) => {
          const own = events.map((event) =>
            event.type === 'put' ? { ...event, entry: shared(event.entry) } : event,
          );
          options.onEvents(own, revision);
        },
      }),
  };
}

function neverReport({ signal, onReady }: WatchOptions): Promise<WatchEnd> {
  onReady?.();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve({ reason: 'aborted' }), { once: true });
  });
}
