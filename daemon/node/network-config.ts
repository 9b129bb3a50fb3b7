// Reads the network config document that the registry shows, and reports what is missing or wrong.
import { formatConfigIssue } from '../../allocator/config/config.ts';
import { PUT_EXAMPLE_CONFIG } from '../../allocator/config/example-config.ts';
import { nearMissRemedy } from '../../allocator/registry/config-near-misses.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import { NO_REVISION } from '../../allocator/registry/registry.ts';
import type { Revision } from '../../allocator/registry/registry.ts';
import type { Logger } from '../log/log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';

export interface ConfigSource {
  readonly registryCache: RegistryCache;
  /** Key of the document, for messages. */
  readonly key: string;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  /** Keys that exist and were perhaps meant for the document. Absent where there are none. */
  readonly nearMisses?: () => Promise<readonly string[]>;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: NetworkConfig; readonly revision: Revision }
  /** `revision` is 0 if there is no document. */
  | { readonly ok: false; readonly reason: string; readonly revision: Revision };

/** Resolves with the first valid document. @throws the signal's reason. */
export function awaitNetworkConfig(
  source: ConfigSource,
  signal: AbortSignal,
): Promise<Extract<ConfigResult, { ok: true }>> {
  const { registryCache } = source;
  return new Promise((resolve, reject) => {
    const check = (): void => {
      const snapshot = readConfig(source);
      if (!snapshot.ok) return;
      unsubscribe();
      resolve(snapshot);
    };
    const unsubscribe = registryCache.subscribe({
      onChange: ({ isConfigChanged }) => void (isConfigChanged && check()),
    });
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    check();
  });
}

/** The document as it is now, or the first thing that is wrong with it; all of them are logged. */
export function readConfig(source: ConfigSource): ConfigResult {
  const { registryCache, key, log, limit } = source;
  if (registryCache.config === undefined) {
    const reason = `There is no network config at ${key}`;
    if (limit.take('config-missing') !== undefined) {
      log.error(`${reason}: put one there, for example: ${PUT_EXAMPLE_CONFIG}`);
      void reportNearMiss(source);
    }
    return { ok: false, reason, revision: NO_REVISION };
  }
  const { text, modRevision: revision } = registryCache.config;
  const result = parseNetworkConfig(text);
  // A document that may yet be applied is read repeatedly.
  const isFirstRead = limit.take(`config-issues-${revision}`) !== undefined;
  const issues = !isFirstRead ? [] : result.ok ? result.warnings : result.issues;
  for (const issue of issues)
    log[issue.severity === 'error' ? 'error' : 'warn'](`${key}: ${formatConfigIssue(issue)}`);
  if (result.ok) return { ok: true, config: result.config, revision };
  const first = result.issues.find(({ severity }) => severity === 'error');
  return { ok: false, reason: first ? formatConfigIssue(first) : 'it is no network config', revision };
}

/** The missing document may lie at a key that no host reads. */
async function reportNearMiss({ registryCache, key, log, nearMisses }: ConfigSource): Promise<void> {
  // A registry that does not answer is reported by its own calls.
  const [found] = (await nearMisses?.().catch(() => undefined)) ?? [];
  if (found !== undefined && registryCache.config === undefined)
    log.warn(`Found a key that may be meant for the network config: ${nearMissRemedy(found, key)}`);
}
