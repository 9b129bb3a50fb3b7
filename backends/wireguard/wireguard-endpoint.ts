// Which public address of a peer a single WireGuard device sends to, as flannel chooses it.
import { isInside, type Cidr, type Family, type IpAddress } from '../../lib/address.ts';
import type { WireguardMode } from '../../allocator/config/config.ts';
import type { LeaseAttributes } from '../../allocator/lease.ts';
import type { HostFacts } from '../backend.ts';
import { publicIpOf } from '../address-family.ts';

/** RFC 1918, RFC 4193: addresses behind a NAT, or of a network that is not routed. */
const PRIVATE: Readonly<Record<Family, readonly Cidr[]>> = {
  4: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'] as Cidr[],
  6: ['fc00::/7'] as Cidr[],
};

/** Family of the underlay for a peer. */
export function underlayFamily(
  mode: Exclude<WireguardMode, 'separate'>,
  host: HostFacts,
  peer: Pick<LeaseAttributes, 'publicIp' | 'publicIpv6'>,
): Family {
  if (mode !== 'auto') return mode === 'ipv4' ? 4 : 6;
  const [theirs4, theirs6] = [publicIpOf(peer, 4), publicIpOf(peer, 6)];
  const [ours4, ours6] = [publicIpOf(host, 4), publicIpOf(host, 6)];
  if (theirs6 === undefined) return 4;
  if (theirs4 !== undefined && !isPrivate(theirs4, 4) && ours4 !== undefined) return 4;
  const isRouted6 = !isPrivate(theirs6, 6) && ours6 !== undefined && !isPrivate(ours6, 6);
  return isRouted6 || theirs4 === undefined || ours4 === undefined ? 6 : 4;
}

function isPrivate(address: IpAddress, family: Family): boolean {
  const single = `${address}/${family === 4 ? 32 : 128}` as Cidr;
  return PRIVATE[family].some((network) => isInside(single, network));
}
