// Publishes the status of this node in the registry: which network config it has in force, and the
// migration in progress. The key is weft's own and hangs on the node's registry lease, so that it
// goes with the node. A reservation has no registry lease; its status hangs on a short one of its
// own. Best effort: only "weft config set" waits for it. Where the status of another host appears under
// the key, two hosts have one public IP.
import type { Clock } from '../../../lib/clock.ts';
import { ControlLoop } from '../../../lib/control-loop.ts';
import { HOSTS_FOLDER, parseHostReport, type HostReportV1 } from '../../../allocator/registry/node-status.ts';
import {
  NO_LEASE,
  RegistryError,
  type NewEntry,
  type Registry,
  type LeaseId,
} from '../../../allocator/registry/registry.ts';
import {
  initialConflict,
  onKeyWritten,
  onRead,
  onReadFailed,
  type ConflictEffect,
  type PublicIpConflict,
} from '../../host/public-ip-conflict.ts';
import type { ConfigStatus } from '../config-watcher.ts';
import type { Logger } from '../../log/log.ts';
import type { LogRateLimit } from '../../log/log-rate-limit.ts';
import type { MigrationStatus } from '../../overlay/overlay-status.ts';

export interface StatusPublisherOptions {
  readonly registry: Pick<Registry, 'readMeta' | 'writeMeta' | 'grant' | 'keepAlive'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  /** Unset: conflicts are not detected. */
  readonly conflicts?: ConflictListener;
}

export interface ConflictListener {
  /** Of this host, see {@link HostReportV1.boot}. */
  readonly boot: string;
  /** Writes the own key again as it is. */
  readonly touch: () => Promise<void>;
  /** Another host publishes this host's address, or does no more. */
  readonly onConflict: (nodeId: string, count: number) => void;
  readonly onResolved: (nodeId: string) => void;
}

const RETRY_MS = 5000;
/** How long the status of a node with a reservation outlives its daemon. */
const STATUS_TTL_SEC = 60;
const RENEWAL_MS = (STATUS_TTL_SEC * 1000) / 3;

export class StatusPublisher {
  readonly #options: StatusPublisherOptions;
  readonly #loop: ControlLoop;
  #wanted: NewEntry | undefined;
  /** Text of the entry that was written last. */
  #written = '';
  /** Replaces the node's own registry lease where that is {@link NO_LEASE}. */
  #lease: LeaseId | undefined;
  #renewAtMs = Infinity;
  #retryAtMs = -Infinity;
  #conflict: PublicIpConflict;

  constructor(options: StatusPublisherOptions) {
    this.#options = options;
    this.#conflict = initialConflict(this.#now);
    this.#loop = new ControlLoop({
      clock: options.clock,
      step: () => this.#step(),
      deadlinesMs: () => [this.#renewAtMs, this.#retryAtMs, this.#checkAtMs],
    });
    this.#loop.start();
  }

  /** Publishes `status` for the node `nodeId`, soon. */
  publish(nodeId: string, status: HostReportV1, leaseId: LeaseId): void {
    const key = `${HOSTS_FOLDER}${nodeId}`;
    if (key !== this.#wanted?.key) this.#conflict = initialConflict(this.#now);
    this.#wanted = { key, value: JSON.stringify(status), leaseId };
    this.#retryAtMs = -Infinity;
    this.#loop.wake();
  }

  /** A key with this host's public address was written, by whichever host. */
  checkConflict(): void {
    this.#conflict = onKeyWritten(this.#conflict, this.#now);
    this.#loop.wake();
  }

  /** Writes nothing more. */
  stop(): void {
    this.#wanted = undefined;
    void this.#loop.stop();
  }

  /** Renews the lease or writes the entry; returns whether another may be due. */
  async #step(): Promise<boolean> {
    const nowMs = this.#options.clock.nowMs();
    if (this.#wanted === undefined) return false;
    if (this.#lease !== undefined && nowMs >= this.#renewAtMs) await this.#renew(this.#lease);
    if (nowMs >= this.#checkAtMs) await this.#check(this.#wanted.key);
    const entry = this.#wanted;
    const text = JSON.stringify(entry);
    if (entry === undefined || text === this.#written || nowMs < this.#retryAtMs) return false;
    try {
      await this.#write(entry);
      this.#written = text;
      return true;
    } catch (error) {
      this.#onFailure(error as Error);
      return false;
    }
  }

  get #now(): { readonly ms: number } {
    return { ms: this.#options.clock.nowMs() };
  }

  get #checkAtMs(): number {
    return this.#options.conflicts === undefined ? Infinity : this.#conflict.dueMs;
  }

  /** Reads what is published under `key`; another host may have written it. */
  async #check(key: string): Promise<void> {
    const { conflicts, registry } = this.#options;
    const isFirst = !this.#written.includes(`"${key}"`);
    try {
      const found = await registry.readMeta(key);
      // Meanwhile this host may have another address.
      if (key !== this.#wanted?.key) return;
      const boot = found && parseHostReport(found.text)?.boot;
      const isForeign = boot !== undefined && boot !== conflicts?.boot;
      const { state, effects } = onRead(this.#conflict, { isForeign, isFirst }, this.#now);
      this.#conflict = state;
      for (const effect of effects) await this.#perform(effect, key);
    } catch {
      this.#conflict = onReadFailed(this.#conflict, this.#now);
    }
  }

  async #perform(effect: ConflictEffect, key: string): Promise<void> {
    const { conflicts } = this.#options;
    const nodeId = key.slice(HOSTS_FOLDER.length);
    switch (effect.kind) {
      case 'rewrite':
        return this.#rewrite();
      case 'touch':
        return conflicts?.touch();
      case 'report-contested':
        return conflicts?.onConflict(nodeId, effect.count);
      case 'report-unique':
        return conflicts?.onResolved(nodeId);
    }
  }

  /** A status that is wanted meanwhile is left to the next step. */
  async #rewrite(): Promise<void> {
    const entry = this.#wanted;
    this.#written = '';
    if (entry === undefined) return;
    await this.#write(entry);
    this.#written = JSON.stringify(entry);
  }

  async #write(entry: NewEntry): Promise<void> {
    const isReservation = entry.leaseId === NO_LEASE;
    const leaseId = isReservation ? await this.#ensureLease() : entry.leaseId;
    if (!isReservation) this.#renewAtMs = Infinity;
    await this.#options.registry.writeMeta({ ...entry, leaseId });
  }

  async #ensureLease(): Promise<LeaseId> {
    const { clock, registry } = this.#options;
    if (this.#lease !== undefined) return this.#lease;
    this.#lease = await registry.grant(STATUS_TTL_SEC);
    this.#renewAtMs = clock.nowMs() + RENEWAL_MS;
    return this.#lease;
  }

  async #renew(lease: LeaseId): Promise<void> {
    const { clock, registry } = this.#options;
    // Without an answer the next renewal is due at its time.
    const secondsLeft = await registry.keepAlive(lease).catch(() => undefined);
    this.#renewAtMs = clock.nowMs() + RENEWAL_MS;
    if (secondsLeft === 0) this.#forgetLease();
  }

  #forgetLease(): void {
    this.#lease = undefined;
    this.#written = '';
    this.#renewAtMs = Infinity;
  }

  #onFailure(error: Error): void {
    const { clock, limit, log } = this.#options;
    if (error instanceof RegistryError && error.code === 'REGISTRY_LEASE_NOT_FOUND') this.#forgetLease();
    if (this.#wanted === undefined) return;
    this.#retryAtMs = clock.nowMs() + RETRY_MS;
    if (limit.take('host-report') !== undefined)
      log.warn(`Cannot publish the status of this node in the registry, trying again: ${error.message}`);
  }
}

/** What the status says of the host itself. */
export type HostIdentityReport = Pick<HostReportV1, 'answersPeers' | 'boot' | 'name' | 'underlayMtu'>;

/** Status of the node with the lease `key`. */
export function nodeStatus(
  key: string,
  { revision, rejected }: ConfigStatus,
  migration: MigrationStatus | undefined,
  { answersPeers, boot, name, underlayMtu }: HostIdentityReport = {},
): HostReportV1 {
  return {
    version: 1,
    ...(boot !== undefined && { boot }),
    ...(name !== undefined && { name }),
    ...(underlayMtu !== undefined && { underlayMtu }),
    ...(answersPeers !== undefined && { answersPeers }),
    key,
    config: { revision, ...(rejected && { rejected }) },
    ...(migration && { migration: migrationReport(migration) }),
  };
}

function migrationReport({
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
