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

/** Starts the cache. Resolves once the registry has been read; logs why it cannot be. */
export async function readRegistry(
  registryCache: RegistryCache,
  log: Logger,
  limit: LogRateLimit,
): Promise<void> {
  const unsubscribe = registryCache.subscribe({
    onConnection: (isConnected, error) => {
      if (!isConnected && limit.take('registry-unreachable') !== undefined)
        log.error(`Registry unavailable, waiting for it: ${error?.message ?? 'no answer'}`);
    },
  });
  registryCache.start();
  await registryCache.ready;
  unsubscribe();
}
