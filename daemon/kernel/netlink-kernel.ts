// The Kernel interface over the real kernel: rtnetlink for links and tables, generic netlink for
// offloads, the packet path for its devices and routes, nft and iptables for the firewall,
// /proc/sys for sysctls. Only wires the components.
import { systemClock, type Clock } from '../../lib/clock.ts';
import { CloudRoutes } from './cloud/cloud-routes.ts';
import { CommandTable, type CommandTableOptions } from './commands/command-table.ts';
import { IkeConnections } from './ipsec/ike-connections.ts';
import { XfrmPolicies } from './ipsec/xfrm-policies.ts';
import { KnownDevices } from './known-devices.ts';
import { FouPorts } from './fou-ports.ts';
import { Features } from './features.ts';
import { FirewallClient, type FirewallClientOptions } from './firewall/firewall-client.ts';
import type { Kernel, KernelNotification, StepResult } from './kernel.ts';
import { NetlinkClient } from './netlink/netlink-client.ts';
import type { OpenSocket } from './netlink/datagram-socket.ts';
import { socketOpener, type NetlinkNative } from './netlink/socket.ts';
import { applySteps } from './netlink-apply.ts';
import { isTableStep } from './netlink-steps.ts';
import { NotificationReader, type NotificationReaderOptions } from './netlink-notifications.ts';
import { lookupRoute, openTables, readLink } from './netlink-reader.ts';
import { PathTable, type PathTableOptions } from './path-table.ts';
import { ReadMemory } from './read-memory.ts';
import { readInterfaces, readRoutes, readState } from './state-reader.ts';
import { readSysctl } from './sysctl.ts';
import { WireguardDevices } from './wireguard/wireguard-devices.ts';
import type { WireguardKeyring } from './wireguard/wireguard-keyring.ts';

/** Without the addon the kernel does them in the event loop: some sixty routes, of which each takes it up to 200 µs. */
const SEND_BYTES = 5 * 1024;

export interface NetlinkKernelOptions extends PathTableOptions {
  /**
   * Weft's addon; without it dumps are unfiltered, errors have no text, and there are no
   * notifications.
   */
  readonly native: NetlinkNative | undefined;
  /** Default {@link systemClock}. */
  readonly clock?: Clock;
  /** How long to wait for an answer, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
  /**
   * Receive buffer for notifications to request, in bytes; default 32 MiB, which holds the
   * self-notifications of 10,000 peers' worth of steps: the socket is read each 4 ms. More at once are an overrun. The kernel allocates the memory only while needed.
   */
  readonly notificationBytes?: number;
  /** Without the addon an overrun is reported every so many milliseconds; default 10,000. */
  readonly pollMs?: number;
  /** Default {@link socketOpener} of `native`. */
  readonly openSocket?: OpenSocket;
  /** Secrets for WireGuard devices; default: none, so that they can be read and not made. */
  readonly keyring?: WireguardKeyring | undefined;
  /** Unset: the firewall is not managed. */
  readonly firewall?: FirewallClientOptions;
  /** Unset: no commands are run. */
  readonly commands?: CommandTableOptions;
}

const DEFAULT_NOTIFICATION_BYTES = 32 << 20;
const DEFAULT_POLL_MS = 10_000;

/** Opens the kernel of this network namespace. @throws Error with errno if there is no netlink. */
export function openNetlinkKernel(options: NetlinkKernelOptions): Kernel {
  const { native, clock = systemClock, openSocket = socketOpener(native) } = options;
  const hasNotifications = native !== undefined;
  const client = new NetlinkClient({
    ...options,
    openSocket,
    ...(!hasNotifications && { sendBytes: SEND_BYTES }),
  });
  const devices = new KnownDevices(hasNotifications);
  const fouPorts = new FouPorts({ ...options, openSocket });
  const wireguard = new WireguardDevices({ ...options, openSocket, keyring: options.keyring });
  const { endpoints } = wireguard;
  const tables = openTables(client, fouPorts, wireguard);
  const path = new PathTable(options);
  const memory = new ReadMemory();
  const features = new Features({ ...options, openSocket });
  const firewall =
    options.firewall &&
    new FirewallClient(options.firewall, { clock, ...(hasNotifications && { openSocket }) });
  const policies = new XfrmPolicies({ ...options, openSocket });
  let onCharonGone = (): void => undefined;
  const ike = new IkeConnections({
    onGone: () => onCharonGone(),
    listSas: () => policies.listSas(),
  });
  const cloudRoutes = new CloudRoutes((url, init) => fetch(url, init));
  const commands = options.commands && new CommandTable(options.commands);
  const readers: Pick<NotificationReader, 'drain' | 'close'>[] = [];
  const drainAll = (): Promise<unknown> => Promise.all(readers.map((reader) => reader.drain()));
  const startReader = (reader: Pick<NotificationReaderOptions, 'ownership' | 'onNotification'>): void => {
    const { notificationBytes = DEFAULT_NOTIFICATION_BYTES, pollMs = DEFAULT_POLL_MS } = options;
    const readLinks = (): ReturnType<typeof tables.links> => tables.links();
    readers.push(
      hasNotifications
        ? new NotificationReader({ ...reader, clock, openSocket, receiveBytes: notificationBytes, readLinks })
        : reportOverruns(reader.onNotification, pollMs),
    );
  };
  return {
    readState: (ownership, known) =>
      readState(
        { tables, path, memory, endpoints, firewall: firewall?.table, policies, ike, cloudRoutes, commands },
        ownership,
        known,
      ),
    readInterfaces: () => readInterfaces(tables),
    readRoutes: (filter) => readRoutes(tables, filter),
    lookupRoute: (address) => lookupRoute(client, address),
    readForwardDrops: async () => (await firewall?.table.readForwardDrops()) ?? [],
    readSysctl,
    readFeature: (dev, name) => features.read(dev, name),
    readWireguard: async (name) => {
      const link = await readLink(client, { name });
      return link && wireguard.read(link);
    },
    apply: async (steps) => {
      const work = (): Promise<StepResult[]> =>
        applySteps(
          {
            client,
            devices,
            path,
            features,
            fouPorts,
            wireguard,
            firewall: firewall?.table,
            policies,
            ike,
            cloudRoutes,
            commands,
          },
          steps,
        );
      // Batches of entries overlap, and change nothing of the firewall.
      if (steps.every(isTableStep)) return work();
      const results = await (firewall === undefined ? work() : firewall.during(work));
      await drainAll();
      return results;
    },
    runStartup: async (command) =>
      (await commands?.runStartup(command)) ?? { ok: false, message: 'no commands are run here' },
    subscribe: (ownership, onEach) => {
      const onNotification = (notification: KernelNotification): void => {
        if (notification.kind === 'underlay-route') path.refreshSoon();
        if (notification.kind === 'interfaces' || notification.kind === 'overrun') devices.forget();
        onEach(notification);
      };
      startReader({ ownership, onNotification });
      // Any state may have changed: it is read again.
      const onIpsecChanged = (): void => onEach({ kind: 'interfaces', names: [] });
      onCharonGone = onIpsecChanged;
      if (hasNotifications) policies.subscribe(onIpsecChanged, () => ike.onSaEnded());
      firewall?.subscribe(onNotification);
    },
    close: () => {
      path.end();
      commands?.close();
      policies.close();
      ike.close();
      firewall?.close();
      for (const reader of readers) reader.close();
      features.close();
      fouPorts.close();
      wireguard.close();
      client.close();
    },
  };
}

/**
 * A socket that overflows without the addon would end the process, so none listens: the subscriber
 * resyncs instead.
 */
function reportOverruns(
  onNotification: (notification: KernelNotification) => void,
  intervalMs: number,
): Pick<NotificationReader, 'drain' | 'close'> {
  const timer = setInterval(() => onNotification({ kind: 'overrun' }), intervalMs);
  return { drain: () => Promise.resolve(), close: () => clearInterval(timer) };
}
