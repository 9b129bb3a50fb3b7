// Reads from the real kernel: its tables by dump, one link, one route.
import type { IpAddress } from '../../lib/address.ts';
import type { FouPorts } from './fou-ports.ts';
import type { RouteLookup } from './kernel.ts';
import type { KernelTables, TableEntries } from './kernel-tables.ts';
import { decodeAddress, encodeAddressDump } from './netlink/address.ts';
import {
  decodeLink,
  encodeLinkDump,
  encodeLinkGet,
  type LinkMessage,
  type LinkSelector,
} from './netlink/link.ts';
import { DumpEntries } from './netlink/dump-entries.ts';
import {
  decodeNeighbour,
  encodeFdbDump,
  encodeNeighbourDump,
  NEIGHBOUR_DIGEST,
  type NeighbourMessage,
} from './netlink/neighbour-fdb.ts';
import { KernelReadError } from './netlink/outcome.ts';
import type { NetlinkClient, Request } from './netlink/netlink-client.ts';
import {
  decodeAnyRoute,
  decodeRoute,
  encodeRouteDump,
  encodeRouteLookup,
  protocolOf,
  ROUTE_DIGEST,
} from './netlink/route.ts';

/**
 * Tables by dump. The kernel filters by device if it checks strictly; else all messages come and
 * are filtered here.
 */
export function openTables(
  client: NetlinkClient,
  fouPorts: Pick<FouPorts, 'list'>,
  wireguard: { readonly read: KernelTables['wireguard'] },
): KernelTables {
  const entries = async (
    what: string,
    index: number,
    request: Request,
  ): Promise<TableEntries<NeighbourMessage>> => {
    const decode: typeof decodeNeighbour = (buffer, start, end) => {
      const message = decodeNeighbour(buffer, start, end);
      return message?.index === index ? message : undefined;
    };
    return new DumpEntries(await client.dumpDatagrams(what, request), decode, NEIGHBOUR_DIGEST);
  };
  return {
    links: () => client.dump('links', encodeLinkDump, decodeLink),
    addresses: async (index) => {
      const encode: Request = (writer) => encodeAddressDump(writer, index);
      const all = await client.dump('addresses', encode, decodeAddress);
      return index === 0 ? all : all.filter((message) => message.index === index);
    },
    neighbours: (index) => entries('neighbours', index, (writer) => encodeNeighbourDump(writer, index)),
    fdb: (index) =>
      entries('FDB entries', index, (writer) => encodeFdbDump(writer, index, client.hasStrictCheck)),
    fouPorts: () => fouPorts.list(),
    wireguard: (link) => wireguard.read(link),
    routes: async (family, withoutProtocol) => {
      const decode: typeof decodeRoute = (buffer, start, end) =>
        protocolOf(buffer, start) === withoutProtocol ? undefined : decodeRoute(buffer, start, end);
      const encode: Request = (writer) => encodeRouteDump(writer, family);
      return new DumpEntries(await client.dumpDatagrams('routes', encode), decode, ROUTE_DIGEST);
    },
  };
}

/** One link by name or index, `undefined` if there is none. @throws KernelReadError */
export async function readLink(
  client: NetlinkClient,
  selector: LinkSelector,
): Promise<LinkMessage | undefined> {
  const { outcome, item } = await client.get((writer) => encodeLinkGet(writer, selector), decodeLink);
  if (item !== undefined || outcome.status === 'done') return item;
  if (outcome.status === 'unknown') throw new KernelReadError('a link', 'ETIMEDOUT', outcome.message);
  if (outcome.errno === 'ENODEV') return undefined;
  throw new KernelReadError('a link', outcome.errno, outcome.message);
}

/**
 * The next hop that the kernel picks for `address`; `undefined` if it is unreachable.
 * @throws KernelReadError
 */
export async function lookupRoute(
  client: NetlinkClient,
  address: IpAddress,
): Promise<RouteLookup | undefined> {
  const { outcome, item } = await client.get((writer) => encodeRouteLookup(writer, address), decodeAnyRoute);
  if (outcome.status === 'unknown')
    throw new KernelReadError(`the route to ${address}`, 'ETIMEDOUT', outcome.message);
  // A rejection is the answer: unreachable, prohibited, blackhole.
  if (outcome.status === 'rejected' || item === undefined) return undefined;
  const link = await readLink(client, { index: item.index });
  if (link === undefined) return undefined;
  const { gateway, source } = item;
  return { dev: link.name, ...(gateway && { gateway }), ...(source && { source }) };
}
