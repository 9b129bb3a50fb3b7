// Which addresses stand for a peer: its end of the overlay, and its public IP. Pure.
import { addressOf, contains, parseCidr, parseIp, type Family, type IpAddress } from '../../lib/address.ts';
import type { BackendType } from '../../allocator/config/config.ts';
import type { Lease } from '../../allocator/lease.ts';
import { FAMILIES, publicIpOf, subnetOf } from '../../backends/address-family.ts';

export interface PeerTargets {
  /** Unset where the backend gives hosts no address in the overlay. */
  readonly overlay?: IpAddress;
  readonly underlay?: IpAddress;
}

/** Backends whose device has the first address of the host's subnet, in weft as in flannel. */
const HAVE_OVERLAY_ADDRESS: ReadonlySet<BackendType> = new Set(['vxlan', 'udp']);

/**
 * Those of `family`, or if that is unset of the first family that the peer has. `target` is an
 * address inside its subnet that takes the place of its own.
 */
export function targetsOf(
  { subnets, attributes }: Pick<Lease, 'subnets' | 'attributes'>,
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

export interface FoundPeer {
  readonly peer: Lease;
  /** The word was an address inside its subnet other than that of the host. */
  readonly target?: IpAddress;
}

/** The peer that `word` means: its key, public IP, subnet, or an address inside of that. */
export function findPeer(peers: Iterable<Lease>, word: string): FoundPeer | undefined {
  const address = parseIp(word);
  const cidr = parseCidr(word);
  // As the registry writes it.
  const subnetWord = cidr === undefined ? word : `${cidr.address}/${cidr.prefixLength}`;
  for (const peer of peers) {
    const { ipv4, ipv6 } = peer.subnets;
    const { publicIp, publicIpv6 } = peer.attributes;
    if (word === peer.key || subnetWord === ipv4 || subnetWord === ipv6) return { peer };
    if (address === undefined) continue;
    if (address === publicIp || address === publicIpv6) return { peer };
    const subnet = [ipv4, ipv6].find((each) => each !== undefined && contains(each, address));
    if (subnet !== undefined) return addressOf(subnet) === address ? { peer } : { peer, target: address };
  }
  return undefined;
}
