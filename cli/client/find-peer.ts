// The peer that an argument names, among those that the daemon shows: by name, key, public IP, subnet,
// or an address in its subnet, as `weft ping` takes it.
import { parseIp, type Ipv4, type Ipv4Cidr, type Ipv6, type Ipv6Cidr } from '../../lib/address.ts';
import type { PeerV1 } from '../../api/index.ts';
import { findPeer, type NamedPeer } from '../../daemon/probe/peer-targets.ts';

/** A peer as the daemon's own code has it. */
export function toNamedPeer({ key, ipv4, ipv6, publicIp = '', publicIpv6 = '' }: PeerV1): NamedPeer {
  const outer = parseIp(publicIp) as Ipv4 | undefined;
  const outerV6 = parseIp(publicIpv6) as Ipv6 | undefined;
  return {
    key,
    subnets: {
      ...(ipv4 !== undefined && { ipv4: ipv4 as Ipv4Cidr }),
      ...(ipv6 !== undefined && { ipv6: ipv6 as Ipv6Cidr }),
    },
    attributes: { ...(outer && { publicIp: outer }), ...(outerV6 && { publicIpv6: outerV6 }) },
  };
}

export function findNamedPeer(peers: readonly PeerV1[], text: string): PeerV1 | undefined {
  const named = peers.map((peer) => ({ ...toNamedPeer(peer), peer }));
  return findPeer(named, text, ({ peer }) => peer.name)?.peer.peer;
}
