// Waits for a network config document that weft can run, telling what is missing or wrong with it whenever it changes.
import { formatConfigIssue } from '../allocator/config-issue.ts';
import { parseNetworkConfig } from '../allocator/config-parse.ts';
import type { NetworkConfig } from '../allocator/config.ts';
import type { RegistryMirror } from '../allocator/registry-mirror.ts';
import type { Logger } from './log.ts';
import type { LogRateLimit } from './log-rate-limit.ts';

export interface ConfigSource {
  readonly mirror: RegistryMirror;
  /** Key of the document, for messages. */
  readonly key: string;
  readonly log: Logger;
  readonly limit: LogRateLimit;
}

/** Resolves with the first valid document. @throws the signal's reason. */
export function awaitNetworkConfig(source: ConfigSource, signal: AbortSignal): Promise<NetworkConfig> {
  const { mirror } = source;
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const config = readConfig(source);
      if (config === undefined) return;
      unsubscribe();
      resolve(config);
    };
    const unsubscribe = mirror.subscribe({
      onChange: ({ isConfigChanged }) => void (isConfigChanged && look()),
    });
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    look();
  });
}

/** The document as it is now, or `undefined` with the reason logged. */
export function readConfig({ mirror, key, log, limit }: ConfigSource): NetworkConfig | undefined {
  const text = mirror.config?.text;
  if (text === undefined) {
    if (limit.take('config-missing') !== undefined)
      log.error(`There is no network config at ${key}: put one there, for example {"Network":"10.5.0.0/16"}`);
    return undefined;
  }
  const result = parseNetworkConfig(text);
  const issues = result.ok ? result.warnings : result.issues;
  for (const issue of issues)
    log[issue.severity === 'error' ? 'error' : 'warn'](`${key}: ${formatConfigIssue(issue)}`);
  return result.ok ? result.config : undefined;
}
