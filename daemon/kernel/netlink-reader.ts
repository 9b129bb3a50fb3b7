// Reads from the real kernel: its tables by dump, one link, one route.
import type { IpAddress } from '../../lib/address.ts';
import type { FouPorts } from './fou-ports.ts';
import type { RouteLookup } from './kernel.ts';
import type { KernelTables } from './kernel-tables.ts';
import { decodeAddress, encodeAddressDump } from './netlink/address.ts';
import {
  decodeLink,
  encodeLinkDump,
  encodeLinkGet,
  type LinkMessage,
  type LinkSelector,
} from './netlink/link.ts';
import { decodeNeighbour, encodeFdbDump, encodeNeighbourDump } from './netlink/neighbour-fdb.ts';
import { KernelReadError } from './netlink/outcome.ts';
import type { NetlinkClient } from './netlink/netlink-client.ts';
import {
  decodeAnyRoute,
  decodeRoute,
  encodeRouteDump,
  encodeRouteLookup,
  protocolOf,
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
  const only = async <T extends { readonly index: number }>(
    index: number,
    all: Promise<T[]>,
  ): Promise<T[]> => (index === 0 ? all : (await all).filter((message) => message.index === index));
  return {
    links: () => client.dump('links', encodeLinkDump, decodeLink),
    addresses: (index) =>
      only(
        index,
        client.dump('addresses', (writer) => encodeAddressDump(writer, index), decodeAddress),
      ),
    neighbours: (index) =>
      only(
        index,
        client.dump('neighbours', (writer) => encodeNeighbourDump(writer, index), decodeNeighbour),
      ),
    fdb: (index) => {
      const encode = (writer: Parameters<typeof encodeFdbDump>[0]): void =>
        encodeFdbDump(writer, index, client.hasStrictCheck);
      return only(index, client.dump('FDB entries', encode, decodeNeighbour));
    },
    fouPorts: () => fouPorts.list(),
    wireguard: (link) => wireguard.read(link),
    routes: (family, withoutProtocol) => {
      const decode: typeof decodeRoute = (buffer, start, end) =>
        protocolOf(buffer, start) === withoutProtocol ? undefined : decodeRoute(buffer, start, end);
      return client.dump('routes', (writer) => encodeRouteDump(writer, family), decode);
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
