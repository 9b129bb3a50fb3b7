// Probe targets of a peer: its overlay address and its public IP. Pure.
import { addressOf, contains, parseCidr, parseIp, type Family, type IpAddress } from '../../lib/address.ts';
import type { BackendType } from '../../allocator/config/config.ts';
import type { Lease } from '../../allocator/lease.ts';
import { FAMILIES, publicIpOf, subnetOf } from '../../backends/address-family.ts';

/** Addresses to probe. */
export interface PeerTargets {
  /** Unset where the backend gives hosts no address in the overlay. */
  readonly overlay?: IpAddress;
  /** Public IP; unset if the peer has none in the family. */
  readonly underlay?: IpAddress;
}

/** Backends whose device has the first address of the node's subnet, in weft and in flannel. */
const HAVE_OVERLAY_ADDRESS: ReadonlySet<BackendType> = new Set(['vxlan', 'udp', 'ipip', 'wireguard']);

/**
 * The targets in `family`, by default in the first family that the peer has. `target`, an address
 * inside the peer's subnet, replaces its overlay address.
 */
export function targetsOf(
  { subnets, attributes }: Omit<NamedPeer, 'key'>,
  backend: BackendType,
  { family, target }: { readonly family?: Family; readonly target?: IpAddress } = {},
): PeerTargets {
  const families = family === undefined ? FAMILIES : [family];
  const subnet = families.map((each) => subnetOf(subnets, each)).find(Boolean);
  const own = subnet && HAVE_OVERLAY_ADDRESS.has(backend) ? addressOf(subnet) : undefined;
  const overlay = target ?? own;
  const underlay = families.map((each) => publicIpOf(attributes, each)).find(Boolean);
  return { ...(overlay && { overlay }), ...(underlay && { underlay }) };
}

/** What a peer is found by. */
export type NamedPeer = Pick<Lease, 'key' | 'subnets'> & {
  readonly attributes: Pick<Lease['attributes'], 'publicIp' | 'publicIpv6'>;
};

/** A peer that was named. */
export interface FoundPeer<Peer extends NamedPeer = Lease> {
  readonly peer: Peer;
  /** The address that was named, if it is one inside the subnet other than the peer's own. */
  readonly target?: IpAddress;
}

/** The peer that `text` names by its name, key, public IP, subnet, or an address inside its subnet. */
export function findPeer<Peer extends NamedPeer>(
  peers: Iterable<Peer>,
  text: string,
  nameOf: (peer: Peer) => string | undefined = () => undefined,
): FoundPeer<Peer> | undefined {
  const address = parseIp(text);
  const cidr = parseCidr(text);
  // Canonical, as in the registry.
  const canonical = cidr === undefined ? text : `${cidr.address}/${cidr.prefixLength}`;
  for (const peer of peers) {
    const { ipv4, ipv6 } = peer.subnets;
    const { publicIp, publicIpv6 } = peer.attributes;
    if (text === peer.key || text === nameOf(peer) || canonical === ipv4 || canonical === ipv6)
      return { peer };
    if (address === undefined) continue;
    if (address === publicIp || address === publicIpv6) return { peer };
    const subnet = [ipv4, ipv6].find((each) => each !== undefined && contains(each, address));
    if (subnet !== undefined) return addressOf(subnet) === address ? { peer } : { peer, target: address };
  }
  return undefined;
}
