// Prerequisites of this process, checked before it acquires a lease, so that a failed start leaves
// nothing behind.
import { open, readFile } from 'node:fs/promises';
import type { BackendConfig, BackendType, NetworkConfig } from '../../allocator/config/config.ts';
import { BackendError, type HostFacts } from '../../backends/backend.ts';
import { backendFor } from '../../backends/index.ts';
import { DEFAULT_VXLAN_PORT } from '../../backends/vxlan.ts';
import { loadNative } from '../../native/index.ts';
import { findCharon, NO_CHARON } from '../kernel/ipsec/charon.ts';
import type { DatapathMode } from './datapath-mode.ts';

/** Bit of CAP_NET_ADMIN in the masks of /proc/self/status (capabilities(7)). */
const CAP_NET_ADMIN = 12n;

/**
 * Why this process lacks the right to program the kernel for `backend`, with the remedy;
 * `undefined` if it has it.
 */
export async function checkCapability(
  backend: BackendType,
  statusFile = '/proc/self/status',
): Promise<string | undefined> {
  if (backend === 'alloc') return undefined;
  const status = await readFile(statusFile, 'utf8').catch(() => '');
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (mask === undefined || (BigInt(`0x${mask}`) >> CAP_NET_ADMIN) & 1n) return undefined;
  return `Backend ${backend} needs CAP_NET_ADMIN to make devices and routes: run as root, or add the capability (systemd: AmbientCapabilities=CAP_NET_ADMIN, containers: --cap-add NET_ADMIN)`;
}

/**
 * Why the packet path cannot run on this host for `backend`, with the remedy; `undefined` if it
 * can. `noAddon`: why the addon is not loaded, if it is not.
 */
export async function checkPacketPath(
  backend: BackendType,
  noAddon: string | undefined,
  tunFile = '/dev/net/tun',
): Promise<string | undefined> {
  if (noAddon !== undefined)
    return `Backend ${backend} encapsulates in userspace here, which needs weft's addon: ${noAddon}; build it: make`;
  try {
    await (await open(tunFile, 'r+')).close();
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    return `Backend ${backend} encapsulates in userspace here, which needs ${tunFile}: ${code}: ${TUN_REMEDIES[code] ?? 'see tun(4)'}`;
  }
}

const NO_TUN = 'load the module (modprobe tun); in a container add the device (--device /dev/net/tun)';
const TUN_FORBIDDEN =
  'permission denied: run as root, and allow the device (containers: --device /dev/net/tun, systemd: DeviceAllow=/dev/net/tun rw)';
const TUN_REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: NO_TUN,
  ENODEV: NO_TUN,
  ENXIO: NO_TUN,
  EPERM: TUN_FORBIDDEN,
  EACCES: TUN_FORBIDDEN,
};

/** What {@link checkPrerequisites} asks the host. */
export interface HostChecks {
  readonly capability: typeof checkCapability;
  readonly packetPath: typeof checkPacketPath;
  readonly addon: typeof loadNative;
  readonly charon?: () => Promise<string | undefined>;
}

const HOST_CHECKS: HostChecks = {
  capability: checkCapability,
  packetPath: checkPacketPath,
  addon: loadNative,
  charon: () => findCharon(),
};

/**
 * Why this host cannot run `config` with this datapath, interfaces aside; `undefined` if it can.
 */
export async function checkPrerequisites(
  { backend: { type } }: NetworkConfig,
  encapsulation: DatapathMode,
  checks = HOST_CHECKS,
): Promise<string | undefined> {
  const missing = await checks.capability(type);
  if (type === 'ipsec' && missing === undefined)
    return (await checks.charon?.()) === undefined ? `Backend ipsec needs charon: ${NO_CHARON}` : undefined;
  const needsPacketPath = (type === 'udp' || type === 'vxlan') && encapsulation === 'userspace';
  if (missing !== undefined || !needsPacketPath) return missing;
  const loaded = checks.addon();
  return checks.packetPath(type, loaded.native ? undefined : loaded.reason);
}

/**
 * Why the backend of `config` cannot run with this interface, with the remedy; `undefined` if it
 * can.
 */
export function checkHost(config: NetworkConfig, facts: HostFacts): string | undefined {
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
  'this kernel has no VXLAN: load the module (modprobe vxlan), let weft encapsulate in userspace (--userspace=true; needs the addon: make), or use the host-gw backend on all hosts';

/** A device that the kernel rejected. */
export interface RejectedLink {
  readonly name: string;
  /** Whether it is a packet path device. */
  readonly isTun: boolean;
}

interface RejectedDevice {
  readonly name: string;
  readonly vni: number;
  readonly port: number;
}

type Remedies = Readonly<Record<string, (rejected: RejectedDevice) => string>>;

const REMEDIES: Remedies = {
  EPERM: () => 'the process lacks CAP_NET_ADMIN: run as root, or add the capability',
  EBUSY: ({ name }) =>
    `another flanneld or weft uses ${name} on this host (fuser -v /dev/net/tun shows it): stop it`,
};

const VXLAN_REMEDIES: Remedies = {
  ...REMEDIES,
  EOPNOTSUPP: () => NO_VXLAN,
  ENOTSUP: () => NO_VXLAN,
  EADDRINUSE: ({ port }) =>
    `another program (ss -lunp shows it), or a VXLAN device with other settings (ip -d link show type vxlan shows it), has UDP port ${port} here; a device that was moved to another network namespace keeps its port (lsns -t net): stop or remove it, or set another "Port" in the network config of all hosts`,
  EEXIST: ({ vni, port }) =>
    `another VXLAN device has VNI ${vni} and UDP port ${port} (ip -d link show type vxlan shows it): remove it, or set another "VNI" in the network config of all hosts`,
};

const NO_FOU =
  'this kernel has no IP-in-UDP for this process: load its modules (modprobe -a fou ipip; IPv6: fou6 ip6_tunnel), which a user namespace other than the first cannot use, or let weft encapsulate in userspace (--userspace=true; needs the addon: make)';

const FOU_REMEDIES: Remedies = {
  ...REMEDIES,
  EOPNOTSUPP: () => NO_FOU,
  EADDRINUSE: ({ port }) =>
    `another program (ss -lunp shows it), or a port of FOU (ip fou show shows it), has UDP port ${port} here: stop or remove it, or set another "Port" in the network config of all hosts`,
  EEXIST: ({ name }) =>
    `another IP tunnel device without remote has the address of ${name} (ip -d link show type ipip shows it): remove it`,
};

const WIREGUARD_REMEDIES: Remedies = {
  ...REMEDIES,
  EOPNOTSUPP: () =>
    'this kernel has no WireGuard: load the module (modprobe wireguard), or install a program that does without it (Debian: apt-get install wireguard-go; it needs /dev/net/tun)',
  EADDRINUSE: ({ name, port }) =>
    `another program (ss -lunp shows it), or another WireGuard device, has the UDP port of ${name} here: stop it, or set other ports than ${port} in the network config of all hosts ("ListenPort", "ListenPortV6")`,
  EEXIST: ({ name }) => `another device has the name ${name} (ip -d link show ${name}): rename it`,
};

const NO_IPIP =
  'this kernel has no IP-in-IP devices: load the module (modprobe ipip), or use vxlan, host-gw or udp on all hosts';

const IPIP_REMEDIES: Remedies = {
  ...REMEDIES,
  EOPNOTSUPP: () => NO_IPIP,
  EEXIST: ({ name }) =>
    `another IP tunnel device without remote has the address of ${name} (ip -d link show type ipip shows it): remove it`,
};

const TUN_LINK_REMEDIES: Remedies = {
  ...REMEDIES,
  EADDRINUSE: ({ port }) =>
    `another program (ss -lunp shows it), or a VXLAN device (ip -d link show type vxlan shows it), has UDP port ${port} here; a device that was moved to another network namespace keeps its port (lsns -t net): stop or remove it, or set another "Port" in the network config of all hosts`,
  ENOENT: () => NO_TUN,
  ENXIO: () => NO_TUN,
};

/** The remedy for a device rejected at start with `errno`; `undefined` if a retry may succeed. */
export function remedyForLink(errno: string, backend: BackendConfig, link: RejectedLink): string | undefined {
  if (backend.type === 'wireguard')
    return WIREGUARD_REMEDIES[errno]?.({ name: link.name, vni: 0, port: backend.listenPort });
  if (backend.type === 'ipip') return IPIP_REMEDIES[errno]?.({ name: link.name, vni: 0, port: 0 });
  if (backend.type !== 'vxlan' && backend.type !== 'udp') return undefined;
  const kernelRemedies = backend.type === 'udp' ? FOU_REMEDIES : VXLAN_REMEDIES;
  const remedy = (link.isTun ? TUN_LINK_REMEDIES : kernelRemedies)[errno];
  const vni = backend.type === 'vxlan' ? backend.vni : 0;
  return remedy?.({ name: link.name, vni, port: backend.port ?? DEFAULT_VXLAN_PORT });
}
