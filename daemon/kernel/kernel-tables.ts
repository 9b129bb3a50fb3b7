// The kernel's tables as lists of decoded messages. The real kernel and its model implement it;
// `state-reader.ts` selects what is ours.
import type { FouPort } from './netlink/fou.ts';
import type { AddressMessage } from './netlink/address.ts';
import type { LinkMessage } from './netlink/link.ts';
import type { NeighbourMessage } from './netlink/neighbour-fdb.ts';
import type { WireguardDeviceMessage } from './wireguard/wireguard-model.ts';
import type { RouteMessage } from './netlink/route.ts';

/** One message of a table that is being read, decoded on demand. */
export interface TableEntry<Message> {
  /** Halves of a digest of the message, without what changes by itself: equal only if it became the same object. */
  readonly high: number;
  readonly low: number;
  /** Unset for a message that does not matter. */
  decode(): Message | undefined;
}

/** To be read once; the same object stands for each entry in turn. */
export type TableEntries<Message> = Iterable<TableEntry<Message>>;

/** Reads whole tables. Every call may reject with a KernelReadError. */
export interface KernelTables {
  /** All links of this network namespace. */
  links(): Promise<readonly LinkMessage[]>;
  /** Of one device, or of all if `index` is 0. */
  addresses(index: number): Promise<readonly AddressMessage[]>;
  /** Neighbours of one device, IPv4 and IPv6. */
  neighbours(index: number): Promise<TableEntries<NeighbourMessage>>;
  /** Forwarding entries of a VXLAN device, one message a remote. */
  fdb(index: number): Promise<TableEntries<NeighbourMessage>>;
  /** UDP ports at which the kernel takes IP packets. */
  fouPorts(): Promise<readonly FouPort[]>;
  /** A WireGuard device; `undefined` if the link is none. */
  wireguard(link: Pick<LinkMessage, 'kind' | 'name'>): Promise<WireguardDeviceMessage | undefined>;
  /** The main table of one family, without routes of a protocol (RTPROT_*) if given. */
  routes(family: 4 | 6, withoutProtocol?: number): Promise<TableEntries<RouteMessage>>;
}
