// What every backend asks of a peer before it routes anything to it, and how the two halves of a dual-stack peer make one
// state. One peer's bad lease costs that peer; one bad half costs that half.
import { contains, familyOf, isInside, overlaps, toBigInt } from '../lib/address.ts';
import type { Cidr, Family, IpAddress } from '../lib/address.ts';
import type { Lease } from '../allocator/lease.ts';
import type { BackendContext, PeerState } from './backend.ts';
import { FAMILIES, familiesOf, interfaceAddressOf, publicIpOf, rangeOf, subnetOf } from './address-family.ts';
import { wireType } from './requirements.ts';
import type { KernelObject } from './kernel-state.ts';

/** What one family of one peer needs, once the peer has passed the common checks. */
export interface PeerFamily {
  readonly family: Family;
  readonly subnet: Cidr;
  readonly publicIp: IpAddress;
  readonly lease: Lease;
}

export type PeerFamilyState =
  | { readonly mode: 'tunnel' | 'direct' | 'userspace'; readonly objects: readonly KernelObject[] }
  | { readonly mode: 'error'; readonly reason: string };

/**
 * Checks `peer` and asks `deriveHalf` for each family that this host and the peer have in common. No common family is
 * no error: there is nothing to say to that peer.
 */
export function derivePeerState(
  context: BackendContext,
  peer: Lease,
  deriveHalf: (half: PeerFamily) => PeerFamilyState,
): PeerState {
  if (isBareReservation(peer)) return { mode: 'none', objects: [] };
  const problem = wholePeerProblem(context, peer);
  if (problem !== undefined) return { mode: 'error', reason: problem, objects: [] };
  const halves: PeerFamilyState[] = [];
  for (const family of familiesOf(context.config)) {
    const subnet = subnetOf(peer.subnets, family);
    if (subnet === undefined || subnetOf(context.own.subnets, family) === undefined) continue;
    halves.push(halfState(context, peer, family, subnet, deriveHalf));
  }
  return combine(halves);
}

/** A subnet that is kept for a host which never was there: nothing leads to it, and that is no error. */
function isBareReservation({ isReservation, attributes }: Lease): boolean {
  const { backendType, backendData, backendV6Data } = attributes;
  return isReservation && backendType === '' && backendData === undefined && backendV6Data === undefined;
}

/** The one route to a peer's subnet that needs no tunnel. */
export function directRoute({ subnet, publicIp }: PeerFamily, dev: string): KernelObject {
  return { kind: 'route', destination: subnet, gateway: publicIp, dev, isOnLink: false };
}

function halfState(
  context: BackendContext,
  peer: Lease,
  family: Family,
  subnet: Cidr,
  deriveHalf: (half: PeerFamily) => PeerFamilyState,
): PeerFamilyState {
  const publicIp = publicIpOf(peer.attributes, family);
  if (publicIp === undefined)
    return {
      mode: 'error',
      reason: `it has the subnet ${subnet} but publishes no IPv${family} public address`,
    };
  const problem = publicIpProblem(publicIp, subnet) ?? subnetProblem(context, family, subnet);
  return problem === undefined
    ? deriveHalf({ family, subnet, publicIp, lease: peer })
    : { mode: 'error', reason: problem };
}

/** Of two halves the one with the encapsulation is what the peer is shown as. */
const MODES = ['tunnel', 'userspace', 'direct'] as const;

function combine(halves: readonly PeerFamilyState[]): PeerState {
  const reasons: string[] = [];
  const objects: KernelObject[] = [];
  const modes = new Set<PeerFamilyState['mode']>();
  for (const half of halves) {
    modes.add(half.mode);
    if (half.mode === 'error') reasons.push(half.reason);
    else objects.push(...half.objects);
  }
  const reason = reasons.join('; ');
  if (halves.length > 0 && reasons.length === halves.length) return { mode: 'error', reason, objects: [] };
  const mode = MODES.find((candidate) => modes.has(candidate)) ?? 'none';
  return reasons.length === 0 ? { mode, objects } : { mode, objects, reason };
}

function wholePeerProblem(context: BackendContext, peer: Lease): string | undefined {
  const { type } = context.config.backend;
  const theirs = peer.attributes.backendType;
  if (theirs !== wireType(type))
    return `its backend is ${theirs === '' ? 'udp or alloc' : `"${theirs}"`} and this host's is "${type}"`;
  for (const family of FAMILIES) {
    const problem = publicIpClash(context, peer, family) ?? subnetClash(context, peer, family);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function publicIpClash({ host, own }: BackendContext, peer: Lease, family: Family): string | undefined {
  const theirs = publicIpOf(peer.attributes, family);
  if (theirs === undefined) return undefined;
  const ours = [
    publicIpOf(own.attributes, family),
    publicIpOf(host, family),
    interfaceAddressOf(host, family),
  ];
  return ours.includes(theirs) ? `its public address ${theirs} is this host's own` : undefined;
}

function subnetClash({ own }: BackendContext, peer: Lease, family: Family): string | undefined {
  const theirs = subnetOf(peer.subnets, family);
  const ours = subnetOf(own.subnets, family);
  if (theirs === undefined || ours === undefined || !overlaps(theirs, ours)) return undefined;
  return `its subnet ${theirs} overlaps this host's subnet ${ours}`;
}

/** A route outside the network, or over the host's own link, could cut the host off; no lease may cause that. */
function subnetProblem({ config, host }: BackendContext, family: Family, subnet: Cidr): string | undefined {
  const network = rangeOf(config, family)?.network;
  if (network === undefined || !isInside(subnet, network))
    return `its subnet ${subnet} lies outside the network ${network ?? 'of this host'}`;
  const address = interfaceAddressOf(host, family);
  if (address !== undefined && contains(subnet, address))
    return `its subnet ${subnet} contains ${address}, this host's address on ${host.interface.name}`;
  return undefined;
}

function publicIpProblem(publicIp: IpAddress, subnet: Cidr): string | undefined {
  if (!isUnicast(publicIp)) return `its public address ${publicIp} is no address of a single host`;
  if (contains(subnet, publicIp))
    return `its public address ${publicIp} lies inside its own subnet ${subnet}`;
  return undefined;
}

/** False for unspecified, loopback, multicast and reserved addresses (RFC 6890), which no packet may be sent to. */
function isUnicast(address: IpAddress): boolean {
  const value = toBigInt(address);
  if (familyOf(address) === 6) return value > 1n && value >> 120n !== 0xffn;
  const firstOctet = value >> 24n;
  return firstOctet !== 0n && firstOctet !== 127n && firstOctet < 224n;
}
