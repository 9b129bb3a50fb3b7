// The firewall's part of the kernel door: its table, and who keeps that true. Only puts the parts together.
import { loadNative } from '../../../native/index.ts';
import type { KernelNotification } from '../kernel.ts';
import type { OpenSocket } from '../netlink/socket.ts';
import { FirewallTable } from './firewall-table.ts';
import { FirewallWatch } from './firewall-watch.ts';
import { NotificationBuffer } from './notification-buffer.ts';
import type { FirewallPrograms } from './tools.ts';

export interface FirewallDoorOptions {
  readonly programs: FirewallPrograms;
  /** How often to look where nobody tells of changes, in ms. */
  readonly pollMs: number;
}

export class FirewallClient {
  readonly table: FirewallTable;
  readonly #gates: NotificationBuffer[] = [];
  readonly #watch: FirewallWatch;

  /** Listens from the first, so that what was read before somebody subscribes need not be read again. */
  constructor({ programs, pollMs }: FirewallDoorOptions, openSocket: OpenSocket) {
    this.table = new FirewallTable(programs);
    this.#watch = new FirewallWatch({
      table: this.table,
      ...(loadNative().native && { openSocket }),
      isIptablesLegacy: programs.iptables?.isLegacy === true,
      pollMs,
      onNotice: (notice) => {
        for (const gate of this.#gates) gate.tell(notice);
      },
    });
  }

  /** Does steps, of whatever kind, with notices of the firewall kept back. */
  during<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#gates.reduce((inner, gate) => () => gate.during(inner), work)();
  }

  subscribe(onNotice: (notice: KernelNotification) => void): void {
    this.#gates.push(new NotificationBuffer(onNotice));
    if (!this.#watch.isTold) this.table.markStale();
  }

  close(): void {
    this.#watch.close();
  }
}
