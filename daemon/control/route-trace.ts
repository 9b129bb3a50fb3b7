// The way of a packet through this host's tables: route, then neighbour and FDB (or the entry of the packet path), then
// the route of the underlay. Reads what the kernel answers and says where that is not what the daemon wants.
import { contains, familyOf, type IpAddress } from '../../lib/address.ts';
import type { KernelObject, LinkObject, ObjectKey } from '../../backends/kernel-state.ts';
import { udpOverheadBytes, vxlanOverheadBytes } from '../../backends/mtu.ts';
import { renderObject } from '../../backends/render.ts';
import type { ActualObject } from '../kernel/actual.ts';
import type { RouteLookup } from '../kernel/kernel.ts';
import { isInSync } from '../reconciler/diff.ts';
import type { KernelSnapshot } from './kernel-snapshot.ts';
import type { LookupV1, RouteV1 } from '../../api/types.ts';

export interface Walk {
  readonly lookups: readonly LookupV1[];
  readonly way: RouteV1['way'];
  readonly mtu?: number;
  readonly overheadBytes?: number;
}

/** Looks `to` up, which is an address of the overlay; `owner` is the key of the lease that covers it. */
export async function traceRoute(
  now: KernelSnapshot,
  to: IpAddress,
  owner: string | undefined,
): Promise<Walk> {
  const { kernel, actual } = now;
  const found = await kernel.lookupRoute(to);
  const wanted = wantedRoute(now, to, owner);
  const lookups: LookupV1[] = [routeLookup(to, found, wanted)];
  if (found === undefined) return { lookups, way: 'none' };
  const link = actual.objects.get(`link ${found.dev}`);
  if (link?.kind !== 'link') return walkPlain(now, lookups, found, wanted !== undefined);
  const tunnel =
    link.type === 'tun'
      ? tunnelLookup(now, to, link.name)
      : neighbourLookups(now, link.name, found.gateway ?? to);
  lookups.push(...tunnel.lookups);
  const overheadBytes = overheadOf(link);
  const way = link.type === 'tun' ? 'userspace' : 'kernel';
  if (tunnel.remote === undefined) return { lookups, way: 'none', overheadBytes };
  const underlay = await underlayLookup(now, tunnel.remote, link, overheadBytes);
  return { lookups: [...lookups, underlay.lookup], way, mtu: underlay.mtu, overheadBytes };
}

type Route = Extract<KernelObject, { readonly kind: 'route' }>;

/** The route that the daemon wants for a peer's subnet. */
function wantedRoute(
  { reconciler }: KernelSnapshot,
  to: IpAddress,
  owner: string | undefined,
): Route | undefined {
  for (const object of reconciler.objectsOf(owner ?? '').values())
    if (object.kind === 'route' && contains(object.destination, to)) return object;
  return undefined;
}

function routeLookup(to: IpAddress, found: RouteLookup | undefined, wanted: Route | undefined): LookupV1 {
  const base = { table: 'route', question: to } as const;
  const should = wanted === undefined ? '' : `; it should go by ${renderObject(wanted)}`;
  if (found === undefined) return { ...base, problem: `unreachable${should}` };
  const entry = renderLookup(to, found);
  const isWanted = wanted === undefined || (found.dev === wanted.dev && goesVia(found, wanted));
  return isWanted ? { ...base, entry } : { ...base, entry, problem: `another way than wanted${should}` };
}

function goesVia({ gateway }: RouteLookup, wanted: Route): boolean {
  return gateway === undefined || gateway === wanted.gateway;
}

function renderLookup(to: IpAddress, { dev, gateway, source }: RouteLookup): string {
  return `${to}${gateway === undefined ? '' : ` via ${gateway}`} dev ${dev}${source === undefined ? '' : ` src ${source}`}`;
}

async function walkPlain(
  { kernel }: KernelSnapshot,
  lookups: LookupV1[],
  found: RouteLookup,
  isPeer: boolean,
): Promise<Walk> {
  const device = (await kernel.readInterfaces()).find(({ name }) => name === found.dev);
  return { lookups, way: isPeer ? 'direct' : 'local', ...(device && { mtu: device.mtu }) };
}

interface TunnelEnd {
  readonly lookups: readonly LookupV1[];
  /** Unset if a packet would not get so far. */
  readonly remote?: IpAddress;
}

function tunnelLookup({ actual, reconciler }: KernelSnapshot, to: IpAddress, dev: string): TunnelEnd {
  const base = { table: 'tunnel', question: `${to} dev ${dev}` } as const;
  for (const [key, object] of actual.objects)
    if (object.kind === 'tunnel' && object.dev === dev && contains(object.destination, to))
      return { lookups: [{ ...base, ...judge(reconciler, key, object) }], remote: object.remote };
  return { lookups: [{ ...base, problem: 'no entry: such packets are dropped' }] };
}

function neighbourLookups(
  { actual, reconciler }: KernelSnapshot,
  dev: string,
  gateway: IpAddress,
): TunnelEnd {
  const key = `neighbour ${dev} ${gateway}` as const;
  const neighbour = actual.objects.get(key);
  const first = { table: 'neighbour', question: `${gateway} dev ${dev}` } as const;
  if (neighbour?.kind !== 'neighbour')
    return { lookups: [{ ...first, problem: 'no entry: such packets are dropped' }] };
  const lookups: LookupV1[] = [{ ...first, ...judge(reconciler, key, neighbour) }];
  const fdbKey = `fdb ${dev} ${neighbour.mac}` as const;
  const fdb = actual.objects.get(fdbKey);
  const second = { table: 'fdb', question: `${neighbour.mac} dev ${dev}` } as const;
  if (fdb?.kind !== 'fdb')
    return { lookups: [...lookups, { ...second, problem: 'no entry: such packets are dropped' }] };
  return {
    lookups: [...lookups, { ...second, ...judge(reconciler, fdbKey, fdb) }],
    remote: fdb.destination,
  };
}

function judge(
  reconciler: KernelSnapshot['reconciler'],
  key: ObjectKey,
  found: ActualObject,
): Pick<LookupV1, 'entry' | 'problem'> {
  const entry = renderObject(found);
  const want = reconciler.desired.get(key);
  if (want === undefined) return { entry, problem: 'nobody wants this entry' };
  return isInSync(want, found) ? { entry } : { entry, problem: `it should be ${renderObject(want)}` };
}

function overheadOf(link: LinkObject): number {
  const family = familyOf(link.local);
  return link.type === 'tun' && link.encapsulation === 'udp'
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
  const base = { table: 'underlay', question: remote } as const;
  if (found === undefined) return { lookup: { ...base, problem: 'unreachable' }, mtu: link.mtu };
  const entry = renderLookup(remote, found);
  const device = (await kernel.readInterfaces()).find(({ name }) => name === found.dev);
  const left = device === undefined ? link.mtu : device.mtu - overheadBytes;
  if (left >= link.mtu) return { lookup: { ...base, entry }, mtu: link.mtu };
  const problem = `${found.dev} has MTU ${device?.mtu}, which leaves ${left} bytes for the overlay, but ${link.name} has ${link.mtu}`;
  return { lookup: { ...base, entry, problem }, mtu: left };
}
