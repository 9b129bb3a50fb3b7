// Renames a device with all that is on it. Since Linux 6.2 the kernel renames a device that is up.
// Before it must be down, and loses its routes, its neighbours and its IPv6 addresses: they are set
// again in the same batch, so that packets are lost no longer than the kernel takes for it.
import { encodeAddressDump, decodeAddress, encodeAddressSet } from './netlink/address.ts';
import { NUD_PERMANENT, RTN_UNICAST, RTPROT_KERNEL, RT_SCOPE_UNIVERSE } from './netlink/constants.ts';
import { encodeLinkChange, encodeLinkDown, encodeLinkRename } from './netlink/link.ts';
import { decodeNeighbour, encodeNeighbourDump, encodeNeighbourSet } from './netlink/neighbour-fdb.ts';
import type { NetlinkClient, Request } from './netlink/netlink-client.ts';
import { decodeRoute, encodeRouteDump, encodeRouteSet } from './netlink/route.ts';
import { readLink } from './netlink-reader.ts';

/** Best effort: the device is changed, or created, under its new name in any case. */
export async function renameLink(client: NetlinkClient, from: string, to: string): Promise<void> {
  const current = await readLink(client, { name: from });
  if (current === undefined) return;
  const { index, isUp } = current;
  const change: Request = (writer) => encodeLinkRename(writer, index, to);
  const [outcome] = await client.send([change]);
  if (outcome?.status !== 'rejected' || outcome.errno !== 'EBUSY') return;
  const entries = isUp ? await readEntries(client, index) : [];
  const up: Request = (writer) => encodeLinkChange(writer, index, {});
  await client.send([(writer) => encodeLinkDown(writer, index), change, ...(isUp ? [up] : []), ...entries]);
}

/**
 * Requests that set what a device loses when it goes down. Routes come first: a packet without a
 * neighbour waits in the kernel, one without a route is lost.
 */
async function readEntries(client: NetlinkClient, index: number): Promise<readonly Request[]> {
  const addresses = await client.dump(
    'addresses',
    (writer) => encodeAddressDump(writer, index),
    decodeAddress,
  );
  const routes = await Promise.all(
    ([4, 6] as const).map((family) =>
      client.dump('routes', (writer) => encodeRouteDump(writer, family), decodeRoute),
    ),
  );
  const neighbours = await client.dump(
    'neighbours',
    (writer) => encodeNeighbourDump(writer, index),
    decodeNeighbour,
  );
  return [
    ...addresses.flatMap((address): Request[] =>
      address.index === index && address.scope === RT_SCOPE_UNIVERSE && address.address.includes(':')
        ? [(writer) => encodeAddressSet(writer, address)]
        : [],
    ),
    ...routes
      .flat()
      .flatMap((route): Request[] =>
        route.index === index &&
        route.type === RTN_UNICAST &&
        route.protocol !== RTPROT_KERNEL &&
        route.hops <= 1
          ? [(writer) => encodeRouteSet(writer, route)]
          : [],
      ),
    ...neighbours.flatMap(({ address, mac, ...neighbour }): Request[] =>
      neighbour.index === index &&
      address !== undefined &&
      mac !== undefined &&
      (neighbour.state & NUD_PERMANENT) !== 0
        ? [(writer) => encodeNeighbourSet(writer, { index, address, mac })]
        : [],
    ),
  ];
}
