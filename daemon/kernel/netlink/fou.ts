// Ports of FOU, foo over UDP, as bytes (FOU_CMD_* of the generic netlink family `fou`, fou.h): UDP
// ports whose datagrams the kernel takes for IP packets without their UDP header.
import type { Family, IpAddress } from '../../../lib/address.ts';
import {
  AF_INET,
  AF_INET6,
  FOU_ATTR_AF,
  FOU_ATTR_IPPROTO,
  FOU_ATTR_LOCAL_V4,
  FOU_ATTR_LOCAL_V6,
  FOU_ATTR_PEER_V4,
  FOU_ATTR_PEER_V6,
  FOU_ATTR_PORT,
  FOU_ATTR_TYPE,
  FOU_CMD_ADD,
  FOU_CMD_DEL,
  FOU_CMD_GET,
  FOU_ENCAP_DIRECT,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  NLM_F_DUMP,
} from './constants.ts';
import { beginGeneric, GENL_ATTRIBUTES_AT } from './genetlink.ts';
import { AttributeTable, type MessageWriter } from './message.ts';

/** A port of FOU that carries IP packets of the address family that its underlay has. */
export interface FouPort {
  readonly port: number;
  /** The address that it is bound to. */
  readonly local: IpAddress;
}

/** FOU_CMD_GET: dumps the ports of this network namespace. */
export function encodeFouDump(writer: MessageWriter, family: number): void {
  beginGeneric(writer, family, FOU_CMD_GET, NLM_F_DUMP);
}

/** FOU_CMD_ADD */
export function encodeFouAdd(writer: MessageWriter, family: number, port: FouPort): void {
  beginGeneric(writer, family, FOU_CMD_ADD);
  writePort(writer, port);
}

/** FOU_CMD_DEL: finds the port by all that its creation named (fou_cfg_cmp). */
export function encodeFouDelete(writer: MessageWriter, family: number, port: FouPort): void {
  beginGeneric(writer, family, FOU_CMD_DEL);
  writePort(writer, port);
}

function writePort(writer: MessageWriter, { port, local }: FouPort): void {
  const isIpv6 = local.includes(':');
  writer.attributePort(FOU_ATTR_PORT, port);
  writer.attributeU8(FOU_ATTR_AF, isIpv6 ? AF_INET6 : AF_INET);
  writer.attributeU8(FOU_ATTR_IPPROTO, fouProtocol(isIpv6 ? 6 : 4));
  writer.attributeU8(FOU_ATTR_TYPE, FOU_ENCAP_DIRECT);
  writer.attributeIp(isIpv6 ? FOU_ATTR_LOCAL_V6 : FOU_ATTR_LOCAL_V4, local);
}

/** IP protocol of the packets inside. */
export function fouProtocol(family: Family): number {
  return family === 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
}

const attributes = new AttributeTable(FOU_ATTR_PEER_V6);

/** Decodes a port; `undefined` for one that weft never makes: unbound, connected, or of GUE. */
export function decodeFouPort(buffer: Buffer, start: number, end: number): FouPort | undefined {
  attributes.read(buffer, start + GENL_ATTRIBUTES_AT, end);
  const family = attributes.u8(FOU_ATTR_AF) === AF_INET6 ? 6 : 4;
  const local = attributes.ip(FOU_ATTR_LOCAL_V4) ?? attributes.ip(FOU_ATTR_LOCAL_V6);
  const isOurs =
    attributes.u8(FOU_ATTR_TYPE) === FOU_ENCAP_DIRECT &&
    attributes.u8(FOU_ATTR_IPPROTO) === fouProtocol(family) &&
    !isSpecified(attributes.ip(FOU_ATTR_PEER_V4)) &&
    !isSpecified(attributes.ip(FOU_ATTR_PEER_V6));
  return isOurs && isSpecified(local) ? { port: attributes.port(FOU_ATTR_PORT), local } : undefined;
}

/** The kernel reports the addresses that a port has not as zeros (fou_fill_info, Linux 6.1). */
function isSpecified(address: IpAddress | undefined): address is IpAddress {
  return address !== undefined && address !== '0.0.0.0' && address !== '::';
}
