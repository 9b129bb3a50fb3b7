// The nodes that a daemon keeps in a file for the next one: what it writes, and how it takes them up.
import type { LastKnown } from '../../allocator/registry/cache-recall.ts';
import type { KubernetesRegistry, SavedNodesOwner } from '../../allocator/registry/kubernetes/index.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Logger } from '../log/log.ts';
import { LastKnownFile, readLastKnown } from './last-known-file.ts';

type Codec = Pick<
  typeof import('../../allocator/registry/kubernetes/index.ts'),
  'formatSavedNodes' | 'parseSavedNodes'
>;

export interface KeptNodesDeps {
  readonly path: string;
  readonly owner: SavedNodesOwner;
  readonly registry: Pick<KubernetesRegistry, 'assume'>;
  /** Functions of the registry, which is loaded only where it is used. */
  readonly codec: Codec;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
}

/** What the file of an earlier daemon says; `undefined` without a usable one. Never rejects. */
export async function recallNodes(deps: KeptNodesDeps): Promise<LastKnown | undefined> {
  const { codec, log, owner, path, registry } = deps;
  const text = await readLastKnown(path, log);
  if (text === undefined) return undefined;
  const saved = codec.parseSavedNodes(text, owner);
  if (typeof saved === 'string') {
    log.warn(`Ignored the known peers in ${path}: ${saved}`);
    return undefined;
  }
  log.warn('Going on with the nodes known last: the registry does not answer', {
    nodes: saved.entries.length,
    savedAt: saved.savedAt,
    path,
  });
  return registry.assume(saved);
}

/** Writes what `cache` shows on each change, once the registry itself has said it. */
export function keepNodes(deps: KeptNodesDeps, cache: RegistryCache, signal: AbortSignal): void {
  const text = (): string | undefined => {
    const { entries, lastContactMs, lastKnownAt, revision } = cache;
    if (lastKnownAt !== undefined || lastContactMs === undefined) return undefined;
    // The config may change while the registry is away, which makes its nodes no newer.
    const savedAt = new Date(Date.now() - (deps.clock.nowMs() - lastContactMs)).toISOString();
    return deps.codec.formatSavedNodes(deps.owner, { revision, savedAt, entries: [...entries.values()] });
  };
  const file = new LastKnownFile({ ...deps, text });
  cache.subscribe({ onChange: () => file.touch() });
  signal.addEventListener('abort', () => file.stop(), { once: true });
}
