// Keeps what is known of the firewall true: listens to the kernel, reads what changed, and passes it on. Where nobody tells
// (iptables-legacy, or without the addon) it looks by itself, now and then.
import { readFile } from 'node:fs/promises';
import type { KernelNotification } from '../kernel.ts';
import type { NetlinkSocket, OpenSocket } from '../netlink/socket.ts';
import type { FirewallScope, FirewallTable } from './firewall-table.ts';
import { openNftNotifications, type NftNotificationOptions } from './nft-notifications.ts';

export interface FirewallWatchOptions {
  readonly table: FirewallTable;
  /** Unset without the addon: nobody tells of changes. */
  readonly openSocket?: OpenSocket;
  /** Rules of iptables are not rules of nftables here. */
  readonly isIptablesLegacy: boolean;
  /** How often to look where nobody tells, in ms. */
  readonly pollMs: number;
  readonly onNotification: (notification: KernelNotification) => void;
}

/** A transaction may come in several datagrams. */
const SETTLE_MS = 10;
/** Shortest time between two reads, in ms: other programs may change rules all the time. */
const PAUSE_MS = 100;

export class FirewallWatch {
  readonly #options: FirewallWatchOptions;
  readonly #socket: NetlinkSocket | undefined;
  readonly #poll: NodeJS.Timeout | undefined;
  #refresh: NodeJS.Timeout | undefined;
  #nextReadMs = 0;
  #isReading = false;
  #isClosed = false;

  constructor(options: FirewallWatchOptions) {
    this.#options = options;
    const { openSocket, pollMs } = options;
    const onChange = (part: FirewallScope | undefined): void => this.#onChange(part);
    this.#socket = openSocket && tryToListen({ openSocket, onChange });
    if (!this.isTold) this.#poll = setInterval(() => void this.#lookAround(), pollMs).unref();
  }

  /** Whether the kernel tells of every change. */
  get isTold(): boolean {
    return this.#socket !== undefined && !this.#options.isIptablesLegacy;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#refresh);
    this.#socket?.close();
  }

  #onChange(changed: FirewallScope | undefined): void {
    // Tables of nftables with the names of iptables' are nothing to iptables-legacy.
    if (this.#options.isIptablesLegacy && changed?.engine === 'iptables') return;
    this.#options.table.markStale(
      (part) => changed === undefined || (part.engine === changed.engine && part.family === changed.family),
    );
    this.#plan();
  }

  async #lookAround(): Promise<void> {
    const { table } = this.#options;
    const isTold = this.#socket !== undefined;
    if (isTold && !table.hasRules('iptables') && !(await hasLegacyTables())) return;
    table.markStale(({ engine }) => !isTold || engine === 'iptables');
    this.#plan();
  }

  #plan(): void {
    if (this.#isClosed || this.#isReading || this.#refresh !== undefined) return;
    const waitMs = Math.max(SETTLE_MS, this.#nextReadMs - performance.now());
    this.#refresh = setTimeout(() => void this.#read(), waitMs);
  }

  async #read(): Promise<void> {
    const { table, onNotification } = this.#options;
    this.#refresh = undefined;
    this.#isReading = true;
    const notifications = await table.refresh();
    this.#isReading = false;
    this.#nextReadMs = performance.now() + PAUSE_MS;
    if (this.#isClosed) return;
    for (const notification of notifications) onNotification(notification);
    if (table.hasNews) this.#plan();
  }
}

/** Without CAP_NET_ADMIN, which some backends do not need, nobody may listen. */
function tryToListen(options: NftNotificationOptions): NetlinkSocket | undefined {
  try {
    return openNftNotifications(options);
  } catch {
    return undefined;
  }
}

/** Whether iptables-legacy has any table; asked of the kernel without starting a process. */
async function hasLegacyTables(): Promise<boolean> {
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
  const names = await Promise.all(['ip', 'ip6'].map((word) => read(`/proc/net/${word}_tables_names`)));
  return names.join('').trim() !== '';
}
