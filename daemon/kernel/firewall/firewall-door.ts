// The firewall's part of the kernel door: its table, and who keeps that true. Only puts the parts together.
import { loadNative } from '../../../native/index.ts';
import type { KernelNotice } from '../kernel.ts';
import type { OpenSocket } from '../netlink/socket.ts';
import { FirewallTable } from './firewall-table.ts';
import { FirewallWatch } from './firewall-watch.ts';
import { NoticeGate } from './notice-gate.ts';
import type { FirewallPrograms } from './programs.ts';

export interface FirewallDoorOptions {
  readonly programs: FirewallPrograms;
  /** How often to look where nobody tells of changes, in ms. */
  readonly pollMs: number;
}

export class FirewallDoor {
  readonly table: FirewallTable;
  readonly #options: FirewallDoorOptions;
  readonly #gates: NoticeGate[] = [];
  readonly #watches: FirewallWatch[] = [];

  constructor(options: FirewallDoorOptions) {
    this.#options = options;
    this.table = new FirewallTable(options.programs);
  }

  /** Does steps, of whatever kind, with notices of the firewall kept back. */
  during<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#gates.reduce((inner, gate) => () => gate.during(inner), work)();
  }

  subscribe(openSocket: OpenSocket, onNotice: (notice: KernelNotice) => void): void {
    const gate = new NoticeGate(onNotice);
    this.#gates.push(gate);
    // Nobody told what changed until now.
    this.table.markStale();
    this.#watches.push(
      new FirewallWatch({
        table: this.table,
        ...(loadNative().native && { openSocket }),
        isIptablesLegacy: this.#options.programs.iptables?.isLegacy === true,
        pollMs: this.#options.pollMs,
        onNotice: (notice) => gate.tell(notice),
      }),
    );
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }
}
