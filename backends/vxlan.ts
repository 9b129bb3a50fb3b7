// VXLAN, in the kernel: one device a family; per peer a neighbour (its subnet's first address to
// its VTEP MAC), an FDB entry (that MAC to its public address) and an onlink route. With
// DirectRouting a peer on the same link gets one plain route instead. Device names, addresses and
// entries are those that flannel makes, so that either can take over from the other. In userspace
// where config or host require it: names, addresses and published data stay the same.
import { addressOf } from '../lib/address.ts';
import type { Family, Ipv4, Ipv6, MacAddress } from '../lib/address.ts';
import type { NetworkConfig, VxlanConfig } from '../allocator/config/config.ts';
import type { LeaseAttributes } from '../allocator/lease.ts';
import { BackendError } from './backend.ts';
import type { Backend, BackendContext, HostFacts } from './backend.ts';
import { backendDataOf, familiesOf, publicIpOf, subnetOf } from './address-family.ts';
import type { KernelObject, OverlayMtu, TunLink, VxlanLink } from './kernel-state.ts';
import { vxlanOverheadBytes } from './mtu.ts';
import { ownershipOf, requireInterfaceAddress, requirePublicIp } from './requirements.ts';
import { deviceMtu, deviceObjects, portDeviceName } from './overlay-device.ts';
import { pathHostObjects, pathPeerFamily, zeroChecksumMark } from './packet-path.ts';
import { derivePeerState, directRoute } from './peer-state.ts';
import type { PeerFamilyState, PeerFamily } from './peer-state.ts';
import { onLinkDevice } from './underlay.ts';
import { stableVtepMac } from './vtep-mac.ts';
import { formatVxlanData, parseVxlanData } from './vxlan-backend-data.ts';

/** The kernel's own default, older than the port that IANA assigned (4789). */
export const DEFAULT_VXLAN_PORT = 8472;
/** IFNAMSIZ less the closing zero byte. */
const MAX_DEVICE_NAME_BYTES = 15;

export const vxlanBackend: Backend = {
  type: 'vxlan',

  attributes(config, host, previous) {
    const vxlan = vxlanConfigOf(config);
    const families = familiesOf(config);
    const weft = isInUserspace({ config, host }) ? zeroChecksumMark(host, families) : {};
    let attributes: LeaseAttributes = {
      backendType: 'vxlan',
      ...(weft.acceptsZeroChecksum === true && { weft }),
    };
    for (const family of families)
      attributes = { ...attributes, ...familyAttributes(vxlan, host, family, previous) };
    return attributes;
  },

  mtu(config, host) {
    return Math.min(...familiesOf(config).map((family) => mtuOf(config, host, family))) as OverlayMtu;
  },

  ownership(config, host) {
    return ownershipOf(
      config,
      host,
      familiesOf(config).map((family) => deviceName(vxlanConfigOf(config), family)),
    );
  },

  deriveHost(context) {
    return familiesOf(context.config).flatMap((family) => hostObjects(context, family));
  },

  derivePeer(context, peer) {
    return derivePeerState(context, peer, (peerInFamily) => peerFamily(context, peerInFamily));
  },
};

function vxlanConfigOf(config: NetworkConfig): VxlanConfig {
  if (config.backend.type !== 'vxlan')
    throw new TypeError(`Cannot derive VXLAN state from the config of backend "${config.backend.type}"`);
  return config.backend;
}

/** `flannel.1` or `flannel-v6.1`. @throws BackendError if the kernel would not take the name. */
function deviceName({ vni, port, usesPortName }: VxlanConfig, family: Family): string {
  if (usesPortName === true) return portDeviceName(port ?? DEFAULT_VXLAN_PORT, family);
  const prefix = family === 4 ? 'flannel.' : 'flannel-v6.';
  const name = `${prefix}${vni}`;
  if (name.length <= MAX_DEVICE_NAME_BYTES) return name;
  const largest = '9'.repeat(MAX_DEVICE_NAME_BYTES - prefix.length);
  throw new BackendError(
    `Cannot name the device "${name}" of VNI ${vni}: the kernel allows ${MAX_DEVICE_NAME_BYTES} characters; ` +
      `set Backend.VNI to ${largest} or less`,
  );
}

/**
 * Whether the packet path replaces the kernel device. A `false` in the config overrides the host.
 */
function isInUserspace({ config, host }: Pick<BackendContext, 'config' | 'host'>): boolean {
  const { userspace } = vxlanConfigOf(config);
  return userspace === 'auto' ? host.isVxlanInUserspace === true : userspace;
}

function portOf({ port }: VxlanConfig): number {
  return port ?? DEFAULT_VXLAN_PORT;
}

function mtuOf(config: NetworkConfig, host: HostFacts, family: Family): OverlayMtu {
  const { mtu } = vxlanConfigOf(config);
  return deviceMtu({ name: 'VXLAN', configuredMtu: mtu, overheadBytes: vxlanOverheadBytes }, host, family);
}

function familyAttributes(
  vxlan: VxlanConfig,
  host: HostFacts,
  family: Family,
  previous?: LeaseAttributes,
): Partial<LeaseAttributes> {
  deviceName(vxlan, family);
  requireInterfaceAddress(host, family);
  const publicIp = requirePublicIp(host, family);
  const previousData = previous?.backendType === 'vxlan' ? backendDataOf(previous, family) : undefined;
  const mac = stableVtepMac(previousData, { publicIp, vni: vxlan.vni, family }, host.takenMacs);
  const data = formatVxlanData(vxlan.vni, mac);
  return family === 4
    ? { publicIp: publicIp as Ipv4, backendData: data }
    : { publicIpv6: publicIp as Ipv6, backendV6Data: data };
}

function ownMac(context: BackendContext, family: Family): MacAddress {
  const { host, own, config } = context;
  const publicIp = publicIpOf(own.attributes, family) ?? requirePublicIp(host, family);
  const { vni } = vxlanConfigOf(config);
  const data = backendDataOf(own.attributes, family);
  return stableVtepMac(data, { publicIp, vni, family }, host.takenMacs);
}

function hostObjects(context: BackendContext, family: Family): readonly KernelObject[] {
  if (isInUserspace(context)) return pathHostObjects(context, family, () => tunLink(context, family));
  const subnet = subnetOf(context.own.subnets, family);
  if (subnet === undefined) return [];
  const link = kernelLink(context, family);
  return [...deviceObjects(link, family, subnet), ...offloadObjects(context, family, link.name)];
}

/** With `auto` and no finding none: the setting of the kernel or administrator stays. */
function offloadObjects(
  { config, host }: BackendContext,
  family: Family,
  dev: string,
): readonly KernelObject[] {
  const { txChecksumOffload } = vxlanConfigOf(config);
  const isBad = host.badOffloadFamilies?.includes(family) === true;
  if (txChecksumOffload === 'auto' && !isBad) return [];
  return [{ kind: 'feature', dev, name: 'tx-checksum-ip-generic', isOn: txChecksumOffload === 'on' }];
}

function kernelLink(context: BackendContext, family: Family): VxlanLink {
  const { learning, gbp } = vxlanConfigOf(context.config);
  const parent = context.host.interface.name;
  return { kind: 'link', type: 'vxlan', ...linkFields(context, family), parent, learning, gbp };
}

function tunLink(context: BackendContext, family: Family): TunLink {
  return { kind: 'link', type: 'tun', encapsulation: 'vxlan', ...linkFields(context, family) };
}

/** Fields that the kernel device and the TUN device share. */
function linkFields(context: BackendContext, family: Family) {
  const { config, host } = context;
  const vxlan = vxlanConfigOf(config);
  return {
    name: deviceName(vxlan, family),
    vni: vxlan.vni,
    port: portOf(vxlan),
    // The kernel rejects a source address that is not on the host, such as a public address behind
    // a NAT.
    local: requireInterfaceAddress(host, family),
    mac: ownMac(context, family),
    mtu: mtuOf(config, host, family),
  };
}

function peerFamily(context: BackendContext, peerInFamily: PeerFamily): PeerFamilyState {
  const vxlan = vxlanConfigOf(context.config);
  const direct = vxlan.directRouting
    ? onLinkDevice(context.host.underlayRoutes, peerInFamily.publicIp)
    : undefined;
  if (direct !== undefined) return { mode: 'direct', objects: [directRoute(peerInFamily, direct)] };
  const parsed = parseVxlanData(backendDataOf(peerInFamily.lease.attributes, peerInFamily.family));
  if (!parsed.ok) return { mode: 'error', reason: parsed.reason };
  const { mac, vni } = parsed.data;
  if (!isSameVni(vni, vxlan.vni))
    return { mode: 'error', reason: `its VNI is ${vni} and this host's is ${vxlan.vni}` };
  if (mac === ownMac(context, peerInFamily.family))
    return { mode: 'error', reason: `its VtepMAC ${mac} is this host's own; two hosts share one identity` };
  const dev = deviceName(vxlan, peerInFamily.family);
  return isInUserspace(context)
    ? pathPeerFamily(context, peerInFamily, { dev, port: portOf(vxlan), mac, needsSegments: false })
    : { mode: 'tunnel', objects: kernelObjects(peerInFamily, dev, mac) };
}

/** Some flannel releases publish only the low 16 bits of a VNI, and early ones none. */
function isSameVni(theirs: number | undefined, ours: number): boolean {
  return theirs === undefined || theirs === ours || theirs === (ours & 0xffff);
}

function kernelObjects(
  { subnet, publicIp }: PeerFamily,
  dev: string,
  mac: MacAddress,
): readonly KernelObject[] {
  const gateway = addressOf(subnet);
  return [
    { kind: 'neighbour', dev, address: gateway, mac },
    { kind: 'fdb', dev, mac, destination: publicIp },
    { kind: 'route', destination: subnet, gateway, dev, isOnLink: true },
  ];
}
