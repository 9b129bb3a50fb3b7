// The firewall as part of the Kernel interface: its table, its watch, and the buffers of its
// subscribers. Only wires the components.
import type { Clock } from '../../../lib/clock.ts';
import type { KernelNotification } from '../kernel.ts';
import type { OpenSocket } from '../netlink/datagram-socket.ts';
import { FirewallTable } from './firewall-table.ts';
import { FirewallWatch } from './firewall-watch.ts';
import { NotificationBuffer } from './notification-buffer.ts';
import type { FirewallTools } from './tools.ts';

export interface FirewallClientOptions {
  readonly tools: FirewallTools;
  /** Poll interval where the kernel does not report changes, in ms. */
  readonly pollMs: number;
}

export interface FirewallClientDeps {
  readonly clock: Clock;
  /** Unset without the addon: the kernel reports no changes. */
  readonly openSocket?: OpenSocket;
}

export class FirewallClient {
  readonly table: FirewallTable;
  readonly #buffers: NotificationBuffer[] = [];
  readonly #watch: FirewallWatch;

  /** Watches from the start, so that what was read before a subscription need not be read again. */
  constructor({ tools, pollMs }: FirewallClientOptions, deps: FirewallClientDeps) {
    this.table = new FirewallTable(tools);
    this.#watch = new FirewallWatch({
      ...deps,
      table: this.table,
      isIptablesLegacy: tools.iptables?.isLegacy === true,
      pollMs,
      onNotification: (notification) => {
        for (const buffer of this.#buffers) buffer.push(notification);
      },
    });
  }

  /** Runs steps, of any kind, while notifications of the firewall are buffered. */
  during<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#buffers.reduce((inner, buffer) => () => buffer.during(inner), work)();
  }

  /** `onNotification` must not throw. */
  subscribe(onNotification: (notification: KernelNotification) => void): void {
    this.#buffers.push(new NotificationBuffer(onNotification));
    if (!this.#watch.isNotified) this.table.markStale();
  }

  close(): void {
    this.#watch.close();
  }
}
