// RTM_*LINK: network devices as bytes. VXLAN attributes are decoded too, no other kind's.
// struct ifinfomsg: family u8, pad u8, type u16, index i32, flags u32, change u32.
import type { IpAddress, MacAddress } from '../../../lib/address.ts';
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
  IFLA_VXLAN_COLLECT_METADATA,
  IFLA_VXLAN_GBP,
  IFLA_VXLAN_GPE,
  IFLA_VXLAN_GROUP,
  IFLA_VXLAN_GROUP6,
  IFLA_VXLAN_ID,
  IFLA_VXLAN_L2MISS,
  IFLA_VXLAN_L3MISS,
  IFLA_VXLAN_LEARNING,
  IFLA_VXLAN_LINK,
  IFLA_VXLAN_LOCAL,
  IFLA_VXLAN_LOCAL6,
  IFLA_VXLAN_PORT,
  IFLA_VXLAN_PROXY,
  IFLA_VXLAN_RSC,
  IFLA_VXLAN_TOS,
  IFLA_VXLAN_TTL,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from './constants.ts';
import { AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';

const IFINFO_BYTES = 16;

/** Attributes of a VXLAN device. `unsupported` are settings that weft never makes, in words, such as `ttl 64`. */
export interface VxlanAttributes {
  readonly vni: number;
  readonly port: number;
  readonly local?: IpAddress;
  /** 0 if the device has no parent. */
  readonly parentIndex: number;
  readonly learning: boolean;
  readonly gbp: boolean;
  readonly unsupported: readonly string[];
}

export interface LinkMessage {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly txQueueLength: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** For a TUN device: whether a process has it open. */
  readonly hasCarrier: boolean;
  readonly mac?: MacAddress;
  /** Kind as `ip -d link` shows it, empty for hardware. */
  readonly kind: string;
  readonly vxlan?: VxlanAttributes;
}

/** What {@link encodeVxlanCreate} needs beside numbers. */
export interface VxlanSettings {
  readonly name: string;
  readonly vni: number;
  readonly port: number;
  readonly local: IpAddress;
  readonly parentIndex: number;
  readonly learning: boolean;
  readonly gbp: boolean;
  readonly mac: MacAddress;
  readonly mtu: number;
}

/** Settings of any device that change in place; what is left out is not sent. */
export interface LinkChange {
  readonly txQueueLength: number;
  readonly mtu?: number;
  readonly mac?: MacAddress;
}

/** Settings of a VXLAN device that change in place; the kernel refuses others even if they are equal. */
export interface VxlanChange {
  readonly local?: IpAddress;
  readonly parentIndex?: number;
  readonly learning?: boolean;
}

export function encodeLinkDump(writer: MessageWriter): void {
  writer.begin(RTM_GETLINK, NLM_F_DUMP, IFINFO_BYTES);
  writer.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

export function encodeLinkGet(
  writer: MessageWriter,
  which: { readonly name: string } | { readonly index: number },
): void {
  const at = writer.begin(RTM_GETLINK, 0, IFINFO_BYTES);
  if ('index' in which) writer.writeU32(at + 4, which.index);
  else writer.attributeText(IFLA_IFNAME, which.name);
  writer.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

/** Creates the device, up, with everything it will ever have, so that nobody sees it half-made. */
export function encodeVxlanCreate(writer: MessageWriter, link: VxlanSettings): void {
  const at = writer.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, IFINFO_BYTES);
  writeUp(writer, at);
  writer.attributeText(IFLA_IFNAME, link.name);
  writer.attributeU32(IFLA_MTU, link.mtu);
  writer.attributeMac(IFLA_ADDRESS, link.mac);
  writer.attributeU32(IFLA_TXQLEN, 0);
  nestedVxlan(writer, () => writeVxlanData(writer, link));
}

/** Changes a device in place and sets it up. */
export function encodeLinkChange(writer: MessageWriter, index: number, change: LinkChange): void {
  const { txQueueLength, mtu, mac } = change;
  const at = writer.begin(RTM_NEWLINK, 0, IFINFO_BYTES);
  writer.writeU32(at + 4, index);
  writeUp(writer, at);
  writer.attributeU32(IFLA_TXQLEN, txQueueLength);
  if (mtu !== undefined) writer.attributeU32(IFLA_MTU, mtu);
  if (mac !== undefined) writer.attributeMac(IFLA_ADDRESS, mac);
}

/** Changes a VXLAN device in place. A message of its own: with an MTU in it the kernel refuses the whole. */
export function encodeVxlanChange(writer: MessageWriter, index: number, change: VxlanChange): void {
  const { local, parentIndex, learning } = change;
  writer.writeU32(writer.begin(RTM_NEWLINK, 0, IFINFO_BYTES) + 4, index);
  nestedVxlan(writer, () => {
    if (parentIndex !== undefined) writer.attributeU32(IFLA_VXLAN_LINK, parentIndex);
    if (local !== undefined) writeLocal(writer, local);
    if (learning !== undefined) writer.attributeU8(IFLA_VXLAN_LEARNING, Number(learning));
  });
}

/** Gives a device another name. While it is up, since Linux 6.2; EBUSY before. */
export function encodeLinkRename(writer: MessageWriter, index: number, name: string): void {
  writer.writeU32(writer.begin(RTM_NEWLINK, 0, IFINFO_BYTES) + 4, index);
  writer.attributeText(IFLA_IFNAME, name);
}

export function encodeLinkDown(writer: MessageWriter, index: number): void {
  const at = writer.begin(RTM_NEWLINK, 0, IFINFO_BYTES);
  writer.writeU32(at + 4, index);
  writer.writeU32(at + 12, IFF_UP);
}

export function encodeLinkDelete(writer: MessageWriter, index: number): void {
  writer.writeU32(writer.begin(RTM_DELLINK, 0, IFINFO_BYTES) + 4, index);
}

function writeUp(writer: MessageWriter, at: number): void {
  writer.writeU32(at + 8, IFF_UP);
  writer.writeU32(at + 12, IFF_UP);
}

function nestedVxlan(writer: MessageWriter, writeData: () => void): void {
  writer.nested(IFLA_LINKINFO, () => {
    writer.attributeText(IFLA_INFO_KIND, 'vxlan');
    writer.nested(IFLA_INFO_DATA, writeData);
  });
}

/** Ageing and UDP checksums are left to the kernel's defaults; the zeros are sent so that no default can differ. */
function writeVxlanData(writer: MessageWriter, link: VxlanSettings): void {
  writer.attributeU32(IFLA_VXLAN_ID, link.vni);
  writer.attributeU32(IFLA_VXLAN_LINK, link.parentIndex);
  writeLocal(writer, link.local);
  writer.attributePort(IFLA_VXLAN_PORT, link.port);
  writer.attributeU8(IFLA_VXLAN_LEARNING, Number(link.learning));
  for (const type of ALWAYS_ZERO) writer.attributeU8(type, 0);
  if (link.gbp) writer.attributeFlag(IFLA_VXLAN_GBP);
}

const ALWAYS_ZERO = [
  IFLA_VXLAN_TTL,
  IFLA_VXLAN_TOS,
  IFLA_VXLAN_PROXY,
  IFLA_VXLAN_RSC,
  IFLA_VXLAN_L2MISS,
  IFLA_VXLAN_L3MISS,
];

function writeLocal(writer: MessageWriter, local: IpAddress): void {
  writer.attributeIp(local.includes(':') ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, local);
}

const attributes = new AttributeTable(IFLA_CARRIER);
const info = new AttributeTable(IFLA_INFO_DATA);
const data = new AttributeTable(IFLA_VXLAN_GPE);

/** Decodes RTM_NEWLINK and RTM_DELLINK; `undefined` for the bridge's view of a port, which is no device. */
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
    ...(kind === 'vxlan' && { vxlan: decodeVxlan() }),
  };
}

function decodeVxlan(): VxlanAttributes {
  data.readNested(info, IFLA_INFO_DATA);
  const local = data.ip(IFLA_VXLAN_LOCAL) ?? data.ip(IFLA_VXLAN_LOCAL6);
  return {
    vni: data.u32(IFLA_VXLAN_ID),
    port: data.port(IFLA_VXLAN_PORT),
    ...(local && { local }),
    parentIndex: data.u32(IFLA_VXLAN_LINK),
    learning: data.u8(IFLA_VXLAN_LEARNING) !== 0,
    gbp: data.has(IFLA_VXLAN_GBP),
    unsupported: decodeUnsupported(),
  };
}

function decodeUnsupported(): readonly string[] {
  const odd: string[] = [];
  const group = data.ip(IFLA_VXLAN_GROUP) ?? data.ip(IFLA_VXLAN_GROUP6);
  if (group) odd.push(`group ${group}`);
  for (const [name, type] of NUMBERS) if (data.u8(type) !== 0) odd.push(`${name} ${data.u8(type)}`);
  for (const [name, type] of SWITCHES) if (data.u8(type) !== 0) odd.push(name);
  if (data.has(IFLA_VXLAN_GPE)) odd.push('gpe');
  return odd;
}

const NUMBERS = [
  ['ttl', IFLA_VXLAN_TTL],
  ['tos', IFLA_VXLAN_TOS],
] as const;

const SWITCHES = [
  ['proxy', IFLA_VXLAN_PROXY],
  ['rsc', IFLA_VXLAN_RSC],
  ['l2miss', IFLA_VXLAN_L2MISS],
  ['l3miss', IFLA_VXLAN_L3MISS],
  ['external', IFLA_VXLAN_COLLECT_METADATA],
] as const;
