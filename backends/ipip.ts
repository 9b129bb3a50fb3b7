// flannel's backend ipip: one IP-in-IP device of the kernel, and a route a peer whose gateway is
// where the device sends to. IPv4 alone, as the device carries nothing else. Device, routes and
// leases are flannel's, so that nodes mix.
import type { Family, Ipv4 } from '../lib/address.ts';
import type { IpipConfig, NetworkConfig } from '../allocator/config/config.ts';
import { BackendError, type Backend, type BackendContext, type HostFacts } from './backend.ts';
import { familiesOf } from './address-family.ts';
import type { IpipLink, KernelObject, OverlayMtu } from './kernel-state.ts';
import { IPIP_OVERHEAD_BYTES } from './mtu.ts';
import { deviceMtu, deviceObjects } from './overlay-device.ts';
import { derivePeerState, type PeerFamily, type PeerFamilyState } from './peer-state.ts';
import { ownershipOf, requireInterfaceAddress, requirePublicIp } from './requirements.ts';
import { onLinkDevice } from './underlay.ts';

const DEVICE = 'flannel.ipip';

export const ipipBackend: Backend = {
  type: 'ipip',

  attributes(config, host) {
    if (familiesOf(config).includes(6))
      throw new BackendError(
        'Cannot use ipip with IPv6: its device carries IPv4 alone; set EnableIPv6 to false, or use vxlan',
      );
    requireInterfaceAddress(host, 4);
    return { backendType: 'ipip', publicIp: requirePublicIp(host, 4) as Ipv4 };
  },

  mtu(_config, host) {
    return mtuOf(host);
  },

  ownership(config, host) {
    return ownershipOf(config, host, [DEVICE]);
  },

  deriveHost({ config, host, own }) {
    const subnet = own.subnets.ipv4;
    if (subnet === undefined || !familiesOf(config).includes(4)) return [];
    const local = requireInterfaceAddress(host, 4);
    const parent = host.interface.name;
    const link: IpipLink = { kind: 'link', type: 'ipip', name: DEVICE, local, parent, mtu: mtuOf(host) };
    return deviceObjects(link, 4, subnet);
  },

  derivePeer(context, peer) {
    return derivePeerState(context, peer, (peerInFamily) => peerFamily(context, peerInFamily));
  },
};

function ipipConfigOf(config: NetworkConfig): IpipConfig {
  if (config.backend.type !== 'ipip')
    throw new TypeError(`Cannot derive ipip state from the config of backend "${config.backend.type}"`);
  return config.backend;
}

function mtuOf(host: HostFacts): OverlayMtu {
  const overheadBytes = (_family: Family): number => IPIP_OVERHEAD_BYTES;
  return deviceMtu({ name: 'IP in IP', configuredMtu: undefined, overheadBytes }, host, 4);
}

function peerFamily({ config, host }: BackendContext, { subnet, publicIp }: PeerFamily): PeerFamilyState {
  const { directRouting } = ipipConfigOf(config);
  const direct = directRouting ? onLinkDevice(host.underlayRoutes, publicIp) : undefined;
  const route: KernelObject = {
    kind: 'route',
    destination: subnet,
    gateway: publicIp,
    dev: direct ?? DEVICE,
    // flannel's routes have it in both forms.
    isOnLink: true,
  };
  return { mode: direct === undefined ? 'tunnel' : 'direct', objects: [route] };
}
