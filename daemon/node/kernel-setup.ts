// Opens the kernel of this host. Each read also logs what changed at the packet path.
import type { Native } from '../../native/index.ts';
import type { PacketPath } from '../../native/packet-path.ts';
import type { DescriptorStore } from '../kernel/path-table.ts';
import type { FirewallClientOptions } from '../kernel/firewall/firewall-client.ts';
import type { WireguardKeyring } from '../kernel/wireguard/wireguard-keyring.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { openNetlinkKernel } from '../kernel/netlink-kernel.ts';
import type { Logger } from '../log/log.ts';
import { PacketPathLog } from '../log/packet-path-log.ts';

export interface KernelSetup {
  readonly native: Native | undefined;
  readonly packetPath: PacketPath | undefined;
  readonly descriptorStore: DescriptorStore;
  readonly firewall: FirewallClientOptions;
  /** Secrets of WireGuard. */
  readonly keyring: WireguardKeyring;
  readonly log: Logger;
}

export function openKernel({ log, ...options }: KernelSetup): Kernel {
  const { packetPath } = options;
  const kernel = openNetlinkKernel(options);
  if (packetPath === undefined) return kernel;
  const pathLog = new PacketPathLog(log);
  return {
    ...kernel,
    readState: async (ownership) => {
      const state = await kernel.readState(ownership);
      pathLog.update(packetPath);
      return state;
    },
  };
}
