// RTM_*ROUTE: routes of both families as bytes (rtnetlink(7)).
// struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type (u8 each), flags u32.
import type { Cidr, IpAddress } from '../../../lib/address.ts';
import { defined } from '../../../lib/defined.ts';
import { decodeIp } from './address-bytes.ts';
import {
  AF_INET,
  AF_INET6,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_GATEWAY,
  RTA_MULTIPATH,
  RTA_NH_ID,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_VIA,
  RTM_DELROUTE,
  RTM_F_CLONED,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_BLACKHOLE,
  RTN_UNICAST,
  RTN_UNSPEC,
  RTNH_F_ONLINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
} from './constants.ts';
import { align, AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';
import type { DigestFormat } from './message-digest.ts';

/** Bytes of `struct rtmsg` and `struct rtnexthop`. */
const RTMSG_BYTES = 12;
const RTNEXTHOP_BYTES = 8;

/** Without when an IPv6 route was used last and when it expires. */
export const ROUTE_DIGEST: DigestFormat = { headerBytes: RTMSG_BYTES, volatile: 1 << RTA_CACHEINFO };

/** RTM_NEWROUTE or RTM_DELROUTE. */
export interface RouteMessage {
  /** RTA_DST and its length; the default route without RTA_DST. */
  readonly destination: Cidr;
  /** RTPROT_* */
  readonly protocol: number;
  /** RTN_* */
  readonly type: number;
  /** RTA_PRIORITY. 0 is best; IPv6 routes made without one have 1024 (IP6_RT_PRIO_USER). */
  readonly metric: number;
  /** RTA_OIF: device of the first next hop, 0 if there is none. */
  readonly index: number;
  /** RTA_GATEWAY or RTA_VIA of the first next hop. */
  readonly gateway?: IpAddress;
  /** RTA_PREFSRC */
  readonly source?: IpAddress;
  /** RTNH_F_ONLINK */
  readonly isOnLink: boolean;
  /** Number of next hops: above 1 for multipath. */
  readonly hops: number;
  /** The next hops have different devices. Absent means no. */
  readonly hasSeveralDevices?: boolean;
  readonly hasTos: boolean;
  /** RTA_NH_ID is set. */
  readonly isNexthopObject: boolean;
}

/** A route to set. */
export interface RouteTarget {
  readonly destination: Cidr;
  /** Unset: the destination is on the link. */
  readonly gateway?: IpAddress;
  readonly index: number;
  readonly isOnLink: boolean;
  readonly protocol: number;
  /** Set for a blackhole, which then needs no device. */
  readonly blackholeMetric?: number;
}

/** Which route to delete; what is left out matches any. */
export interface RouteMatch {
  readonly destination: Cidr;
  readonly protocol?: number;
  readonly gateway?: IpAddress;
  readonly index?: number;
  readonly metric?: number;
}

/** RTM_GETROUTE: dumps the main table of one family. */
export function encodeRouteDump(writer: MessageWriter, family: 4 | 6): void {
  const at = writer.begin(RTM_GETROUTE, NLM_F_DUMP, RTMSG_BYTES);
  writer.writeU8(at, family === 4 ? AF_INET : AF_INET6);
  writer.writeU8(at + 4, RT_TABLE_MAIN);
}

/** RTM_GETROUTE: the route that the kernel picks for `address`. */
export function encodeRouteLookup(writer: MessageWriter, address: IpAddress): void {
  const isIpv6 = address.includes(':');
  const at = writer.begin(RTM_GETROUTE, 0, RTMSG_BYTES);
  writer.writeU8(at, isIpv6 ? AF_INET6 : AF_INET);
  writer.writeU8(at + 1, isIpv6 ? 128 : 32);
  writer.attributeIp(RTA_DST, address);
}

/**
 * RTM_NEWROUTE: creates, or replaces the route of this destination and metric in one step, without
 * a gap.
 */
export function encodeRouteSet(writer: MessageWriter, route: RouteTarget): void {
  const at = begin(writer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route.destination);
  writer.writeU8(at + 5, route.protocol);
  writer.writeU8(at + 6, RT_SCOPE_UNIVERSE);
  writer.writeU8(at + 7, route.blackholeMetric === undefined ? RTN_UNICAST : RTN_BLACKHOLE);
  if (route.blackholeMetric !== undefined) return writer.attributeU32(RTA_PRIORITY, route.blackholeMetric);
  if (route.isOnLink) writer.writeU32(at + 8, RTNH_F_ONLINK);
  if (route.gateway !== undefined) writer.attributeIp(RTA_GATEWAY, route.gateway);
  writer.attributeU32(RTA_OIF, route.index);
}

/** RTM_DELROUTE: deletes the first route that matches. */
export function encodeRouteDelete(writer: MessageWriter, match: RouteMatch): void {
  const at = begin(writer, RTM_DELROUTE, 0, match.destination);
  writer.writeU8(at + 5, match.protocol ?? 0);
  writer.writeU8(at + 6, RT_SCOPE_NOWHERE);
  writer.writeU8(at + 7, RTN_UNSPEC);
  if (match.gateway !== undefined) writer.attributeIp(RTA_GATEWAY, match.gateway);
  if (match.index !== undefined) writer.attributeU32(RTA_OIF, match.index);
  if (match.metric !== undefined) writer.attributeU32(RTA_PRIORITY, match.metric);
}

function begin(writer: MessageWriter, type: number, flags: number, destination: Cidr): number {
  const at = writer.begin(type, flags, RTMSG_BYTES);
  const slash = destination.indexOf('/');
  writer.writeU8(at, destination.includes(':') ? AF_INET6 : AF_INET);
  writer.writeU8(at + 1, Number(destination.slice(slash + 1)));
  writer.writeU8(at + 4, RT_TABLE_MAIN);
  writer.attributeIp(RTA_DST, destination.slice(0, slash) as IpAddress);
  return at;
}

const attributes = new AttributeTable(RTA_NH_ID);
const hop = new AttributeTable(RTA_VIA);

/**
 * Decodes RTM_NEWROUTE and RTM_DELROUTE; `undefined` for other tables, cached routes and families
 * other than IP.
 */
export function decodeRoute(buffer: Buffer, start: number, end: number): RouteMessage | undefined {
  const at = start + HEADER_BYTES;
  if (end < at + RTMSG_BYTES || buffer[at + 4] !== RT_TABLE_MAIN) return undefined;
  if ((buffer.readUInt32LE(at + 8) & RTM_F_CLONED) !== 0) return undefined;
  return decodeAnyRoute(buffer, start, end);
}

/** As {@link decodeRoute}, of any table: for the answer to a lookup. */
export function decodeAnyRoute(buffer: Buffer, start: number, end: number): RouteMessage | undefined {
  const at = start + HEADER_BYTES;
  if (end < at + RTMSG_BYTES) return undefined;
  const family = buffer[at]!;
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  attributes.read(buffer, at + RTMSG_BYTES, end);
  const multipath = attributes.has(RTA_MULTIPATH) ? readHops(buffer) : undefined;
  const first = multipath ? hop : attributes;
  const gateway = first.ip(RTA_GATEWAY) ?? decodeVia(buffer, first);
  const source = attributes.ip(RTA_PREFSRC);
  const address = attributes.ip(RTA_DST) ?? (family === AF_INET ? '0.0.0.0' : '::');
  return defined({
    destination: `${address}/${buffer[at + 1]}` as Cidr,
    protocol: buffer[at + 5]!,
    type: buffer[at + 7]!,
    metric: attributes.u32(RTA_PRIORITY),
    index: multipath?.firstIndex ?? attributes.u32(RTA_OIF),
    gateway,
    source,
    isOnLink: (buffer.readUInt32LE(at + 8) & RTNH_F_ONLINK) !== 0,
    hops: multipath?.count ?? 1,
    hasSeveralDevices: multipath?.hasSeveralDevices === true ? true : undefined,
    hasTos: buffer[at + 3] !== 0,
    isNexthopObject: attributes.has(RTA_NH_ID),
  });
}

interface Hops {
  readonly count: number;
  readonly firstIndex: number;
  readonly hasSeveralDevices: boolean;
}

/**
 * Reads the first of several next hops (struct rtnexthop: length u16, flags u8, hops u8, index
 * i32); counts all.
 */
function readHops(buffer: Buffer): Hops {
  const end = attributes.at(RTA_MULTIPATH) + attributes.lengthOf(RTA_MULTIPATH);
  let count = 0;
  let firstIndex = 0;
  let hasSeveralDevices = false;
  hop.read(buffer, 0, 0);
  for (let at = attributes.at(RTA_MULTIPATH); at + RTNEXTHOP_BYTES <= end; count++) {
    const length = buffer.readUInt16LE(at);
    if (length < RTNEXTHOP_BYTES || at + length > end) break;
    if (count === 0) {
      hop.read(buffer, at + RTNEXTHOP_BYTES, at + length);
      firstIndex = buffer.readInt32LE(at + 4);
    } else if (buffer.readInt32LE(at + 4) !== firstIndex) hasSeveralDevices = true;
    at += align(length);
  }
  return { count, firstIndex, hasSeveralDevices };
}

/** RTA_VIA is a gateway of the other family (struct rtvia): family u16, then the address. */
function decodeVia(buffer: Buffer, table: AttributeTable): IpAddress | undefined {
  const at = table.at(RTA_VIA);
  return at === 0 ? undefined : decodeIp(buffer, at + 2, table.lengthOf(RTA_VIA) - 2);
}

/** RTPROT_* of the route message at `start`; undefined if it is too short. */
export function protocolOf(buffer: Buffer, start: number): number | undefined {
  return buffer[start + HEADER_BYTES + 5];
}
