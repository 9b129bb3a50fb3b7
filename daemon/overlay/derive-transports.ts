// Desired kernel objects for one transport or several: every transport is received from every peer,
// and each peer is sent to by the transport chosen for it. Combines what the backends derive. Pure.
import type { Lease } from '../../allocator/lease.ts';
import type { Backend, BackendContext, Ownership, PeerState } from '../../backends/backend.ts';
import { backendFor } from '../../backends/index.ts';
import type { KernelObject, LinkObject, OverlayMtu } from '../../backends/kernel-state.ts';
import { assumeTransport, transportOf } from '../../backends/transport.ts';

export function backendOf({ config }: Pick<BackendContext, 'config'>): Backend {
  return backendFor(config.backend.type);
}

/** Ownership of all transports, of which there is at least one. */
export function ownershipFor(contexts: readonly Pick<BackendContext, 'config' | 'host'>[]): Ownership {
  const all = contexts.map((context) => backendOf(context).ownership(context.config, context.host));
  const [first] = all;
  if (first === undefined) throw new RangeError('Cannot derive ownership without a transport');
  const networks = all.find((one) => one.networks.length > 0)?.networks ?? [];
  const hasCommands = all.some((one) => one.hasCommands === true);
  return {
    ...first,
    // Commands make routes of flannel's shape: subnet length 0 is that of no host.
    networks: hasCommands ? networks.map(({ network }) => ({ network, subnetLength: 0 })) : networks,
    devices: [...new Set(all.flatMap(({ devices }) => devices))],
    ...(hasCommands && { hasCommands }),
    ...(all.some((one) => one.hasIpsec === true) && { hasIpsec: true }),
  };
}

/**
 * MTU for containers, by whichever transport their packets leave.
 * @throws BackendError if nothing usable is left.
 */
export function mtuFor(contexts: readonly Pick<BackendContext, 'config' | 'host'>[]): OverlayMtu {
  const mtus = contexts.map((context) => backendOf(context).mtu(context.config, context.host));
  return Math.min(...mtus) as OverlayMtu;
}

/**
 * This host's own objects for all transports; of one key, that of the last.
 * @throws BackendError as the backends do.
 */
export function deriveHostFor(contexts: readonly BackendContext[]): readonly KernelObject[] {
  const objects = contexts.flatMap((context) => backendOf(context).deriveHost(context));
  return contexts.length === 1 ? objects : [...objects, ...objects.flatMap(relaxReversePath)];
}

/**
 * Objects that lead to `peer` by the transport of `chosen`, and all but the routes of the others:
 * those receive its packets, so that a change of transport replaces the route alone and no packet
 * in transit loses its neighbour entry.
 */
export function derivePeerFor(
  contexts: readonly BackendContext[],
  chosen: BackendContext,
  peer: Lease,
): PeerState {
  const state = deriveAs(chosen, peer);
  if (state.mode === 'error' || contexts.length === 1) return state;
  const beside = contexts
    .filter((context) => context !== chosen)
    .flatMap((context): readonly KernelObject[] => deriveAs(context, peer).objects)
    .filter((object) => !isRouting(object));
  return beside.length === 0 ? state : { ...state, objects: [...state.objects, ...beside] };
}

/** Whether packets to the peer take the transport because of the object. */
function isRouting(object: KernelObject): boolean {
  const { kind } = object;
  return kind === 'route' || kind === 'command' || (kind === 'policy' && object.direction === 'out');
}

const NOTHING: PeerState = { mode: 'none', objects: [] };

/**
 * What leads to `peer` by the transport of `context`, whatever it announces. An error costs that
 * peer alone.
 */
export function deriveAs(context: BackendContext, peer: Lease): PeerState {
  try {
    const assumed = assumeTransport(peer, transportOf(context.config.backend));
    return assumed === undefined ? NOTHING : backendOf(context).derivePeer(context, assumed);
  } catch (error) {
    return { mode: 'error', reason: `Cannot derive its entries: ${(error as Error).message}`, objects: [] };
  }
}

/** A device that carries IPv6 alone; one of WireGuard says it by its name. */
function isOfIpv6(link: LinkObject): boolean {
  return link.type === 'wireguard' ? link.name.includes('-v6') : link.local.includes(':');
}

/** A packet may arrive by another device than its reply leaves by, which strict rp_filter drops. */
function relaxReversePath(object: KernelObject): readonly KernelObject[] {
  if (object.kind !== 'link' || isOfIpv6(object)) return [];
  return [{ kind: 'sysctl', path: `net/ipv4/conf/${object.name}/rp_filter`, value: '2' }];
}
