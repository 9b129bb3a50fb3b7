// Opens the registry and the cache of what it shows.
import type { Clock } from '../../lib/clock.ts';
import { createEtcdRegistry } from '../../allocator/registry/etcd/index.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { AnyRegistry } from '../../allocator/registry/registry.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Logger } from '../log/log.ts';
import type { DaemonOptions } from '../options/options.ts';
import type { KubernetesOptions, NodeSource } from '../options/kubernetes-options.ts';
import { keepNodes, recallNodes } from '../last-known/kept-nodes.ts';
import { lastKnownPath } from '../last-known/last-known-file.ts';
import { weftVersion } from './version.ts';

export interface OpenRegistry {
  readonly registry: AnyRegistry;
  readonly registryCache: RegistryCache;
}

export interface OpenContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  readonly signal: AbortSignal;
}

/** Connects only where the API server has to name this node. @throws Error if the options do not suffice */
export async function openRegistry(
  { etcd: { auth, ...etcd }, kubernetes, subnetFile }: DaemonOptions,
  context: OpenContext,
): Promise<OpenRegistry> {
  const { clock } = context;
  if (kubernetes !== undefined) return openKubernetes(kubernetes, subnetFile, context);
  const credentials = auth && { username: auth.username, password: auth.password.reveal() };
  const registry = createEtcdRegistry({ ...etcd, auth: credentials });
  return { registry, registryCache: new RegistryCache({ registry, clock, random: Math.random }) };
}

/** Loaded only here: hosts without Kubernetes do not pay for it. */
async function openKubernetes(
  options: KubernetesOptions,
  subnetFile: string,
  context: OpenContext,
): Promise<OpenRegistry> {
  const kubernetes = await import('../../allocator/registry/kubernetes/index.ts');
  const { decodeNodeEntry, findAccess, KubernetesRegistry } = kubernetes;
  const { clock, limit, log, signal } = context;
  const { node } = options;
  const access = await findAccess(options, process.env);
  const shared = { access, clock, userAgent: `weft/${weftVersion()}`, random: Math.random };
  const onError = (error: Error): void => {
    if (limit.take('node-name') !== undefined)
      log.error(`Cannot read the name of this node: ${error.message}`);
  };
  const readName = async (pod: Exclude<NodeSource, { readonly name: string }>): Promise<string> => {
    const client = new kubernetes.ApiClient(shared);
    return kubernetes
      .readNodeName({ ...shared, ...pod, client, onError, signal })
      .finally(() => client.close());
  };
  const nodeName = 'name' in node ? node.name : await readName(node);
  const registry = new KubernetesRegistry({ ...options, ...shared, nodeName });
  const owner = { nodeName, prefix: options.names.isManaged };
  const kept = { path: lastKnownPath(subnetFile), owner, registry, codec: kubernetes, clock, log, limit };
  const registryCache = new RegistryCache({
    registry,
    clock,
    random: Math.random,
    resyncMs: KUBERNETES_RESYNC_MS,
    decode: decodeNodeEntry,
    recall: () => recallNodes(kept),
  });
  keepNodes(kept, registryCache, signal);
  return { registry, registryCache };
}

/** A watch of the API server misses nothing; the comparison is for restored backups. */
const KUBERNETES_RESYNC_MS = 3_600_000;

type StartingCache = Pick<RegistryCache, 'subscribe' | 'start' | 'ready'>;

/** Causes of one loss that are logged. */
const MAX_CAUSES = 20;

/** Starts the cache. Resolves once the registry has been read; logs why it cannot be, now and later. */
export async function readRegistry(
  registryCache: StartingCache,
  log: Logger,
  limit: LogRateLimit,
): Promise<void> {
  const unsubscribe = registryCache.subscribe({
    onConnection: (isConnected, error) => {
      const cause = error?.message ?? 'no answer';
      if (!isConnected && limit.take(`registry-unavailable ${cause}`) !== undefined)
        log.error(`Registry unavailable, waiting for it: ${cause}`);
    },
  });
  registryCache.start();
  await registryCache.ready;
  unsubscribe();
  logCauses(registryCache, log);
}

/**
 * The log of leases has a loss with its first cause, which is often a mere time-out; this adds those
 * that follow, each once a loss.
 */
function logCauses(registryCache: StartingCache, log: Logger): void {
  const causes = new Set<string>();
  registryCache.subscribe({
    onConnection: (isConnected, error) => {
      const cause = error?.message;
      if (isConnected) causes.clear();
      if (isConnected || cause === undefined || causes.has(cause) || causes.size >= MAX_CAUSES) return;
      causes.add(cause);
      if (causes.size > 1) log.warn('Registry still unavailable', { error: cause });
    },
  });
}
