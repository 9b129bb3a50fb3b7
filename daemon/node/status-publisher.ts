// What this host tells operators through the registry: which network config it has in force, and what of a change is left. It
// stands in a key of weft's own, hung on the host's registry lease, so that it goes with the host; a reservation has none, so
// that the report then hangs on a short one of its own. Best effort: nothing depends on it but "weft config set", which waits
// for it.
import type { Clock } from '../../lib/clock.ts';
import { HOSTS_FOLDER, type HostReportV1 } from '../../allocator/registry/node-status.ts';
import {
  NO_LEASE,
  RegistryError,
  type NewEntry,
  type Registry,
  type LeaseId,
} from '../../allocator/registry/registry.ts';
import type { ConfigStatus } from './config-watcher.ts';
import type { Logger } from '../log/log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { MigrationStatus } from '../overlay/overlay-status.ts';

export interface StatusPublisherOptions {
  readonly registry: Pick<Registry, 'writeMeta' | 'grant' | 'keepAlive'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
}

const RETRY_MS = 5000;
/** How long the report of a host with a reservation outlives its daemon. */
const REPORT_TTL_SEC = 60;

export class StatusPublisher {
  readonly #options: StatusPublisherOptions;
  #wanted: NewEntry | undefined;
  #written = '';
  #isWriting = false;
  #cancelRetry: () => void = () => undefined;
  /** Instead of the host's own, where that is {@link NO_LEASE}. */
  #lease: LeaseId | undefined;
  #cancelRenewal: () => void = () => undefined;

  constructor(options: StatusPublisherOptions) {
    this.#options = options;
  }

  /** Makes `report` what operators see of the host `identity`, soon. */
  tell(identity: string, report: HostReportV1, leaseId: LeaseId): void {
    this.#wanted = { key: `${HOSTS_FOLDER}${identity}`, value: JSON.stringify(report), leaseId };
    if (!this.#isWriting) void this.#work();
  }

  /** Writes nothing more. */
  stop(): void {
    this.#wanted = undefined;
    this.#cancelRetry();
    this.#cancelRenewal();
  }

  async #work(): Promise<void> {
    this.#isWriting = true;
    this.#cancelRetry();
    // Later than the caller's own turn: several things often change at once.
    await Promise.resolve();
    for (let text = JSON.stringify(this.#wanted); this.#wanted !== undefined && text !== this.#written;) {
      const isDone = await this.#write(this.#wanted).then(
        () => true,
        (error: Error) => this.#onFailure(error),
      );
      if (!isDone) break;
      this.#written = text;
      text = JSON.stringify(this.#wanted);
    }
    this.#isWriting = false;
  }

  async #write(entry: NewEntry): Promise<void> {
    const isReservation = entry.leaseId === NO_LEASE;
    if (!isReservation) this.#cancelRenewal();
    const leaseId = isReservation ? await this.#ensureLease() : entry.leaseId;
    await this.#options.registry.writeMeta({ ...entry, leaseId });
  }

  async #ensureLease(): Promise<LeaseId> {
    this.#lease ??= await this.#options.registry.grant(REPORT_TTL_SEC);
    this.#planRenewal();
    return this.#lease;
  }

  #planRenewal(): void {
    this.#cancelRenewal();
    if (this.#wanted === undefined) return;
    const delayMs = (REPORT_TTL_SEC * 1000) / 3;
    this.#cancelRenewal = this.#options.clock.setTimer(delayMs, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) return;
    // Unanswered, it is tried again at its time.
    const secondsLeft = await this.#options.registry.keepAlive(lease).catch(() => undefined);
    if (secondsLeft !== 0) return this.#planRenewal();
    this.#forgetLease();
    if (this.#wanted !== undefined && !this.#isWriting) void this.#work();
  }

  #forgetLease(): void {
    this.#lease = undefined;
    this.#written = '';
  }

  #onFailure(error: Error): false {
    const { clock, limit, log } = this.#options;
    const { message } = error;
    if (error instanceof RegistryError && error.code === 'REGISTRY_LEASE_NOT_FOUND') this.#forgetLease();
    if (this.#wanted === undefined) return false;
    if (limit.take('host-report') !== undefined)
      log.warn(`Cannot tell through the registry how this host follows the network config: ${message}`);
    this.#cancelRetry = clock.setTimer(RETRY_MS, () => void (this.#isWriting || this.#work()));
    return false;
  }
}

/** What a host with the key `key` has to tell. */
export function hostReport(
  key: string,
  { revision, rejected }: ConfigStatus,
  migration: MigrationStatus | undefined,
): HostReportV1 {
  return {
    version: 1,
    key,
    config: { revision, ...(rejected && { rejected }) },
    ...(migration && { migration: toReport(migration) }),
  };
}

function toReport({
  pendingPeers,
  blocker,
  ...migration
}: MigrationStatus): NonNullable<HostReportV1['migration']> {
  return {
    ...migration,
    waitingFor: pendingPeers.length,
    ...(blocker !== undefined && { obstacle: blocker }),
  };
}
