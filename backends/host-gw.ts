// Plain routes via the peers' own addresses, no encapsulation: every peer must be on the link of
// the chosen interface.
import type { Family, Ipv4, Ipv6 } from '../lib/address.ts';
import type { LeaseAttributes } from '../allocator/lease.ts';
import { BackendError } from './backend.ts';
import type { Backend, BackendContext, HostFacts } from './backend.ts';
import { familiesOf } from './address-family.ts';
import { ownershipOf, requireInterfaceAddress, requirePublicIp } from './requirements.ts';
import { unencapsulatedMtu } from './mtu.ts';
import { derivePeerState, directRoute } from './peer-state.ts';
import type { PeerFamilyState, PeerFamily } from './peer-state.ts';
import { isOnLink } from './underlay.ts';

export const hostGwBackend: Backend = {
  type: 'host-gw',

  attributes(config, host) {
    let attributes: LeaseAttributes = { backendType: 'host-gw' };
    for (const family of familiesOf(config))
      attributes = { ...attributes, ...familyAttributes(host, family) };
    return attributes;
  },

  mtu(_config, host) {
    return unencapsulatedMtu(host.interface.mtu);
  },

  ownership(config, host) {
    return ownershipOf(config, host, []);
  },

  deriveHost() {
    return [];
  },

  derivePeer(context, peer) {
    return derivePeerState(context, peer, (peerInFamily) => peerFamily(context, peerInFamily));
  },
};

function familyAttributes(host: HostFacts, family: Family): Partial<LeaseAttributes> {
  const local = requireInterfaceAddress(host, family);
  const publicIp = requirePublicIp(host, family);
  // Peers use the public address as next hop, which only works if it is the one that answers on the
  // link.
  if (publicIp !== local)
    throw new BackendError(
      `Cannot use host-gw with the public address ${publicIp}: peers on the link need ${local}, the address of ` +
        `${host.interface.name}; leave out --public-ip, or use backend vxlan behind a NAT`,
    );
  return family === 4 ? { publicIp: publicIp as Ipv4 } : { publicIpv6: publicIp as Ipv6 };
}

function peerFamily({ host }: BackendContext, peerInFamily: PeerFamily): PeerFamilyState {
  const dev = host.interface.name;
  if (isOnLink(host.underlayRoutes, peerInFamily.publicIp, dev))
    return { mode: 'direct', objects: [directRoute(peerInFamily, dev)] };
  const reason =
    `${peerInFamily.publicIp} is not on the link of ${dev}: host-gw needs all hosts on one link, ` +
    'use vxlan with DirectRouting otherwise';
  return { mode: 'error', reason };
}
