// The real kernel behind the door: rtnetlink for links and tables, generic netlink for offloads of devices, the packet path for what the kernel does not encapsulate,
// the firewall's programs for its rules, /proc/sys for sysctls. Only puts the parts together.
import { loadNative } from '../../native/index.ts';
import { Features } from './features.ts';
import { FirewallClient, type FirewallClientOptions } from './firewall/firewall-client.ts';
import type { Kernel, KernelNotification, StepResult } from './kernel.ts';
import { NetlinkClient } from './netlink/netlink-client.ts';
import { openNetlinkSocket, type OpenSocket } from './netlink/socket.ts';
import { applySteps } from './netlink-apply.ts';
import { NotificationReader } from './netlink-notifications.ts';
import { lookupRoute, openTables } from './netlink-reader.ts';
import { PathTable, type PathTableOptions } from './path-table.ts';
import { readInterfaces, readRoutes, readState } from './state-reader.ts';
import { readSysctl } from './sysctl.ts';

export interface NetlinkKernelOptions extends PathTableOptions {
  /** How long to wait for an answer, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
  /**
   * Receive buffer for notifications to ask for, in bytes; default 32 MiB, which holds the echoes of 10,000 peers' worth of
   * steps: the socket is read 32 notifications at a time. More at once are an overrun. The memory is used only while needed.
   */
  readonly notificationBytes?: number;
  /** Without weft's addon there are no notifications: every so many milliseconds (default 10,000) an overrun is told. */
  readonly pollMs?: number;
  readonly openSocket?: OpenSocket;
  /** Without it the firewall is left alone. */
  readonly firewall?: FirewallClientOptions;
}

/** Opens the door to the kernel of this network namespace. @throws Error with errno if there is no netlink. */
export function openNetlinkKernel(options: NetlinkKernelOptions = {}): Kernel {
  const openSocket = options.openSocket ?? openNetlinkSocket;
  const client = new NetlinkClient({ ...options, openSocket });
  const tables = openTables(client);
  const path = new PathTable(options);
  const features = new Features({ ...options, openSocket });
  const firewall = options.firewall && new FirewallClient(options.firewall, openSocket);
  const readers: { close(): void }[] = [];
  return {
    readState: (ownership) => readState({ tables, path, firewall: firewall?.table }, ownership),
    readInterfaces: () => readInterfaces(tables),
    readRoutes: () => readRoutes(tables),
    lookupRoute: (address) => lookupRoute(client, address),
    readForwardDrops: async () => (await firewall?.table.readForwardDrops()) ?? [],
    readSysctl,
    readFeature: (dev, name) => features.read(dev, name),
    apply: (steps) => {
      const work = (): Promise<StepResult[]> =>
        applySteps({ client, path, features, firewall: firewall?.table }, steps);
      return firewall ? firewall.during(work) : work();
    },
    subscribe: (ownership, onEach) => {
      const onNotification = (notification: KernelNotification): void => {
        if (notification.kind === 'underlay-route') path.refreshSoon();
        onEach(notification);
      };
      const receiveBytes = options.notificationBytes ?? 32 << 20;
      const readLinks = (): ReturnType<typeof tables.links> => tables.links();
      readers.push(
        loadNative().native === undefined
          ? tellOverruns(onNotification, options.pollMs ?? 10_000)
          : new NotificationReader({ openSocket, receiveBytes, readLinks, ownership, onNotification }),
      );
      firewall?.subscribe(onNotification);
    },
    close: () => {
      path.end();
      firewall?.close();
      for (const reader of readers) reader.close();
      features.close();
      client.close();
    },
  };
}

/** Without the addon a socket that overflows would end the process, so none listens: the reader looks by itself. */
function tellOverruns(
  onNotification: (notification: KernelNotification) => void,
  intervalMs: number,
): { close(): void } {
  const timer = setInterval(() => onNotification({ kind: 'overrun' }), intervalMs);
  return { close: () => clearInterval(timer) };
}
