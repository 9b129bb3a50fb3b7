// flannel's backend ipsec: policies of the kernel that send packets between two subnets through an ESP
// tunnel, and a connection of strongSwan's charon a peer that negotiates its keys. No device, no
// routes. IPv4 alone. Names, proposals and policies are flannel's, so that nodes mix.
import type { Family, Ipv4, Ipv4Cidr } from '../lib/address.ts';
import type { IpsecConfig, NetworkConfig } from '../allocator/config/config.ts';
import { BackendError, type Backend, type BackendContext, type HostFacts } from './backend.ts';
import { familiesOf } from './address-family.ts';
import type { KernelObject, OverlayMtu } from './kernel-state.ts';
import { deviceMtu } from './overlay-device.ts';
import { derivePeerState, type PeerFamily, type PeerFamilyState } from './peer-state.ts';
import { ownershipOf, requireInterfaceAddress, requirePublicIp } from './requirements.ts';

/** What flannel takes for the outer header, ESP with its longest padding, and UDP. */
const ESP_BYTES = 77;
const UDP_BYTES = 8;
export const CHARON_SOCKET = '/var/run/charon.vici';

export const ipsecBackend: Backend = {
  type: 'ipsec',

  attributes(config, host) {
    if (familiesOf(config).includes(6))
      throw new BackendError('Cannot use ipsec with IPv6: it carries IPv4 alone; set EnableIPv6 to false');
    // Of a transport that only leases name, as halfway through a migration.
    if (ipsecConfigOf(config).psk === undefined)
      throw new BackendError('Cannot use ipsec without a key: the network config in force has no PSK');
    requireInterfaceAddress(host, 4);
    return { backendType: 'ipsec', publicIp: requirePublicIp(host, 4) as Ipv4 };
  },

  mtu(config, host) {
    return mtuOf(ipsecConfigOf(config), host);
  },

  ownership(config, host) {
    return { ...ownershipOf(config, host, []), hasIpsec: true };
  },

  deriveHost() {
    return [{ kind: 'charon', socket: CHARON_SOCKET }];
  },

  derivePeer(context, peer) {
    return derivePeerState(context, peer, (peerInFamily) => peerFamily(context, peerInFamily));
  },
};

function ipsecConfigOf(config: NetworkConfig): IpsecConfig {
  if (config.backend.type !== 'ipsec')
    throw new TypeError(`Cannot derive ipsec state from the config of backend "${config.backend.type}"`);
  return config.backend;
}

function mtuOf({ isUdpEncap }: IpsecConfig, host: HostFacts): OverlayMtu {
  const overheadBytes = (_family: Family): number => ESP_BYTES + (isUdpEncap ? UDP_BYTES : 0);
  return deviceMtu({ name: 'ESP', configuredMtu: undefined, overheadBytes }, host, 4);
}

function peerFamily(context: BackendContext, { subnet, publicIp: remote }: PeerFamily): PeerFamilyState {
  const { host, own } = context;
  const { espProposal, isUdpEncap, psk } = ipsecConfigOf(context.config);
  const ours = own.subnets.ipv4 as Ipv4Cidr;
  const local = requireInterfaceAddress(host, 4);
  const publicIp = own.attributes.publicIp ?? requirePublicIp(host, 4);
  const outward = { source: ours, destination: subnet, tunnelSource: local, tunnelDestination: remote };
  const inward = { source: subnet, destination: ours, tunnelSource: remote, tunnelDestination: local };
  // During a migration packets of the peer may still come by another transport.
  const isOptional = context.isMigrating === true;
  const objects: readonly KernelObject[] = [
    { kind: 'policy', direction: 'out', ...outward, isOptional: false },
    { kind: 'policy', direction: 'in', ...inward, isOptional },
    { kind: 'policy', direction: 'fwd', ...inward, isOptional },
    {
      kind: 'ike',
      name: `${publicIp}-${ours}-${subnet}-${remote}`,
      local,
      publicIp,
      remote,
      localSubnet: ours,
      remoteSubnet: subnet,
      espProposal,
      isUdpEncap,
      psk,
    },
  ];
  return { mode: 'tunnel', objects };
}
