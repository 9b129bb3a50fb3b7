// The real kernel behind the door: rtnetlink for links and tables, /proc/sys for sysctls. Only puts the parts together.
import type { Kernel } from './kernel.ts';
import { RequestEngine } from './netlink/request-engine.ts';
import { openNetlinkSocket, type OpenSocket } from './netlink/socket.ts';
import { applySteps } from './netlink-apply.ts';
import { NoticeReader } from './netlink-notices.ts';
import { lookupRoute, openTables } from './netlink-reader.ts';
import { readInterfaces, readRoutes, readState } from './state-reader.ts';
import { readSysctl } from './sysctl.ts';

export interface NetlinkKernelOptions {
  /** How long to wait for an answer, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
  /**
   * Receive buffer for notices to ask for, in bytes; default 8 MiB: more notices than that at once are an overrun.
   * Without weft's addon net.core.rmem_max bounds it.
   */
  readonly noticeBytes?: number;
  readonly openSocket?: OpenSocket;
}

/** Opens the door to the kernel of this network namespace. @throws Error with errno if there is no netlink. */
export function openNetlinkKernel(options: NetlinkKernelOptions = {}): Kernel {
  const openSocket = options.openSocket ?? openNetlinkSocket;
  const engine = new RequestEngine({ ...options, openSocket });
  const tables = openTables(engine);
  const readers: NoticeReader[] = [];
  return {
    readState: (ownership) => readState(tables, ownership),
    readInterfaces: () => readInterfaces(tables),
    readRoutes: () => readRoutes(tables),
    lookupRoute: (address) => lookupRoute(engine, address),
    readSysctl,
    apply: (steps) => applySteps(engine, steps),
    subscribe: (ownership, onNotice) => {
      const receiveBytes = options.noticeBytes ?? 8 << 20;
      readers.push(
        new NoticeReader({ openSocket, receiveBytes, readLinks: () => tables.links(), ownership, onNotice }),
      );
    },
    close: () => {
      for (const reader of readers) reader.close();
      engine.close();
    },
  };
}
