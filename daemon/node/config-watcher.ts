// Watches the network config document: checks each revision, then applies it, one at a time and the
// newest first. A rejected config changes nothing: the last good one stays in force. Knows no
// setting.
//
//   document changed ──► parse ──invalid──► rejected, with the reason
//                          └──valid──► apply ──► in force, or rejected and tried again
import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { Revision } from '../../allocator/registry/registry.ts';
import { readConfig, type ConfigSource } from './network-config.ts';

/**
 * Why a config is not applied. `isRetryable`: it may be applied later without a change of the
 * document.
 */
export interface ConfigRejection {
  readonly reason: string;
  readonly isRetryable: boolean;
}

/** Puts `config` in force. Resolves with a rejection if this host cannot. */
export type ApplyConfig = (config: NetworkConfig, revision: Revision) => Promise<ConfigRejection | undefined>;

export interface ConfigStatus {
  /** Revision of the document in force. */
  readonly revision: Revision;
  /** The newest document, if it is not the one in force. */
  readonly rejected?: { readonly revision: Revision; readonly reason: string };
  /** What the last document that came into force changed; unset before the first change. */
  readonly changes?: readonly string[];
  /** Documents that came into force, and documents that were rejected, since the start. */
  readonly counts: { readonly applied: number; readonly rejected: number };
}

export interface ConfigWatcherOptions {
  readonly source: ConfigSource;
  readonly clock: Clock;
  /** Revision of the document that is in force already. */
  readonly revision: Revision;
  readonly apply: ApplyConfig;
  /** What a config changes in the one in force, one line each. */
  readonly changesOf?: (config: NetworkConfig) => readonly string[];
  /** Called when {@link ConfigWatcher.status} changed. */
  readonly onChange: () => void;
}

/**
 * Until a rejected document is tried again; doubles, as every host of the cluster may read the
 * registry.
 */
const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;

export class ConfigWatcher {
  readonly #options: ConfigWatcherOptions;
  readonly #loop: ControlLoop;
  // Without jitter, which would halve the mean wait.
  readonly #backoff = new Backoff({ baseMs: FIRST_RETRY_MS, capMs: LONGEST_RETRY_MS, random: () => 1 });
  #status: ConfigStatus;
  #retryAtMs = Infinity;
  #isStopped = false;

  constructor(options: ConfigWatcherOptions) {
    const { clock, revision, source } = options;
    this.#options = options;
    this.#status = { revision, counts: { applied: 1, rejected: 0 } };
    this.#loop = new ControlLoop({
      clock,
      step: () => this.#step(),
      deadlinesMs: () => [this.#retryAtMs],
    });
    source.registryCache.subscribe({
      onChange: ({ isConfigChanged }) => void (isConfigChanged && this.reconcile()),
    });
  }

  /** Applies the document if it changed since the first revision, and follows it from now on. */
  start(): void {
    this.#loop.start();
  }

  get status(): ConfigStatus {
    return this.#status;
  }

  /** Applies the document as it is now, even if it is the one that was rejected. */
  reconcile(): void {
    this.#loop.wake();
  }

  stop(): void {
    this.#isStopped = true;
    void this.#loop.stop();
  }

  async #step(): Promise<boolean> {
    const { apply, changesOf, source } = this.#options;
    this.#retryAtMs = Infinity;
    if (source.registryCache.config?.modRevision === this.#status.revision) {
      this.#restore();
      return false;
    }
    const result = readConfig(source);
    const changes = result.ok ? (changesOf?.(result.config) ?? []) : [];
    // A kernel that cannot be read now may be readable soon.
    const rejection = result.ok
      ? await apply(result.config, result.revision).catch((error: Error): ConfigRejection => ({
          reason: error.message,
          isRetryable: true,
        }))
      : { reason: result.reason, isRetryable: false };
    if (this.#isStopped) return false;
    if (rejection === undefined) this.#accept(result.revision, changes);
    else this.#reject(result.revision, rejection);
    return false;
  }

  /** The document in force is back at its key. */
  #restore(): void {
    if (this.#status.rejected !== undefined) this.#accept(this.#status.revision, []);
  }

  #accept(revision: Revision, changes: readonly string[]): void {
    const { applied, rejected } = this.#status.counts;
    const counts = { applied: applied + 1, rejected };
    this.#status = { revision, ...(changes.length > 0 && { changes }), counts };
    this.#options.source.log.info('Network config in force', {
      revision,
      changes: changes.length === 0 ? 'none' : changes,
    });
    this.#options.onChange();
  }

  #reject(revision: Revision, { reason, isRetryable }: ConfigRejection): void {
    const { clock, onChange, source } = this.#options;
    const { rejected: before, counts } = this.#status;
    const isChanged = before?.revision !== revision || before.reason !== reason;
    if (isChanged) this.#backoff.reset();
    if (isRetryable) this.#retryAtMs = clock.nowMs() + this.#backoff.nextMs();
    if (!isChanged) return;
    const rejected = { revision, reason };
    this.#status = { ...this.#status, rejected, counts: { ...counts, rejected: counts.rejected + 1 } };
    source.log.error(
      `The network config of revision ${revision} is rejected, the last good one stays in force: ${reason}`,
      { inForce: this.#status.revision },
    );
    onChange();
  }
}
