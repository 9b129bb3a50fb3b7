// Keeps the firewall table up to date: marks what the kernel reports as changed, reads it, passes
// it on. Polls where the kernel does not report changes (iptables-legacy, or without the addon).
//
//   kernel notification ──┐
//                         ├──► table stale ──(settle, pause)──► table.refresh() ──► onNotification
//   poll ─────────────────┘
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../../lib/clock.ts';
import { ControlLoop } from '../../../lib/control-loop.ts';
import type { KernelNotification } from '../kernel.ts';
import type { NetlinkSocket, OpenSocket } from '../netlink/datagram-socket.ts';
import type { FirewallScope, FirewallTable } from './firewall-table.ts';
import { openNftNotifications, type NftNotificationOptions } from './nft-notifications.ts';

export interface FirewallWatchOptions {
  readonly table: FirewallTable;
  readonly clock: Clock;
  /** Unset without the addon: the kernel reports no changes. */
  readonly openSocket?: OpenSocket;
  /** Rules of iptables are not rules of nftables on this host. */
  readonly isIptablesLegacy: boolean;
  /** Poll interval where the kernel does not report changes, in ms. */
  readonly pollMs: number;
  /** Must not throw. */
  readonly onNotification: (notification: KernelNotification) => void;
}

/** A transaction may arrive in several datagrams. */
const SETTLE_MS = 10;
/** Shortest time between two reads, in ms: other programs may change rules all the time. */
const PAUSE_MS = 100;
/** A point that became due since the step checked is still in the future for the control loop. */
const MIN_SLEEP_MS = 1;

export class FirewallWatch {
  readonly #options: FirewallWatchOptions;
  readonly #socket: NetlinkSocket | undefined;
  readonly #loop: ControlLoop;
  #pollAtMs = Infinity;
  /** When to refresh the table; Infinity if nothing changed. */
  #refreshAtMs = Infinity;
  #nextReadMs = 0;
  #isClosed = false;

  constructor(options: FirewallWatchOptions) {
    this.#options = options;
    const { clock, openSocket, pollMs } = options;
    const onChange = (scope: FirewallScope | undefined): void => this.#onChange(scope);
    this.#socket = openSocket && tryToListen({ openSocket, onChange });
    if (!this.isNotified) this.#pollAtMs = clock.nowMs() + pollMs;
    this.#loop = new ControlLoop({
      clock,
      step: () => this.#step(),
      deadlinesMs: () => [Math.max(this.#nextDueMs, clock.nowMs() + MIN_SLEEP_MS)],
    });
    this.#loop.start();
  }

  /** Whether the kernel reports every change. */
  get isNotified(): boolean {
    return this.#socket !== undefined && !this.#options.isIptablesLegacy;
  }

  /** Nothing is passed on afterwards. */
  close(): void {
    this.#isClosed = true;
    void this.#loop.stop();
    this.#socket?.close();
  }

  get #nextDueMs(): number {
    return Math.min(this.#pollAtMs, this.#refreshAtMs);
  }

  #onChange(changed: FirewallScope | undefined): void {
    // Tables of nftables with the names of iptables' do not concern iptables-legacy.
    if (this.#options.isIptablesLegacy && changed?.engine === 'iptables') return;
    this.#options.table.markStale(
      (scope) =>
        changed === undefined || (scope.engine === changed.engine && scope.family === changed.family),
    );
    this.#scheduleRefresh();
  }

  #scheduleRefresh(): void {
    if (this.#refreshAtMs < Infinity) return;
    this.#refreshAtMs = Math.max(this.#options.clock.nowMs() + SETTLE_MS, this.#nextReadMs);
    this.#loop.wake();
  }

  async #step(): Promise<boolean> {
    const { clock, pollMs } = this.#options;
    if (clock.nowMs() >= this.#pollAtMs) {
      this.#pollAtMs = clock.nowMs() + pollMs;
      await this.#poll();
    }
    if (clock.nowMs() >= this.#refreshAtMs) await this.#refresh();
    return false;
  }

  async #poll(): Promise<void> {
    const { table } = this.#options;
    const hasSocket = this.#socket !== undefined;
    if (hasSocket && !table.hasRules('iptables') && !(await hasLegacyTables())) return;
    table.markStale(({ engine }) => !hasSocket || engine === 'iptables');
    this.#scheduleRefresh();
  }

  async #refresh(): Promise<void> {
    const { clock, table, onNotification } = this.#options;
    const notifications = await table.refresh();
    this.#nextReadMs = clock.nowMs() + PAUSE_MS;
    this.#refreshAtMs = table.isDirty ? this.#nextReadMs : Infinity;
    if (this.#isClosed) return;
    for (const notification of notifications) onNotification(notification);
  }
}

/** `undefined` without CAP_NET_ADMIN, which joining the group needs and some backends do not. */
function tryToListen(options: NftNotificationOptions): NetlinkSocket | undefined {
  try {
    return openNftNotifications(options);
  } catch {
    return undefined;
  }
}

/** Whether iptables-legacy has any table; read from the kernel without a process. */
async function hasLegacyTables(): Promise<boolean> {
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
  const names = await Promise.all(['ip', 'ip6'].map((prefix) => read(`/proc/net/${prefix}_tables_names`)));
  return names.join('').trim() !== '';
}
