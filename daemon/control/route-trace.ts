// Traces a packet through this host's tables: route, then neighbour and FDB (or the packet path's
// entry), then the underlay route. Each lookup names the difference between the kernel's answer and
// the desired state.
import { contains, familyOf, type Cidr, type IpAddress } from '../../lib/address.ts';
import { parseEndpoint } from '../../lib/endpoint.ts';
import type {
  KernelObject,
  LinkObject,
  ObjectKey,
  WireguardPeerObject,
} from '../../backends/kernel-state.ts';
import {
  IPIP_OVERHEAD_BYTES,
  udpOverheadBytes,
  vxlanOverheadBytes,
  wireguardOverheadBytes,
} from '../../backends/mtu.ts';
import { renderObject } from '../../backends/render.ts';
import type { ActualObject } from '../kernel/actual-state.ts';
import type { RouteLookup } from '../kernel/kernel.ts';
import { isInSync } from '../reconciler/diff.ts';
import type { KernelSnapshot } from './kernel-snapshot.ts';
import type { LookupV1, RouteV1 } from '../../api/index.ts';

export interface RouteTrace {
  readonly lookups: readonly LookupV1[];
  readonly datapath: RouteV1['datapath'];
  readonly encapsulation?: RouteV1['encapsulation'];
  readonly dev?: string;
  readonly mtu?: number;
  readonly overheadBytes?: number;
}

/** The lease that covers an address: this host's, a peer's with its key, or none. */
export interface TracedOwner {
  readonly kind: RouteV1['kind'];
  readonly key?: string;
}

/** Traces a packet to the address `to`, as the kernel's tables are. */
export async function traceRoute(
  snapshot: KernelSnapshot,
  to: IpAddress,
  owner: TracedOwner,
): Promise<RouteTrace> {
  const found = await snapshot.kernel.lookupRoute(to);
  const desired = owner.kind === 'peer' ? desiredRoute(snapshot, to, owner.key) : undefined;
  const lookups: LookupV1[] = [routeLookup(to, found, desired)];
  if (found === undefined) return { lookups, datapath: 'none' };
  const link = snapshot.actual.objects.get(`link ${found.dev}`);
  const trace =
    link?.kind === 'link'
      ? await traceTunnel({ snapshot, to, found, lookups }, link)
      : await traceUntunnelled({ snapshot, to, found, lookups }, owner, desired);
  return { ...trace, dev: found.dev };
}

type ActualLink = Extract<ActualObject, { readonly kind: 'link' }>;

/** What is known once the kernel has answered the first lookup. */
interface Traced {
  readonly snapshot: KernelSnapshot;
  readonly to: IpAddress;
  readonly found: RouteLookup;
  readonly lookups: readonly LookupV1[];
}

async function traceTunnel({ snapshot, to, found, lookups }: Traced, link: ActualLink): Promise<RouteTrace> {
  const tunnel = lookupIn(snapshot, to, link, found);
  const all = [...lookups, ...tunnel.lookups];
  const encapsulation = encapsulationOf(link);
  const overheadBytes = overheadOf(link, tunnel.remote);
  const isInUserspace = link.type === 'tun' || (link.type === 'wireguard' && link.isInUserspace === true);
  const datapath = isInUserspace ? 'userspace' : 'kernel';
  if (tunnel.remote === undefined) return { lookups: all, datapath: 'none', overheadBytes };
  const underlay = await underlayLookup(snapshot, tunnel.remote, link, overheadBytes);
  return { lookups: [...all, underlay.lookup], datapath, encapsulation, mtu: underlay.mtu, overheadBytes };
}

function encapsulationOf(link: LinkObject): NonNullable<RouteV1['encapsulation']> {
  if (link.type === 'tun') return link.encapsulation;
  return link.type === 'fou' ? 'udp' : link.type;
}

type Route = Extract<KernelObject, { readonly kind: 'route' }>;

/** The desired route to a peer's subnet. */
function desiredRoute(
  { reconciler }: KernelSnapshot,
  to: IpAddress,
  owner: string | undefined,
): Route | undefined {
  for (const object of reconciler.objectsOf(owner ?? '').values())
    if (object.kind === 'route' && contains(object.destination, to)) return object;
  return undefined;
}

function routeLookup(to: IpAddress, found: RouteLookup | undefined, desired: Route | undefined): LookupV1 {
  const base = { table: 'route', key: to } as const;
  const expected = desired === undefined ? '' : `; desired: ${renderObject(desired)}`;
  if (found === undefined) return { ...base, problem: `unreachable${expected}` };
  const entry = renderLookup(to, found);
  const isDesired = desired === undefined || isRouteOf(found, desired);
  return isDesired ? { ...base, entry } : { ...base, entry, problem: `not the desired route${expected}` };
}

function isRouteOf({ dev, gateway }: RouteLookup, desired: Route): boolean {
  return dev === desired.dev && (gateway === undefined || gateway === desired.gateway);
}

function renderLookup(to: IpAddress, { dev, gateway, source }: RouteLookup): string {
  return `${to}${gateway === undefined ? '' : ` via ${gateway}`} dev ${dev}${source === undefined ? '' : ` src ${source}`}`;
}

/** A packet that no overlay device takes: the kernel's route decides where it goes, desired or not. */
async function traceUntunnelled(
  { snapshot, to, found, lookups }: Traced,
  { kind, key }: TracedOwner,
  desired: Route | undefined,
): Promise<RouteTrace> {
  const device = (await snapshot.kernel.readInterfaces()).find(({ name }) => name === found.dev);
  const mtu = device && { mtu: device.mtu };
  if (kind === 'peer') {
    const policy = policyTo(snapshot, to, key);
    if (policy !== undefined) return { ...policyTrace(lookups, policy), ...mtu };
    // Some backends leave routes to the network or to the operator.
    const isDesired = desired === undefined || isRouteOf(found, desired);
    return { lookups, datapath: isDesired ? 'direct' : 'unencapsulated', ...mtu };
  }
  const isLocal = kind === 'own' && found.gateway === undefined;
  return { lookups, datapath: isLocal ? 'local' : 'unencapsulated', ...mtu };
}

/** IPsec has no device: a policy takes packets of containers off any route. */
function policyTo({ actual, reconciler }: KernelSnapshot, to: IpAddress, key = ''): LookupV1 | undefined {
  for (const [name, object] of reconciler.objectsOf(key))
    if (object.kind === 'policy' && object.direction === 'out' && contains(object.destination, to)) {
      const found = actual.objects.get(name);
      const base = { table: 'policy', key: to } as const;
      return found === undefined
        ? { ...base, problem: `no policy: packets leave unencrypted; desired: ${renderObject(object)}` }
        : { ...base, ...compare(reconciler, name, found) };
    }
  return undefined;
}

function policyTrace(lookups: readonly LookupV1[], policy: LookupV1): RouteTrace {
  const isFound = policy.entry !== undefined;
  return {
    lookups: [...lookups, policy],
    ...(isFound ? { datapath: 'kernel', encapsulation: 'esp' } : { datapath: 'unencapsulated' }),
  };
}

interface TunnelEnd {
  readonly lookups: readonly LookupV1[];
  /** Unset if the packet is dropped before. */
  readonly remote?: IpAddress;
}

function lookupIn(
  snapshot: KernelSnapshot,
  to: IpAddress,
  link: LinkObject,
  { gateway }: RouteLookup,
): TunnelEnd {
  if (link.type === 'tun') return tunnelLookup(snapshot, to, link.name);
  if (link.type === 'wireguard') return wireguardLookup(snapshot, to, link.name);
  if (link.type === 'vxlan') return neighbourLookups(snapshot, link.name, gateway ?? to);
  // These devices have no neighbours: the gateway of the route is the peer's underlay address.
  return gateway === undefined ? { lookups: [] } : { lookups: [], remote: gateway };
}

function wireguardLookup({ actual, reconciler }: KernelSnapshot, to: IpAddress, dev: string): TunnelEnd {
  const base = { table: 'tunnel', key: `${to} dev ${dev}` } as const;
  for (const [key, object] of actual.objects)
    if (object.kind === 'wireguard-peer' && object.dev === dev && allows(object, to)) {
      const lookups = [{ ...base, ...compare(reconciler, key, object) }];
      const remote = parseEndpoint(object.endpoint)?.address;
      return remote === undefined ? { lookups } : { lookups, remote };
    }
  return { lookups: [{ ...base, problem: 'no peer has this address: packets are dropped' }] };
}

function allows({ allowedIps }: WireguardPeerObject, to: IpAddress): boolean {
  return allowedIps
    .split(' ')
    .some((cidr) => familyOf(cidr as Cidr) === familyOf(to) && contains(cidr as Cidr, to));
}

function tunnelLookup({ actual, reconciler }: KernelSnapshot, to: IpAddress, dev: string): TunnelEnd {
  const base = { table: 'tunnel', key: `${to} dev ${dev}` } as const;
  for (const [key, object] of actual.objects)
    if (object.kind === 'tunnel' && object.dev === dev && contains(object.destination, to))
      return { lookups: [{ ...base, ...compare(reconciler, key, object) }], remote: object.remote };
  return { lookups: [{ ...base, problem: 'no entry: packets are dropped' }] };
}

function neighbourLookups(
  { actual, reconciler }: KernelSnapshot,
  dev: string,
  gateway: IpAddress,
): TunnelEnd {
  const key = `neighbour ${dev} ${gateway}` as const;
  const neighbour = actual.objects.get(key);
  const first = { table: 'neighbour', key: `${gateway} dev ${dev}` } as const;
  if (neighbour?.kind !== 'neighbour')
    return { lookups: [{ ...first, problem: 'no entry: packets are dropped' }] };
  const lookups: LookupV1[] = [{ ...first, ...compare(reconciler, key, neighbour) }];
  const fdbKey = `fdb ${dev} ${neighbour.mac}` as const;
  const fdb = actual.objects.get(fdbKey);
  const second = { table: 'fdb', key: `${neighbour.mac} dev ${dev}` } as const;
  if (fdb?.kind !== 'fdb')
    return { lookups: [...lookups, { ...second, problem: 'no entry: packets are dropped' }] };
  return {
    lookups: [...lookups, { ...second, ...compare(reconciler, fdbKey, fdb) }],
    remote: fdb.destination,
  };
}

function compare(
  reconciler: KernelSnapshot['reconciler'],
  key: ObjectKey,
  found: ActualObject,
): Pick<LookupV1, 'entry' | 'problem'> {
  const entry = renderObject(found);
  const want = reconciler.desired.get(key);
  if (want === undefined) return { entry, problem: 'this entry is not desired' };
  return isInSync(want, found) ? { entry } : { entry, problem: `desired: ${renderObject(want)}` };
}

function overheadOf(link: LinkObject, remote: IpAddress | undefined): number {
  if (link.type === 'wireguard') return wireguardOverheadBytes(remote === undefined ? 4 : familyOf(remote));
  const family = familyOf(link.local);
  if (link.type === 'ipip') return IPIP_OVERHEAD_BYTES;
  return link.type === 'fou' || (link.type === 'tun' && link.encapsulation === 'udp')
    ? udpOverheadBytes(family)
    : vxlanOverheadBytes(family);
}

async function underlayLookup(
  { kernel }: KernelSnapshot,
  remote: IpAddress,
  link: LinkObject,
  overheadBytes: number,
): Promise<{ readonly lookup: LookupV1; readonly mtu: number }> {
  const found = await kernel.lookupRoute(remote);
  const base = { table: 'underlay', key: remote } as const;
  if (found === undefined) return { lookup: { ...base, problem: 'unreachable' }, mtu: link.mtu };
  const entry = renderLookup(remote, found);
  const device = (await kernel.readInterfaces()).find(({ name }) => name === found.dev);
  const left = device === undefined ? link.mtu : device.mtu - overheadBytes;
  if (left >= link.mtu) return { lookup: { ...base, entry }, mtu: link.mtu };
  const problem = `${found.dev} has MTU ${device?.mtu}, which leaves ${left} bytes for the overlay, but ${link.name} has ${link.mtu}`;
  return { lookup: { ...base, entry, problem }, mtu: left };
}
