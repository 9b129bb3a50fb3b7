// The firewall's part of the kernel door: its table, and who keeps that true. Only puts the parts together.
import { loadNative } from '../../../native/index.ts';
import type { KernelNotification } from '../kernel.ts';
import type { OpenSocket } from '../netlink/socket.ts';
import { FirewallTable } from './firewall-table.ts';
import { FirewallWatch } from './firewall-watch.ts';
import { NotificationBuffer } from './notification-buffer.ts';
import type { FirewallTools } from './tools.ts';

export interface FirewallClientOptions {
  readonly programs: FirewallTools;
  /** How often to look where nobody tells of changes, in ms. */
  readonly pollMs: number;
}

export class FirewallClient {
  readonly table: FirewallTable;
  readonly #gates: NotificationBuffer[] = [];
  readonly #watch: FirewallWatch;

  /** Listens from the first, so that what was read before somebody subscribes need not be read again. */
  constructor({ programs, pollMs }: FirewallClientOptions, openSocket: OpenSocket) {
    this.table = new FirewallTable(programs);
    this.#watch = new FirewallWatch({
      table: this.table,
      ...(loadNative().native && { openSocket }),
      isIptablesLegacy: programs.iptables?.isLegacy === true,
      pollMs,
      onNotification: (notification) => {
        for (const gate of this.#gates) gate.tell(notification);
      },
    });
  }

  /** Does steps, of whatever kind, with notifications of the firewall kept back. */
  during<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#gates.reduce((inner, gate) => () => gate.during(inner), work)();
  }

  subscribe(onNotification: (notification: KernelNotification) => void): void {
    this.#gates.push(new NotificationBuffer(onNotification));
    if (!this.#watch.isTold) this.table.markStale();
  }

  close(): void {
    this.#watch.close();
  }
}
