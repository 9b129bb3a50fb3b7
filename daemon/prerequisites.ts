// What the process needs before it may lease anything, so that nothing half-done stays behind.
import { readFile } from 'node:fs/promises';
import type { BackendType } from '../allocator/config.ts';

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

const LINK_REMEDIES: Readonly<Record<string, string>> = {
  EPERM: 'the process lacks CAP_NET_ADMIN: run as root, or add the capability',
  EOPNOTSUPP: 'this kernel has no VXLAN: load the module (modprobe vxlan), or use the host-gw backend',
  ENOTSUP: 'this kernel has no VXLAN: load the module (modprobe vxlan), or use the host-gw backend',
  EADDRINUSE:
    'another program has the UDP port: stop it, or set another "Port" in the network config of all hosts',
  EEXIST:
    'another VXLAN device has the same VNI and port: remove it, or set another "VNI" in the network config of all hosts',
};

/** What to do about a refused device at start; `undefined` if trying again may help. */
export function remedyForLink(errno: string): string | undefined {
  return LINK_REMEDIES[errno];
}
