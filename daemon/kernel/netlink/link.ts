// RTM_*LINK: network devices as bytes. Attributes of VXLAN devices are in `vxlan.ts`, of
// IP-in-IP devices in `ip-tunnel.ts`; no other kind's are decoded.
import type { MacAddress } from '../../../lib/address.ts';
import {
  AF_BRIDGE,
  IFF_LOOPBACK,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_CARRIER,
  IFLA_EXT_MASK,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MTU,
  IFLA_TXQLEN,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_GETLINK,
} from './constants.ts';
import {
  decodeIpip,
  decodeIpTunnel,
  IP_TUNNEL_KINDS,
  type IpipAttributes,
  type IpTunnelAttributes,
} from './ip-tunnel.ts';
import { beginLink, IFINFO_BYTES, LINK_UP } from './link-header.ts';
import { AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';
import { decodeVxlan, type VxlanAttributes } from './vxlan.ts';

/** RTM_NEWLINK or RTM_DELLINK, as far as weft needs it. */
export interface LinkMessage {
  /** Positive. */
  readonly index: number;
  readonly name: string;
  /** IFLA_MTU, in bytes. */
  readonly mtu: number;
  /** IFLA_TXQLEN, in packets. */
  readonly txQueueLength: number;
  /** IFF_UP */
  readonly isUp: boolean;
  /** IFF_LOOPBACK */
  readonly isLoopback: boolean;
  /** IFLA_CARRIER. For a TUN device: whether a process has it open. */
  readonly hasCarrier: boolean;
  /** IFLA_ADDRESS; unset unless it has six bytes. */
  readonly mac?: MacAddress;
  /** IFLA_INFO_KIND, as `ip -d link` shows it; empty for hardware. */
  readonly kind: string;
  /** Set for kind `vxlan`. */
  readonly vxlan?: VxlanAttributes;
  /** Set for kinds `ipip` and `ip6tnl`. */
  readonly ipTunnel?: IpTunnelAttributes;
  /** Set for kind `ipip` without an encapsulation around. */
  readonly ipip?: IpipAttributes;
}

/** Which link to get. */
export type LinkSelector = { readonly name: string } | { readonly index: number };

/** Settings of any device that change in place; what is left out is not sent. */
export interface LinkChange {
  /** In packets. */
  readonly txQueueLength?: number;
  /** In bytes. */
  readonly mtu?: number;
  readonly mac?: MacAddress;
}

/** RTM_GETLINK: dumps all links, without statistics. */
export function encodeLinkDump(writer: MessageWriter): void {
  beginLink(writer, { index: 0, type: RTM_GETLINK, flags: NLM_F_DUMP });
  writer.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

/** RTM_GETLINK: one link, without statistics. */
export function encodeLinkGet(writer: MessageWriter, selector: LinkSelector): void {
  beginLink(writer, { index: 'index' in selector ? selector.index : 0, type: RTM_GETLINK });
  if ('name' in selector) writer.attributeText(IFLA_IFNAME, selector.name);
  writer.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

/** RTM_NEWLINK: creates a device of `kind` with its defaults, down. */
export function encodeLinkCreate(writer: MessageWriter, name: string, kind: string): void {
  beginLink(writer, { index: 0, flags: NLM_F_CREATE | NLM_F_EXCL });
  writer.attributeText(IFLA_IFNAME, name);
  writer.nested(IFLA_LINKINFO, () => writer.attributeText(IFLA_INFO_KIND, kind));
}

/** RTM_NEWLINK: sets the MTU of a device, and the device up. */
export function encodeLinkMtu(writer: MessageWriter, index: number, mtu: number): void {
  beginLink(writer, { index, ...LINK_UP });
  writer.attributeU32(IFLA_MTU, mtu);
}

/** RTM_NEWLINK: changes a device in place and sets it up. */
export function encodeLinkChange(writer: MessageWriter, index: number, change: LinkChange): void {
  const { txQueueLength, mtu, mac } = change;
  beginLink(writer, { index, ...LINK_UP });
  if (txQueueLength !== undefined) writer.attributeU32(IFLA_TXQLEN, txQueueLength);
  if (mtu !== undefined) writer.attributeU32(IFLA_MTU, mtu);
  if (mac !== undefined) writer.attributeMac(IFLA_ADDRESS, mac);
}

/** RTM_NEWLINK: renames a device. Possible while it is up since Linux 6.2; EBUSY before. */
export function encodeLinkRename(writer: MessageWriter, index: number, name: string): void {
  beginLink(writer, { index });
  writer.attributeText(IFLA_IFNAME, name);
}

/** RTM_NEWLINK: sets a device down. */
export function encodeLinkDown(writer: MessageWriter, index: number): void {
  beginLink(writer, { index, interfaceChange: IFF_UP });
}

/** RTM_DELLINK */
export function encodeLinkDelete(writer: MessageWriter, index: number): void {
  beginLink(writer, { index, type: RTM_DELLINK });
}

const attributes = new AttributeTable(IFLA_CARRIER);
const info = new AttributeTable(IFLA_INFO_DATA);

/**
 * Decodes RTM_NEWLINK and RTM_DELLINK from `start` (the header) to `end`; `undefined` for
 * AF_BRIDGE: a bridge's view of its port is no device.
 */
export function decodeLink(buffer: Buffer, start: number, end: number): LinkMessage | undefined {
  const at = start + HEADER_BYTES;
  if (end < at + IFINFO_BYTES || buffer[at] === AF_BRIDGE) return undefined;
  attributes.read(buffer, at + IFINFO_BYTES, end);
  info.readNested(attributes, IFLA_LINKINFO);
  const flags = buffer.readUInt32LE(at + 8);
  const kind = info.text(IFLA_INFO_KIND);
  const mac = attributes.mac(IFLA_ADDRESS);
  return {
    index: buffer.readInt32LE(at + 4),
    name: attributes.text(IFLA_IFNAME),
    mtu: attributes.u32(IFLA_MTU),
    txQueueLength: attributes.u32(IFLA_TXQLEN),
    isUp: (flags & IFF_UP) !== 0,
    isLoopback: (flags & IFF_LOOPBACK) !== 0,
    hasCarrier: attributes.u8(IFLA_CARRIER) !== 0,
    ...(mac && { mac }),
    kind,
    ...(kind === 'vxlan' && { vxlan: decodeVxlan(info) }),
    ...(IP_TUNNEL_KINDS.has(kind) && { ipTunnel: decodeIpTunnel(info, kind) }),
    ...(kind === 'ipip' && ipipOf(info)),
  };
}

function ipipOf(linkInfo: AttributeTable): Pick<LinkMessage, 'ipip'> {
  const ipip = decodeIpip(linkInfo);
  return ipip === undefined ? {} : { ipip };
}
