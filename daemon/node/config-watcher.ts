// Follows the network config document: whatever comes is checked, then handed to whoever applies it, one at a time and the
// newest first. What is refused, for what it says or because this host cannot do it, changes nothing: the last good one
// stays in force, and everybody who asks is told. Knows no setting.
//
//   document changed ──► read ──wrong──► refused, with the reason        a refusal that may end by itself
//                          └──right──► apply ──► in force, or refused    is tried again
import type { Clock } from '../../lib/clock.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { Revision } from '../../allocator/registry/registry.ts';
import { readConfig, type ConfigSource } from './network-config.ts';

/** Why a config is not applied. `isRetryable`: it is worth another try without a change of the document. */
export interface ConfigRejection {
  readonly reason: string;
  readonly isRetryable: boolean;
}

/** Makes `config` the one in force. Resolves with a reason if this host cannot. */
export type ApplyConfig = (config: NetworkConfig, revision: Revision) => Promise<ConfigRejection | undefined>;

/** What is in force, and what is not. */
export interface ConfigStatus {
  /** Revision of the document in force. */
  readonly revision: Revision;
  /** The newest document, if it is not the one in force. */
  readonly rejected?: { readonly revision: Revision; readonly reason: string };
  /** How many documents came into force, and how many were refused, since the start. */
  readonly counts: { readonly applied: number; readonly rejected: number };
}

export interface ConfigWatcherOptions {
  readonly source: ConfigSource;
  readonly clock: Clock;
  /** Revision of the document that is in force already. */
  readonly revision: Revision;
  readonly apply: ApplyConfig;
  /** Called when {@link ConfigWatcher.status} is another one. */
  readonly onChange: () => void;
}

/** Until a refused document is looked at again; doubles each time, as every host of the cluster may ask the registry. */
const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;

export class ConfigWatcher {
  readonly #options: ConfigWatcherOptions;
  #status: ConfigStatus;
  #isLooking = false;
  #isDue = false;
  #isStopped = false;
  #retryMs = FIRST_RETRY_MS;
  #cancelRetry: () => void = () => undefined;

  constructor(options: ConfigWatcherOptions) {
    this.#options = options;
    this.#status = { revision: options.revision, counts: { applied: 1, rejected: 0 } };
    options.source.mirror.subscribe({
      onChange: ({ isConfigChanged }) => void (isConfigChanged && this.look()),
    });
  }

  get status(): ConfigStatus {
    return this.#status;
  }

  /** Looks at the document as it is now, even if it is the one that was refused. */
  look(): void {
    this.#isDue = true;
    if (!this.#isLooking) void this.#work();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry();
  }

  async #work(): Promise<void> {
    this.#isLooking = true;
    this.#cancelRetry();
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false;
      await this.#lookOnce();
    }
    this.#isLooking = false;
  }

  async #lookOnce(): Promise<void> {
    const { apply, source } = this.#options;
    if (source.mirror.config?.modRevision === this.#status.revision) return this.#settle();
    const reading = readConfig(source);
    // A kernel that cannot be read now may be readable soon.
    const refusal = reading.ok
      ? await apply(reading.config, reading.revision).catch((error: Error): ConfigRejection => ({
          reason: error.message,
          isRetryable: true,
        }))
      : { reason: reading.reason, isRetryable: false };
    if (this.#isStopped) return;
    if (refusal === undefined) this.#accept(reading.revision);
    else this.#reject(reading.revision, refusal);
  }

  /** The document in force is back at its place. */
  #settle(): void {
    if (this.#status.rejected !== undefined) this.#accept(this.#status.revision);
  }

  #accept(revision: Revision): void {
    const { applied, rejected } = this.#status.counts;
    this.#status = { revision, counts: { applied: applied + 1, rejected } };
    this.#options.source.log.info('Network config in force', { revision });
    this.#options.onChange();
  }

  #reject(revision: Revision, { reason, isRetryable }: ConfigRejection): void {
    const { rejected: before, counts } = this.#status;
    const isNews = before?.revision !== revision || before.reason !== reason;
    this.#retryMs = isNews ? FIRST_RETRY_MS : Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
    if (isRetryable) this.#cancelRetry = this.#options.clock.setTimer(this.#retryMs, () => this.look());
    if (!isNews) return;
    const rejected = { revision, reason };
    this.#status = { ...this.#status, rejected, counts: { ...counts, rejected: counts.rejected + 1 } };
    this.#options.source.log.error(
      `The network config of revision ${revision} is refused, the last good one stays in force: ${reason}`,
      { inForce: this.#status.revision },
    );
    this.#options.onChange();
  }
}
