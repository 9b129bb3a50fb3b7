// RTM_*NEIGH: neighbour entries and, in family AF_BRIDGE, forwarding entries of a VXLAN device, as
// bytes. struct ndmsg: family u8, pad u8, pad u16, index i32, state u16, flags u8, type u8.
import type { IpAddress, MacAddress } from '../../../lib/address.ts';
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  NDA_CACHEINFO,
  NDA_DST,
  NDA_IFINDEX,
  NDA_LLADDR,
  NDA_NH_ID,
  NDA_PORT,
  NDA_PROBES,
  NDA_VNI,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  NTF_SELF,
  NUD_PERMANENT,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
  RTN_UNICAST,
} from './constants.ts';
import { IFINFO_BYTES } from './link-header.ts';
import { AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';
import type { DigestFormat } from './message-digest.ts';

/** Bytes of `struct ndmsg`. */
const NDMSG_BYTES = 12;

/** Without how long ago an entry was used, and how often its neighbour was asked. */
export const NEIGHBOUR_DIGEST: DigestFormat = {
  headerBytes: NDMSG_BYTES,
  volatile: (1 << NDA_CACHEINFO) | (1 << NDA_PROBES),
};

/** One neighbour entry, or one remote of one forwarding entry. */
export interface NeighbourMessage {
  /** AF_INET, AF_INET6 or AF_BRIDGE. */
  readonly family: number;
  readonly index: number;
  /** NUD_* */
  readonly state: number;
  /**
   * NDA_DST. Of a neighbour: its address. Of a forwarding entry: the remote, unset if it has none.
   */
  readonly address?: IpAddress;
  /** NDA_LLADDR; unset unless it has six bytes. */
  readonly mac?: MacAddress;
  /** Attributes of a forwarding entry that weft never sets, one text each, such as `port 4789`. */
  readonly unsupported: readonly string[];
  /**
   * Of a forwarding entry: repeats a request without its remote. Before Linux 6.14 rtnl_fdb_add and rtnl_fdb_del notify so
   * after the VXLAN driver, which alone gives NDA_CACHEINFO.
   */
  readonly isRequest?: true;
}

/** An entry to set: a neighbour, or a forwarding entry with the remote `address`. */
export interface NeighbourTarget {
  readonly index: number;
  readonly address: IpAddress;
  readonly mac: MacAddress;
}

/** RTM_GETNEIGH: dumps neighbours of device `index`, of all if 0. */
export function encodeNeighbourDump(writer: MessageWriter, index: number): void {
  writer.begin(RTM_GETNEIGH, NLM_F_DUMP, NDMSG_BYTES);
  if (index !== 0) writer.attributeU32(NDA_IFINDEX, index);
}

/**
 * RTM_GETNEIGH in AF_BRIDGE: dumps forwarding entries of one device. With strict checking the
 * kernel requires `ndmsg`, without it `ifinfomsg` (rtnl_fdb_dump).
 */
export function encodeFdbDump(writer: MessageWriter, index: number, hasStrictCheck: boolean): void {
  const at = writer.begin(RTM_GETNEIGH, NLM_F_DUMP, hasStrictCheck ? NDMSG_BYTES : IFINFO_BYTES);
  writer.writeU8(at, AF_BRIDGE);
  writer.writeU32(at + 4, index);
}

/** RTM_NEWNEIGH: creates or replaces; NUD_PERMANENT. */
export function encodeNeighbourSet(writer: MessageWriter, target: NeighbourTarget): void {
  const at = begin(writer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, target.index);
  writer.writeU8(at, target.address.includes(':') ? AF_INET6 : AF_INET);
  writer.writeU16(at + 8, NUD_PERMANENT);
  writer.writeU8(at + 11, RTN_UNICAST);
  writer.attributeIp(NDA_DST, target.address);
  writer.attributeMac(NDA_LLADDR, target.mac);
}

/** RTM_DELNEIGH */
export function encodeNeighbourDelete(
  writer: MessageWriter,
  target: { readonly index: number; readonly address: IpAddress },
): void {
  const at = begin(writer, RTM_DELNEIGH, 0, target.index);
  writer.writeU8(at, target.address.includes(':') ? AF_INET6 : AF_INET);
  writer.attributeIp(NDA_DST, target.address);
}

/** RTM_NEWNEIGH in AF_BRIDGE: creates or replaces; NUD_PERMANENT, NTF_SELF. */
export function encodeFdbSet(writer: MessageWriter, target: NeighbourTarget): void {
  const at = begin(writer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, target.index);
  writer.writeU8(at, AF_BRIDGE);
  writer.writeU16(at + 8, NUD_PERMANENT);
  writer.writeU8(at + 10, NTF_SELF);
  writer.attributeMac(NDA_LLADDR, target.mac);
  writer.attributeIp(NDA_DST, target.address);
}

/** RTM_DELNEIGH in AF_BRIDGE: deletes the entry with all its remotes. */
export function encodeFdbDelete(
  writer: MessageWriter,
  target: { readonly index: number; readonly mac: MacAddress },
): void {
  const at = begin(writer, RTM_DELNEIGH, 0, target.index);
  writer.writeU8(at, AF_BRIDGE);
  writer.writeU8(at + 10, NTF_SELF);
  writer.attributeMac(NDA_LLADDR, target.mac);
}

function begin(writer: MessageWriter, type: number, flags: number, index: number): number {
  const at = writer.begin(type, flags, NDMSG_BYTES);
  writer.writeU32(at + 4, index);
  return at;
}

const NONE: readonly string[] = [];
const attributes = new AttributeTable(NDA_NH_ID);

/**
 * The device index alone, for the many notifications of neighbours that are not ours. 0 if the
 * message is too short.
 */
export function decodeNeighbourIndex(buffer: Buffer, start: number, end: number): number {
  return end < start + HEADER_BYTES + NDMSG_BYTES ? 0 : buffer.readInt32LE(start + HEADER_BYTES + 4);
}

/**
 * Decodes RTM_NEWNEIGH and RTM_DELNEIGH; `undefined` for families that are neither IP nor
 * AF_BRIDGE.
 */
export function decodeNeighbour(buffer: Buffer, start: number, end: number): NeighbourMessage | undefined {
  const at = start + HEADER_BYTES;
  if (end < at + NDMSG_BYTES) return undefined;
  const family = buffer[at]!;
  if (family !== AF_BRIDGE && family !== AF_INET && family !== AF_INET6) return undefined;
  attributes.read(buffer, at + NDMSG_BYTES, end);
  const address = attributes.ip(NDA_DST);
  const mac = attributes.mac(NDA_LLADDR);
  return {
    family,
    index: buffer.readInt32LE(at + 4),
    state: buffer.readUInt16LE(at + 8),
    ...(address && { address }),
    ...(mac && { mac }),
    unsupported: family === AF_BRIDGE ? decodeUnsupported() : NONE,
    ...(family === AF_BRIDGE && !attributes.has(NDA_CACHEINFO) && { isRequest: true }),
  };
}

/** The kernel reports these only where they differ from the device's own (vxlan_fdb_info). */
function decodeUnsupported(): readonly string[] {
  if (!attributes.has(NDA_PORT) && !attributes.has(NDA_VNI)) {
    if (!attributes.has(NDA_IFINDEX) && !attributes.has(NDA_NH_ID)) return NONE;
  }
  const found: string[] = [];
  if (attributes.has(NDA_PORT)) found.push(`port ${attributes.port(NDA_PORT)}`);
  for (const [name, type] of NUMBERS) if (attributes.has(type)) found.push(`${name} ${attributes.u32(type)}`);
  return found;
}

const NUMBERS = [
  ['vni', NDA_VNI],
  ['via interface', NDA_IFINDEX],
  ['nexthop object', NDA_NH_ID],
] as const;
