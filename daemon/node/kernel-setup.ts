// Opens the kernel of this host. Each read also logs what changed at the packet path.
import type { Native } from '../../native/index.ts';
import type { PacketPath } from '../../native/packet-path.ts';
import type { DescriptorStore } from '../kernel/path-table.ts';
import type { FirewallClientOptions } from '../kernel/firewall/firewall-client.ts';
import type { WireguardKeyring } from '../kernel/wireguard/wireguard-keyring.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { openNetlinkKernel } from '../kernel/netlink-kernel.ts';
import type { Logger } from '../log/log.ts';
import { logCommandRun } from '../log/command-log.ts';
import type { CommandRun } from '../kernel/commands/command-table.ts';
import { commandRecordsPath } from '../kernel/commands/command-records.ts';
import { readBootIdentity } from '../host/boot-identity.ts';
import { PacketPathLog } from '../log/packet-path-log.ts';

export interface KernelSetup {
  readonly native: Native | undefined;
  readonly packetPath: PacketPath | undefined;
  readonly descriptorStore: DescriptorStore;
  readonly firewall: FirewallClientOptions;
  /** Secrets of WireGuard. */
  readonly keyring: WireguardKeyring;
  readonly log: Logger;
  /** What commands ran is kept beside it. */
  readonly subnetFile: string;
}

export function openKernel({ log, subnetFile, ...options }: KernelSetup): Kernel {
  const { packetPath } = options;
  const commands = {
    path: commandRecordsPath(subnetFile),
    boot: () => readBootIdentity(),
    onRun: (run: CommandRun) => logCommandRun(log, run),
  };
  const kernel = openNetlinkKernel({ ...options, commands });
  if (packetPath === undefined) return kernel;
  const pathLog = new PacketPathLog(log);
  return {
    ...kernel,
    readState: async (ownership, known) => {
      const state = await kernel.readState(ownership, known);
      pathLog.update(packetPath);
      return state;
    },
  };
}
