// Reads from the tables: the state that is ours, the host's interfaces, the main table. It caches
// nothing.
import type { Ownership } from '../../backends/backend.ts';
import { objectKey, type FirewallObject, type ObjectKey } from '../../backends/kernel-state.ts';
import type { ActualObject } from './actual-state.ts';
import { ROUTE_PROTOCOL } from './kernel.ts';
import type {
  ActualState,
  ForeignLink,
  Interface,
  InterfaceAddress,
  KnownState,
  MainRoute,
  RouteFilter,
} from './kernel.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { AddressMessage } from './netlink/address.ts';
import {
  IFA_F_DEPRECATED,
  IFA_F_PERMANENT,
  IFA_F_TEMPORARY,
  RT_SCOPE_LINK,
  RT_SCOPE_SITE,
  RT_SCOPE_UNIVERSE,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from './netlink/constants.ts';
import type { LinkMessage } from './netlink/link.ts';
import type { NeighbourMessage } from './netlink/neighbour-fdb.ts';
import type { RouteMessage } from './netlink/route.ts';
import {
  addObject,
  type NameOf,
  toAddress,
  toFouLink,
  toFdb,
  toIpipLink,
  toNeighbour,
  toRoute,
  toTunLink,
  toVxlanLink,
} from './message-objects.ts';
import type { PathTable } from './path-table.ts';
import type { Reading, ReadMemory, ToObject } from './read-memory.ts';
import type { WireguardDeviceMessage } from './wireguard/wireguard-model.ts';
import { toWireguardLink, toWireguardPeer, type EndpointMemory } from './wireguard/wireguard-objects.ts';
import { routeKey, RouteOwnership } from './route-ownership.ts';

type Objects = Map<ObjectKey, ActualObject>;

/** Where kernel state is read. */
export interface StateSources {
  readonly tables: KernelTables;
  readonly path: PathTable;
  /** Of the last reading with a known state. */
  readonly memory: ReadMemory;
  /** Endpoints of WireGuard peers as set last. */
  readonly endpoints: EndpointMemory;
  /** Unset if the firewall is left alone. */
  readonly firewall: { read(): Promise<readonly FirewallObject[]> } | undefined;
  readonly policies?: { list(): Promise<readonly ActualObject[]> } | undefined;
  readonly ike?: { list(): Promise<readonly ActualObject[]> } | undefined;
  /** Unset if no route of a cloud is managed. */
  readonly cloudRoutes?: { list(): readonly ActualObject[] } | undefined;
  /** Unset if no commands are run. */
  readonly commands?: { list(): Promise<readonly ActualObject[]> } | undefined;
}

/**
 * Reads all that `ownership` covers, and configures the packet path from it.
 * @throws KernelReadError
 */
export async function readState(
  { tables, path, memory, endpoints, firewall, policies, ike, cloudRoutes, commands }: StateSources,
  ownership: Ownership,
  known?: KnownState,
): Promise<ActualState> {
  const links = await tables.links();
  const names = new Map(links.map((link) => [link.index, link.name]));
  const nameOf: NameOf = (index) => names.get(index);
  const reading = memory.begin(ownership, known, nameOf);
  const objects: Objects = new Map();
  const foreignLinks = new Map<string, ForeignLink>();
  for (const link of links) {
    if (!ownership.devices.includes(link.name)) continue;
    if (!(await readLink({ tables, path, endpoints }, link, nameOf, objects)) && !path.isHandedOver(link))
      foreignLinks.set(link.name, { name: link.name, type: link.kind });
    await readDevice(tables, link, reading, objects);
  }
  await readOwnedRoutes(tables, ownership, reading, objects);
  for (const object of (await firewall?.read()) ?? []) addObject(objects, object);
  if (ownership.hasIpsec === true)
    for (const source of [policies, ike])
      for (const object of (await source?.list()) ?? []) addObject(objects, object);
  for (const object of cloudRoutes?.list() ?? []) addObject(objects, object);
  if (ownership.hasCommands === true)
    for (const object of (await commands?.list()) ?? []) addObject(objects, object);
  const state = { objects, foreignLinks };
  path.configureFrom(state);
  memory.end(reading, ownership, objects);
  return state;
}

/** Adds a link with a name of ours, and its path routes. Returns whether it is one of ours. */
async function readLink(
  { tables, path, endpoints }: Pick<StateSources, 'tables' | 'path' | 'endpoints'>,
  link: LinkMessage,
  nameOf: NameOf,
  objects: Objects,
): Promise<boolean> {
  path.adopt(link);
  const device = path.deviceOf(link);
  if (device !== undefined) {
    addObject(objects, toTunLink(link, device));
    for (const route of path.pathRoutes(device)) addObject(objects, route);
  } else if (link.vxlan !== undefined)
    addObject(objects, toVxlanLink(link, link.vxlan, nameOf(link.vxlan.parentIndex) ?? ''));
  const wireguard = device === undefined ? await tables.wireguard(link) : undefined;
  if (wireguard !== undefined) addWireguard(objects, link, wireguard, endpoints);
  const fou = link.ipTunnel && toFouLink(link, await tables.fouPorts(), nameOf);
  const ipip = toIpipLink(link, nameOf);
  for (const tunnel of [fou, ipip]) if (tunnel !== undefined) addObject(objects, tunnel);
  return [device, link.vxlan, fou, ipip, wireguard].some((found) => found !== undefined);
}

/** Adds a WireGuard device with its peers. */
function addWireguard(
  objects: Objects,
  link: LinkMessage,
  device: WireguardDeviceMessage,
  endpoints: EndpointMemory,
): void {
  addObject(objects, toWireguardLink(link, device));
  for (const peer of device.peers) {
    const endpoint = endpoints.endpointOf(link.name, peer, Date.now());
    addObject(objects, toWireguardPeer(link.name, peer, endpoint));
  }
}

async function readDevice(
  tables: KernelTables,
  { index, name, vxlan }: LinkMessage,
  reading: Reading,
  objects: Objects,
): Promise<void> {
  for (const message of await tables.addresses(index)) {
    const object = toAddress(message, name);
    if (object) addObject(objects, object);
  }
  const add = (object: ActualObject): void => addObject(objects, object);
  const neighbours = await tables.neighbours(index);
  await reading.add(`neighbours ${index}`, neighbours, objects, keyed(toNeighbour), add);
  if (vxlan === undefined) return;
  // The first remote of an entry stands for all.
  await reading.add(`fdb ${index}`, await tables.fdb(index), objects, keyed(toFdb), () => undefined);
}

/** A neighbour's or a forwarding entry's object with its key. */
function keyed(
  toObject: (message: NeighbourMessage, dev: string) => ActualObject | undefined,
): ToObject<NeighbourMessage> {
  return (message, nameOf) => {
    const object = toObject(message, nameOf(message.index) ?? '');
    return object && { key: objectKey(object), object };
  };
}

async function readOwnedRoutes(
  tables: KernelTables,
  ownership: Ownership,
  reading: Reading,
  objects: Objects,
): Promise<void> {
  const owned = new RouteOwnership(ownership);
  const toOwned: ToObject<RouteMessage> = (message, nameOf) => {
    const dev = nameOf(message.index) ?? '';
    if (!owned.isOurs({ ...message, dev, hasGateway: message.gateway !== undefined })) return undefined;
    return { key: routeKey(message), object: toRoute(message, dev) };
  };
  const add = (object: ActualObject, key: ObjectKey): void => addObject(objects, object, key);
  for (const family of [4, 6] as const)
    await reading.add(`routes ${family}`, await tables.routes(family), objects, toOwned, add);
}

/** All interfaces with their addresses. @throws KernelReadError */
export async function readInterfaces(tables: KernelTables): Promise<readonly Interface[]> {
  const links = await tables.links();
  const messages = await tables.addresses(0);
  return links.map((link) => ({
    index: link.index,
    name: link.name,
    mtu: link.mtu,
    isUp: link.isUp,
    isLoopback: link.isLoopback,
    ...(link.mac && { mac: link.mac }),
    type: link.kind,
    addresses: messages.filter(({ index }) => index === link.index).map(toInterfaceAddress),
  }));
}

function toInterfaceAddress(message: AddressMessage): InterfaceAddress {
  const { address, prefixLength, flags } = message;
  return {
    address,
    prefixLength,
    scope: scopeName(message.scope),
    isPermanent: (flags & IFA_F_PERMANENT) !== 0,
    isTemporary: address.includes(':') && (flags & IFA_F_TEMPORARY) !== 0,
    isDeprecated: (flags & IFA_F_DEPRECATED) !== 0,
  };
}

/** Scopes between universe and site are an administrator's own (rt_scopes). */
function scopeName(scope: number): InterfaceAddress['scope'] {
  if (scope === RT_SCOPE_UNIVERSE) return 'global';
  if (scope === RT_SCOPE_LINK) return 'link';
  return scope <= RT_SCOPE_SITE ? 'site' : 'host';
}

const DISCARDS: Readonly<Record<number, MainRoute['discards']>> = {
  [RTN_BLACKHOLE]: 'blackhole',
  [RTN_UNREACHABLE]: 'unreachable',
  [RTN_PROHIBIT]: 'prohibit',
};

/** Unicast and discarding routes of the main table of both families. @throws KernelReadError */
export async function readRoutes(
  tables: KernelTables,
  { isWithoutOwn = false }: RouteFilter = {},
): Promise<readonly MainRoute[]> {
  const links = await tables.links();
  const names = new Map(links.map((link) => [link.index, link.name]));
  const routes: MainRoute[] = [];
  for (const family of [4, 6] as const) {
    for (const entry of await tables.routes(family, isWithoutOwn ? ROUTE_PROTOCOL : undefined)) {
      const message = entry.decode();
      if (message === undefined) continue;
      const discards = DISCARDS[message.type];
      const dev = discards === undefined ? names.get(message.index) : '';
      if ((message.type !== RTN_UNICAST && discards === undefined) || dev === undefined) continue;
      const { destination, gateway, metric, protocol } = message;
      routes.push({
        destination,
        dev,
        metric,
        protocol,
        isMultipath: message.hasSeveralDevices === true,
        ...(gateway && { gateway }),
        ...(discards && { discards }),
      });
    }
  }
  return routes;
}
