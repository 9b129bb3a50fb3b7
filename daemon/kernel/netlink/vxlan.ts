// Attributes of VXLAN devices (IFLA_VXLAN_* inside IFLA_LINKINFO), encoded and decoded.
import type { IpAddress, MacAddress } from '../../../lib/address.ts';
import {
  IFLA_ADDRESS,
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
  NLM_F_EXCL,
} from './constants.ts';
import { beginLink, LINK_UP } from './link-header.ts';
import { AttributeTable, type MessageWriter } from './message.ts';

/** Attributes of a VXLAN device. */
export interface VxlanAttributes {
  /** IFLA_VXLAN_ID, 24 bits. */
  readonly vni: number;
  /** IFLA_VXLAN_PORT: UDP destination port. */
  readonly port: number;
  /** IFLA_VXLAN_LOCAL or IFLA_VXLAN_LOCAL6; unset if the device has none. */
  readonly local?: IpAddress;
  /** IFLA_VXLAN_LINK: index of the parent, 0 if the device has none. */
  readonly parentIndex: number;
  /** IFLA_VXLAN_LEARNING */
  readonly learning: boolean;
  /** IFLA_VXLAN_GBP: group policy. */
  readonly gbp: boolean;
  /** Settings that weft never makes, one text each, such as `ttl 64`. */
  readonly unsupported: readonly string[];
}

/** All that {@link encodeVxlanCreate} sets. */
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

/**
 * Settings of a VXLAN device that change in place; the kernel rejects others even if they are
 * equal.
 */
export interface VxlanChange {
  readonly local?: IpAddress;
  readonly parentIndex?: number;
  readonly learning?: boolean;
}

/**
 * RTM_NEWLINK: creates the device, up, with all its settings, so that no other process sees it
 * half-made.
 */
export function encodeVxlanCreate(writer: MessageWriter, link: VxlanSettings): void {
  beginLink(writer, { index: 0, flags: NLM_F_CREATE | NLM_F_EXCL, ...LINK_UP });
  writer.attributeText(IFLA_IFNAME, link.name);
  writer.attributeU32(IFLA_MTU, link.mtu);
  writer.attributeMac(IFLA_ADDRESS, link.mac);
  writer.attributeU32(IFLA_TXQLEN, 0);
  nestedVxlan(writer, () => writeVxlanData(writer, link));
}

/**
 * RTM_NEWLINK: changes a VXLAN device in place. The kernel rejects a message that has an MTU as
 * well.
 */
export function encodeVxlanChange(writer: MessageWriter, index: number, change: VxlanChange): void {
  const { local, parentIndex, learning } = change;
  beginLink(writer, { index });
  nestedVxlan(writer, () => {
    if (parentIndex !== undefined) writer.attributeU32(IFLA_VXLAN_LINK, parentIndex);
    if (local !== undefined) writeLocal(writer, local);
    if (learning !== undefined) writer.attributeU8(IFLA_VXLAN_LEARNING, Number(learning));
  });
}

function nestedVxlan(writer: MessageWriter, writeData: () => void): void {
  writer.nested(IFLA_LINKINFO, () => {
    writer.attributeText(IFLA_INFO_KIND, 'vxlan');
    writer.nested(IFLA_INFO_DATA, writeData);
  });
}

/**
 * Ageing and UDP checksums are left to the kernel's defaults; the zeros are sent so that no default
 * can differ.
 */
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

const data = new AttributeTable(IFLA_VXLAN_GPE);

/** Decodes IFLA_INFO_DATA of a link of kind `vxlan`; `info` is indexed at IFLA_LINKINFO. */
export function decodeVxlan(info: AttributeTable): VxlanAttributes {
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
  const found: string[] = [];
  const group = data.ip(IFLA_VXLAN_GROUP) ?? data.ip(IFLA_VXLAN_GROUP6);
  if (group) found.push(`group ${group}`);
  for (const [name, type] of NUMBERS) if (data.u8(type) !== 0) found.push(`${name} ${data.u8(type)}`);
  for (const [name, type] of SWITCHES) if (data.u8(type) !== 0) found.push(name);
  if (data.has(IFLA_VXLAN_GPE)) found.push('gpe');
  return found;
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
