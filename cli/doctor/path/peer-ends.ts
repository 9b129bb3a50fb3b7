// The other ends of the path: an address of each peer's containers, with the peer's underlay address.
import {
  addressOf,
  addToAddress,
  bitsOf,
  contains,
  familyOf,
  parseIp,
  prefixLengthOf,
  type Cidr,
  type Family,
  type IpAddress,
} from '../../../lib/address.ts';
import type { Facts } from '../facts.ts';
import { localAddresses } from './own-path.ts';
import { links } from '../checks-host.ts';

export interface PeerEnd {
  readonly key: string;
  readonly family: Family;
  readonly subnet: Cidr;
  /** Where packets go: `--to`, or an address that the peer's first container has. */
  readonly address: IpAddress;
  /** Unset where the peer has none of this family. */
  readonly underlay?: IpAddress;
}

/** Maximum number of peers whose path is followed. */
export const MAX_PEERS = 32;

/** Ends at the first peers; with `--to`, at that peer alone. */
export function readPeerEnds(facts: Facts): Promise<readonly PeerEnd[]> {
  return facts.once('peer ends', async () => {
    const ends = (await readPeers(facts)).flatMap(endsOf);
    const { to, toPeer } = facts;
    if (toPeer !== undefined) return ends.filter(({ key }) => key === toPeer);
    if (to === undefined) return ends.slice(0, 2 * MAX_PEERS);
    return ends.filter(({ subnet }) => contains(subnet, to)).map((end) => ({ ...end, address: to }));
  });
}

interface Peer {
  readonly key: string;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly publicIp?: string | undefined;
  readonly publicIpv6?: string | undefined;
}

async function readPeers(facts: Facts): Promise<readonly Peer[]> {
  if ((await facts.status) !== undefined) {
    const peers = (await facts.peers)?.peers ?? [];
    return facts.isTargeted ? peers : await facts.reachedPeers;
  }
  const local = localAddresses((await links(facts)) ?? []);
  return (await facts.leases)
    .map(({ key, subnets, attributes: { publicIp, publicIpv6 } }) => ({
      key,
      ...subnets,
      publicIp,
      publicIpv6,
    }))
    .filter(({ publicIp = '', publicIpv6 = '' }) => !local.has(publicIp) && !local.has(publicIpv6))
    .slice(0, facts.isTargeted ? undefined : MAX_PEERS);
}

function endsOf({ key, ipv4, ipv6, publicIp = '', publicIpv6 = '' }: Peer): readonly PeerEnd[] {
  return [ipv4, ipv6].flatMap((text) => {
    if (text === undefined) return [];
    const subnet = text as Cidr;
    const family = familyOf(subnet);
    const outer = [parseIp(publicIp), parseIp(publicIpv6)];
    const underlay = outer[family === 4 ? 0 : 1] ?? outer.find((one) => one !== undefined);
    const address = addToAddress(addressOf(subnet), 2n);
    return [{ key, family, subnet, address, ...(underlay && { underlay }) }];
  });
}

/** An address of each half of a subnet: a route for one half is more specific than the daemon's. */
export function halvesOf({ subnet, address, family }: PeerEnd): readonly IpAddress[] {
  const first = addressOf(subnet);
  if (family === 6) return [addToAddress(first, 1n)];
  const size = 1n << BigInt(bitsOf(family) - prefixLengthOf(subnet));
  return [address, addToAddress(first, size / 2n + (size > 4n ? 2n : 0n))];
}
