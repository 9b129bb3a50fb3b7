// flannel's udp backend: the bare inner packet in a UDP datagram, encapsulated by this process.
// Needs nothing of the kernel but a TUN device. flannel has it for IPv4 only; IPv6 here is the same
// on a device of its own.
import { NO_MAC } from '../lib/address.ts';
import type { Family, Ipv4, Ipv6 } from '../lib/address.ts';
import type { NetworkConfig, UdpConfig } from '../allocator/config/config.ts';
import type { LeaseAttributes } from '../allocator/lease.ts';
import type { Backend, BackendContext, HostFacts } from './backend.ts';
import { familiesOf } from './address-family.ts';
import { ownershipOf, wireType, requireInterfaceAddress, requirePublicIp } from './requirements.ts';
import type { OverlayMtu, TunLink } from './kernel-state.ts';
import { udpOverheadBytes } from './mtu.ts';
import { deviceMtu, portDeviceName } from './overlay-device.ts';
import { pathHostObjects, pathPeerFamily } from './packet-path.ts';
import { derivePeerState } from './peer-state.ts';

export const udpBackend: Backend = {
  type: 'udp',

  attributes(config, host) {
    let attributes: LeaseAttributes = { backendType: wireType('udp'), weft: { acceptsGso: true } };
    for (const family of familiesOf(config))
      attributes = { ...attributes, ...familyAttributes(host, family) };
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
    return familiesOf(context.config).flatMap((family) =>
      pathHostObjects(context, family, () => linkObject(context, family)),
    );
  },

  derivePeer(context, peer) {
    // No host publishes its port: all have the same.
    const udp = udpConfigOf(context.config);
    return derivePeerState(context, peer, (peerInFamily) =>
      pathPeerFamily(context, peerInFamily, {
        dev: deviceName(udp, peerInFamily.family),
        port: udp.port,
        mac: NO_MAC,
        // A host without weft's mark may run flannel, which takes one packet a datagram.
        needsSegments: peer.attributes.weft?.acceptsGso !== true,
      }),
    );
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

function linkObject({ config, host }: BackendContext, family: Family): TunLink {
  return {
    kind: 'link',
    type: 'tun',
    name: deviceName(udpConfigOf(config), family),
    encapsulation: 'udp',
    // Behind a NAT the public address is none that a socket could be bound to.
    local: requireInterfaceAddress(host, family),
    port: udpConfigOf(config).port,
    vni: 0,
    mac: NO_MAC,
    mtu: mtuOf(config, host, family),
  };
}
