// Opens the registry and the cache of what it shows.
import type { Clock } from '../../lib/clock.ts';
import { createEtcdRegistry } from '../../allocator/registry/etcd/index.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { Registry } from '../../allocator/registry/registry.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Logger } from '../log/log.ts';
import type { DaemonOptions } from '../options/options.ts';

export interface OpenRegistry {
  readonly registry: Registry;
  readonly registryCache: RegistryCache;
}

/** Connects to nothing yet. */
export function openRegistry({ etcd: { auth, ...etcd } }: DaemonOptions, clock: Clock): OpenRegistry {
  const credentials = auth && { username: auth.username, password: auth.password.reveal() };
  const registry = createEtcdRegistry({ ...etcd, auth: credentials });
  return { registry, registryCache: new RegistryCache({ registry, clock, random: Math.random }) };
}

type StartingCache = Pick<RegistryCache, 'subscribe' | 'start' | 'ready'>;

/** Causes of one loss that are logged. */
const MAX_CAUSES = 20;

/**
 * Starts the cache. Resolves once the registry has been read; logs why it cannot be, now and later.
 */
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
