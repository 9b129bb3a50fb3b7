// What this host tells operators through the registry: which network config it has in force, and what of a change is left. It
// stands in a key of weft's own, hung on the host's registry lease, so that it goes with the host. Best effort: nothing
// depends on it but "weft config set", which waits for it.
import type { Clock } from '../allocator/clock.ts';
import { HOSTS_FOLDER, type HostReportV1 } from '../allocator/host-report.ts';
import type { Registry, RegistryLeaseId } from '../allocator/registry.ts';
import type { Logger } from './log.ts';
import type { LogRateLimit } from './log-rate-limit.ts';

export interface HostReporterOptions {
  readonly registry: Pick<Registry, 'writeOwn'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
}

const RETRY_MS = 5000;

export class HostReporter {
  readonly #options: HostReporterOptions;
  #wanted: { readonly key: string; readonly value: string; readonly leaseId: RegistryLeaseId } | undefined;
  #written = '';
  #isWriting = false;
  #cancelRetry: () => void = () => undefined;

  constructor(options: HostReporterOptions) {
    this.#options = options;
  }

  /** Makes `report` what operators see of the host `identity`, soon. */
  tell(identity: string, report: HostReportV1, leaseId: RegistryLeaseId): void {
    this.#wanted = { key: `${HOSTS_FOLDER}${identity}`, value: JSON.stringify(report), leaseId };
    if (!this.#isWriting) void this.#work();
  }

  /** Writes nothing more. */
  stop(): void {
    this.#wanted = undefined;
    this.#cancelRetry();
  }

  async #work(): Promise<void> {
    this.#isWriting = true;
    this.#cancelRetry();
    // Later than the caller's own turn: several things often change at once.
    await Promise.resolve();
    for (let text = JSON.stringify(this.#wanted); this.#wanted !== undefined && text !== this.#written;) {
      const isDone = await this.#options.registry.writeOwn(this.#wanted).then(
        () => true,
        (error: Error) => this.#onFailure(error),
      );
      if (!isDone) break;
      this.#written = text;
      text = JSON.stringify(this.#wanted);
    }
    this.#isWriting = false;
  }

  #onFailure({ message }: Error): false {
    const { clock, limit, log } = this.#options;
    if (this.#wanted === undefined) return false;
    if (limit.take('host-report') !== undefined)
      log.warn(`Cannot tell through the registry how this host follows the network config: ${message}`);
    this.#cancelRetry = clock.setTimer(RETRY_MS, () => void (this.#isWriting || this.#work()));
    return false;
  }
}
