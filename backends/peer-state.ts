// Checks that every backend makes of a peer before it routes to it, and the merge of the two
// families of a dual-stack peer into one state. A bad lease costs that peer alone; a bad family
// costs that family.
import { contains, familyOf, isInside, overlaps, toBigInt } from '../lib/address.ts';
import type { Cidr, Family, IpAddress } from '../lib/address.ts';
import type { Lease } from '../allocator/lease.ts';
import type { BackendContext, PeerState } from './backend.ts';
import { FAMILIES, familiesOf, interfaceAddressOf, publicIpOf, rangeOf, subnetOf } from './address-family.ts';
import { wireType } from './requirements.ts';
import type { KernelObject } from './kernel-state.ts';
import { routeTo } from './underlay.ts';
import { addressIn, underlayAddresses } from './underlay-addresses.ts';

/** One family of a peer that has passed the common checks. */
export interface PeerFamily {
  readonly family: Family;
  readonly subnet: Cidr;
  readonly publicIp: IpAddress;
  readonly lease: Lease;
}

export type PeerFamilyState =
  | {
      readonly mode: 'tunnel' | 'direct' | 'userspace' | 'command';
      readonly objects: readonly KernelObject[];
    }
  | { readonly mode: 'error'; readonly reason: string };

/**
 * Checks `peer` and calls `deriveFamily` for each family that this host and the peer share. Without
 * a shared family the state is empty, which is no error.
 */
export function derivePeerState(
  context: BackendContext,
  peer: Lease,
  deriveFamily: (peerFamily: PeerFamily) => PeerFamilyState,
): PeerState {
  if (isBareReservation(context, peer)) return { mode: 'none', objects: [] };
  const error = peerError(context, peer);
  if (error !== undefined) return { mode: 'error', reason: error, objects: [] };
  const families: PeerFamilyState[] = [];
  for (const family of familiesOf(context.config)) {
    const subnet = subnetOf(peer.subnets, family);
    if (subnet === undefined || subnetOf(context.own.subnets, family) === undefined) continue;
    families.push(familyState(context, peer, family, subnet, deriveFamily));
  }
  return combine(families);
}

/**
 * A subnet reserved for a host that never ran: it has no objects, which is no error. With udp the
 * value of a host that runs is the same, so that every reservation with an address is a peer.
 */
function isBareReservation({ config }: BackendContext, { isReservation, attributes }: Lease): boolean {
  const { backendType, backendData, backendV6Data, publicIp, publicIpv6 } = attributes;
  const mayRun = config.backend.type === 'udp' && (publicIp ?? publicIpv6) !== undefined;
  return isReservation && !mayRun && backendType === '' && (backendData ?? backendV6Data) === undefined;
}

/** The one route to a peer's subnet that needs no tunnel. */
export function directRoute({ subnet, publicIp }: PeerFamily, dev: string): KernelObject {
  return { kind: 'route', destination: subnet, gateway: publicIp, dev, isOnLink: false };
}

function familyState(
  context: BackendContext,
  peer: Lease,
  family: Family,
  subnet: Cidr,
  deriveFamily: (peerFamily: PeerFamily) => PeerFamilyState,
): PeerFamilyState {
  const publicIp = publicIpOf(peer.attributes, family);
  if (publicIp === undefined)
    return {
      mode: 'error',
      reason: `it has the subnet ${subnet} but publishes no IPv${family} public address`,
    };
  const error =
    publicIpError(publicIp, subnet) ??
    subnetError(context, family, subnet) ??
    context.host.peerClashes?.clashOf(peer.key, subnet);
  return error === undefined
    ? deriveFamily({ family, subnet, publicIp, lease: peer })
    : { mode: 'error', reason: error };
}

/** Of two families, the encapsulated one gives the mode that operators see. */
const MODES = ['tunnel', 'userspace', 'direct', 'command'] as const;

function combine(families: readonly PeerFamilyState[]): PeerState {
  const [only, second] = families;
  if (only !== undefined && second === undefined && only.mode !== 'error')
    return { mode: only.mode, objects: only.objects };
  const reasons: string[] = [];
  const objects: KernelObject[] = [];
  const modes = new Set<PeerFamilyState['mode']>();
  for (const peerFamily of families) {
    modes.add(peerFamily.mode);
    if (peerFamily.mode === 'error') reasons.push(peerFamily.reason);
    else objects.push(...peerFamily.objects);
  }
  const reason = reasons.join('; ');
  if (families.length > 0 && reasons.length === families.length)
    return { mode: 'error', reason, objects: [] };
  const mode = MODES.find((candidate) => modes.has(candidate)) ?? 'none';
  return reasons.length === 0 ? { mode, objects } : { mode, objects, reason };
}

function peerError(context: BackendContext, peer: Lease): string | undefined {
  const { type } = context.config.backend;
  const theirs = peer.attributes.backendType;
  if (theirs !== wireType(type))
    return `its backend is ${theirs === '' ? 'udp or alloc' : `"${theirs}"`} and this host's is "${type}"`;
  for (const family of FAMILIES) {
    const error = publicIpClash(context, peer, family) ?? subnetClash(context, peer, family);
    if (error !== undefined) return error;
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

/**
 * A route outside the network, or over the host's own link, could cut the host off, and one in the
 * place of another device's cuts that device off; no lease may cause that.
 */
function subnetError(
  { config, host, hasCommands }: BackendContext,
  family: Family,
  subnet: Cidr,
): string | undefined {
  const network = rangeOf(config, family)?.network;
  if (network === undefined || !isInside(subnet, network))
    return `its subnet ${subnet} lies outside the network ${network ?? 'of this host'}`;
  const needed = addressIn(subnet, underlayAddresses(host));
  if (needed !== undefined) return `its subnet ${subnet} contains ${needed.address}, ${needed.role}`;
  // A command may have made the route.
  if (config.backend.type === 'extension' || hasCommands === true) return undefined;
  const { dev, discards } = routeTo(host.underlayRoutes, subnet) ?? {};
  if (discards !== undefined)
    return (
      `this host has the route "${discards} ${subnet}", which stays: ` +
      `remove that route, or give the peer another subnet`
    );
  if (dev !== undefined)
    return (
      `this host has a route to its subnet ${subnet} through ${dev}, which stays: ` +
      `remove that route or the address of ${dev}, or give the peer another subnet`
    );
  return undefined;
}

function publicIpError(publicIp: IpAddress, subnet: Cidr): string | undefined {
  if (!isUnicast(publicIp)) return `its public address ${publicIp} is no address of a single host`;
  if (contains(subnet, publicIp))
    return `its public address ${publicIp} lies inside its own subnet ${subnet}`;
  return undefined;
}

/**
 * False for unspecified, loopback, multicast and reserved addresses (RFC 6890), which no packet may
 * be sent to.
 */
function isUnicast(address: IpAddress): boolean {
  const value = toBigInt(address);
  if (familyOf(address) === 6) return value > 1n && value >> 120n !== 0xffn;
  const firstOctet = value >> 24n;
  return firstOctet !== 0n && firstOctet !== 127n && firstOctet < 224n;
}
