// flannel's udp backend: the bare inner packet in a UDP datagram. This process encapsulates, which
// needs nothing of the kernel but a TUN device, or the kernel by FOU; the wire format is the same.
// flannel has it for IPv4 only; IPv6 here is the same on a device of its own.
import { NO_MAC } from '../lib/address.ts';
import type { Family, Ipv4, Ipv6 } from '../lib/address.ts';
import type { NetworkConfig, UdpConfig } from '../allocator/config/config.ts';
import type { LeaseAttributes } from '../allocator/lease.ts';
import type { Backend, BackendContext, HostFacts } from './backend.ts';
import { familiesOf, subnetOf } from './address-family.ts';
import { ownershipOf, wireType, requireInterfaceAddress, requirePublicIp } from './requirements.ts';
import type { FouLink, KernelObject, OverlayMtu, TunLink } from './kernel-state.ts';
import { udpOverheadBytes } from './mtu.ts';
import { deviceMtu, deviceObjects, portDeviceName } from './overlay-device.ts';
import { pathHostObjects, pathPeerFamily, zeroChecksumMark } from './packet-path.ts';
import { derivePeerState, type PeerFamily } from './peer-state.ts';

export const udpBackend: Backend = {
  type: 'udp',

  attributes(config, host) {
    const families = familiesOf(config);
    const zeroChecksum = host.isUdpInKernel === true ? {} : zeroChecksumMark(host, families);
    let attributes: LeaseAttributes = {
      backendType: wireType('udp'),
      weft: { acceptsGso: true, ...zeroChecksum },
    };
    for (const family of families) attributes = { ...attributes, ...familyAttributes(host, family) };
    return attributes;
  },

  mtu(config, host) {
    return Math.min(...familiesOf(config).map((family) => mtuOf(config, host, family))) as OverlayMtu;
  },

  ownership(config, host) {
    const udp = udpConfigOf(config);
    return ownershipOf(
      config,
      host,
      familiesOf(config).map((family) => deviceName(udp, family)),
    );
  },

  deriveHost(context) {
    return familiesOf(context.config).flatMap((family) => hostObjects(context, family));
  },

  derivePeer(context, peer) {
    // No host publishes its port: all have the same.
    const udp = udpConfigOf(context.config);
    return derivePeerState(context, peer, (peerInFamily) => {
      const dev = deviceName(udp, peerInFamily.family);
      if (context.host.isUdpInKernel === true)
        return { mode: 'tunnel', objects: [kernelRoute(peerInFamily, dev)] };
      // A host without weft's mark may run flannel, which takes one packet a datagram.
      const needsSegments = peer.attributes.weft?.acceptsGso !== true;
      return pathPeerFamily(context, peerInFamily, { dev, port: udp.port, mac: NO_MAC, needsSegments });
    });
  },
};

function udpConfigOf(config: NetworkConfig): UdpConfig {
  if (config.backend.type !== 'udp')
    throw new TypeError(`Cannot derive udp state from the config of backend "${config.backend.type}"`);
  return config.backend;
}

/** flannel's name, and beside it one like those of VXLAN over IPv6, where 0 is no VNI. */
function deviceName({ port, usesPortName }: UdpConfig, family: Family): string {
  if (usesPortName === true) return portDeviceName(port, family);
  return family === 4 ? 'flannel0' : 'flannel-v6.0';
}

function mtuOf(config: NetworkConfig, host: HostFacts, family: Family): OverlayMtu {
  const { mtu } = udpConfigOf(config);
  return deviceMtu({ name: 'UDP', configuredMtu: mtu, overheadBytes: udpOverheadBytes }, host, family);
}

function familyAttributes(host: HostFacts, family: Family): Partial<LeaseAttributes> {
  requireInterfaceAddress(host, family);
  const publicIp = requirePublicIp(host, family);
  return family === 4 ? { publicIp: publicIp as Ipv4 } : { publicIpv6: publicIp as Ipv6 };
}

function hostObjects(context: BackendContext, family: Family): readonly KernelObject[] {
  if (context.host.isUdpInKernel !== true)
    return pathHostObjects(context, family, () => tunLink(context, family));
  const subnet = subnetOf(context.own.subnets, family);
  if (subnet === undefined) return [];
  const parent = udpConfigOf(context.config).usesPortName === true ? context.host.interface.name : '';
  const link: FouLink = { kind: 'link', type: 'fou', ...linkFields(context, family), parent };
  return deviceObjects(link, family, subnet);
}

/** The gateway of the route is where the device sends a packet to. */
function kernelRoute({ subnet, publicIp }: PeerFamily, dev: string): KernelObject {
  return { kind: 'route', destination: subnet, gateway: publicIp, dev, isOnLink: true };
}

function tunLink(context: BackendContext, family: Family): TunLink {
  const fields = linkFields(context, family);
  return { kind: 'link', type: 'tun', encapsulation: 'udp', ...fields, vni: 0, mac: NO_MAC };
}

/** Fields that the TUN device and the kernel's device share. */
function linkFields({ config, host }: BackendContext, family: Family) {
  return {
    name: deviceName(udpConfigOf(config), family),
    // Behind a NAT the public address is none that a socket could be bound to.
    local: requireInterfaceAddress(host, family),
    port: udpConfigOf(config).port,
    mtu: mtuOf(config, host, family),
  };
}
