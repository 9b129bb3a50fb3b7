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
  readonly mtu?: number;
  readonly overheadBytes?: number;
}

/** Traces a packet to the overlay address `to`; `owner` is the key of the lease that covers it. */
export async function traceRoute(
  snapshot: KernelSnapshot,
  to: IpAddress,
  owner: string | undefined,
): Promise<RouteTrace> {
  const { kernel, actual } = snapshot;
  const found = await kernel.lookupRoute(to);
  const desired = desiredRoute(snapshot, to, owner);
  const lookups: LookupV1[] = [routeLookup(to, found, desired)];
  if (found === undefined) return { lookups, datapath: 'none' };
  const link = actual.objects.get(`link ${found.dev}`);
  if (link?.kind !== 'link') return traceUntunnelled(snapshot, lookups, found, desired !== undefined);
  const tunnel = lookupIn(snapshot, to, link, found);
  lookups.push(...tunnel.lookups);
  const overheadBytes = overheadOf(link, tunnel.remote);
  const isInUserspace = link.type === 'tun' || (link.type === 'wireguard' && link.isInUserspace === true);
  const datapath = isInUserspace ? 'userspace' : 'kernel';
  if (tunnel.remote === undefined) return { lookups, datapath: 'none', overheadBytes };
  const underlay = await underlayLookup(snapshot, tunnel.remote, link, overheadBytes);
  return { lookups: [...lookups, underlay.lookup], datapath, mtu: underlay.mtu, overheadBytes };
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
  const isDesired = desired === undefined || (found.dev === desired.dev && hasGateway(found, desired));
  return isDesired ? { ...base, entry } : { ...base, entry, problem: `not the desired route${expected}` };
}

function hasGateway({ gateway }: RouteLookup, desired: Route): boolean {
  return gateway === undefined || gateway === desired.gateway;
}

function renderLookup(to: IpAddress, { dev, gateway, source }: RouteLookup): string {
  return `${to}${gateway === undefined ? '' : ` via ${gateway}`} dev ${dev}${source === undefined ? '' : ` src ${source}`}`;
}

async function traceUntunnelled(
  { kernel }: KernelSnapshot,
  lookups: LookupV1[],
  found: RouteLookup,
  isPeer: boolean,
): Promise<RouteTrace> {
  const device = (await kernel.readInterfaces()).find(({ name }) => name === found.dev);
  return { lookups, datapath: isPeer ? 'direct' : 'local', ...(device && { mtu: device.mtu }) };
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
  return neighbourLookups(snapshot, link.name, gateway ?? to);
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
