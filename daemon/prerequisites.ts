// What the process needs before it may lease anything, so that nothing half-done stays behind.
import { readFile } from 'node:fs/promises';
import type { BackendConfig, BackendType, NetworkConfig } from '../allocator/config.ts';
import { BackendError, type HostFacts } from '../backends/backend.ts';
import { backendFor } from '../backends/index.ts';
import { DEFAULT_VXLAN_PORT } from '../backends/vxlan.ts';

/** Bit of CAP_NET_ADMIN in the masks of /proc/self/status (capabilities(7)). */
const CAP_NET_ADMIN = 12n;

/** Why this process cannot program the kernel for `backend`, with the remedy; `undefined` if it can. */
export async function missingPrerequisite(
  backend: BackendType,
  statusFile = '/proc/self/status',
): Promise<string | undefined> {
  if (backend === 'alloc') return undefined;
  const status = await readFile(statusFile, 'utf8').catch(() => '');
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (mask === undefined || (BigInt(`0x${mask}`) >> CAP_NET_ADMIN) & 1n) return undefined;
  return `Backend ${backend} needs CAP_NET_ADMIN to make devices and routes: run as root, or add the capability (systemd: AmbientCapabilities=CAP_NET_ADMIN, containers: --cap-add NET_ADMIN)`;
}

/** Why the backend of `config` can never work with this interface, with the remedy; `undefined` if it can. */
export function unsuitableHost(config: NetworkConfig, facts: HostFacts): string | undefined {
  const backend = backendFor(config.backend.type);
  try {
    backend.attributes(config, facts);
    backend.mtu(config, facts);
    return undefined;
  } catch (error) {
    if (error instanceof BackendError) return error.message;
    throw error;
  }
}

const NO_VXLAN =
  'this kernel has no VXLAN: load the module (modprobe vxlan), or use the host-gw backend on all hosts';

/** Remedies by errno, for a device with VNI and UDP port. */
const LINK_REMEDIES: Readonly<Record<string, (vni: number, port: number) => string>> = {
  EPERM: () => 'the process lacks CAP_NET_ADMIN: run as root, or add the capability',
  EOPNOTSUPP: () => NO_VXLAN,
  ENOTSUP: () => NO_VXLAN,
  EADDRINUSE: (_vni, port) =>
    `another program, or a VXLAN device with other settings, has UDP port ${port} (ss -lunp shows it): stop it, or set another "Port" in the network config of all hosts`,
  EEXIST: (vni, port) =>
    `another VXLAN device has VNI ${vni} and UDP port ${port} (ip -d link show type vxlan shows it): remove it, or set another "VNI" in the network config of all hosts`,
};

/** What to do about a device refused at start with `errno`; `undefined` if trying again may help. */
export function remedyForLink(errno: string, backend: BackendConfig): string | undefined {
  if (backend.type !== 'vxlan') return undefined;
  return LINK_REMEDIES[errno]?.(backend.vni, backend.port ?? DEFAULT_VXLAN_PORT);
}
