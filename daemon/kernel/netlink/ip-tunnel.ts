// Attributes of IP-in-IP devices (IFLA_IPTUN_* inside IFLA_LINKINFO, if_tunnel.h), encoded and
// decoded: kind `ipip`, and `ip6tnl` where the underlay is IPv6. Weft makes them with FOU around, and bare for the
// backend ipip.
import type { IpAddress } from '../../../lib/address.ts';
import {
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_IPTUN_COLLECT_METADATA,
  IFLA_IPTUN_ENCAP_DPORT,
  IFLA_IPTUN_ENCAP_FLAGS,
  IFLA_IPTUN_ENCAP_SPORT,
  IFLA_IPTUN_ENCAP_TYPE,
  IFLA_IPTUN_FLAGS,
  IFLA_IPTUN_FWMARK,
  IFLA_IPTUN_LINK,
  IFLA_IPTUN_LOCAL,
  IFLA_IPTUN_PMTUDISC,
  IFLA_IPTUN_PROTO,
  IFLA_IPTUN_REMOTE,
  IFLA_IPTUN_TOS,
  IFLA_IPTUN_TTL,
  IFLA_LINKINFO,
  IFLA_MTU,
  IFLA_TXQLEN,
  IP6_TNL_F_IGN_ENCAP_LIMIT,
  IPPROTO_IPV6,
  NLM_F_CREATE,
  NLM_F_EXCL,
  TUNNEL_ENCAP_FLAG_CSUM,
  TUNNEL_ENCAP_FLAG_CSUM6,
  TUNNEL_ENCAP_FOU,
} from './constants.ts';
import { beginLink, LINK_UP, type LinkHeader } from './link-header.ts';
import { AttributeTable, type MessageWriter } from './message.ts';

/** Attributes of an IP-in-IP device. */
export interface IpTunnelAttributes {
  /** IFLA_IPTUN_ENCAP_DPORT: UDP destination port of FOU. */
  readonly port: number;
  /** IFLA_IPTUN_LOCAL; unset if the device has none. */
  readonly local?: IpAddress;
  /** IFLA_IPTUN_LINK: index of the parent, 0 if the device has none. */
  readonly parentIndex: number;
  /** Settings that weft never makes, one text each, such as `ttl 0`. */
  readonly unsupported: readonly string[];
}

/** All that {@link encodeFouLinkCreate} sets. */
export interface FouLinkSettings {
  readonly name: string;
  readonly local: IpAddress;
  readonly port: number;
  /** 0 for none. */
  readonly parentIndex: number;
  readonly mtu: number;
}

/** Kinds of device that {@link decodeIpTunnel} decodes. */
export const IP_TUNNEL_KINDS: ReadonlySet<string> = new Set(['ipip', 'ip6tnl']);

/** TTL of outer packets, which a UDP socket has by default (net.ipv4.ip_default_ttl). */
const OUTER_TTL = 64;

/**
 * RTM_NEWLINK: creates the device, up. It has no remote: the destination of a packet is the gateway
 * of its route (ip_tunnel_xmit, NBMA), and one device serves all peers. Both ports are the same, as
 * a socket's, and outer checksums are computed.
 */
export function encodeFouLinkCreate(writer: MessageWriter, link: FouLinkSettings): void {
  const isIpv6 = link.local.includes(':');
  beginLink(writer, { index: 0, flags: NLM_F_CREATE | NLM_F_EXCL, ...LINK_UP });
  writer.attributeText(IFLA_IFNAME, link.name);
  writer.attributeU32(IFLA_MTU, link.mtu);
  writer.nested(IFLA_LINKINFO, () => {
    writer.attributeText(IFLA_INFO_KIND, isIpv6 ? 'ip6tnl' : 'ipip');
    writer.nested(IFLA_INFO_DATA, () => {
      writer.attributeU32(IFLA_IPTUN_LINK, link.parentIndex);
      writer.attributeIp(IFLA_IPTUN_LOCAL, link.local);
      writer.attributeU8(IFLA_IPTUN_TTL, OUTER_TTL);
      if (isIpv6) writeIpv6(writer);
      else writer.attributeU8(IFLA_IPTUN_PMTUDISC, 1);
      writer.attributeU16(IFLA_IPTUN_ENCAP_TYPE, TUNNEL_ENCAP_FOU);
      writer.attributeU16(IFLA_IPTUN_ENCAP_FLAGS, checksumFlag(isIpv6));
      writer.attributePort(IFLA_IPTUN_ENCAP_SPORT, link.port);
      writer.attributePort(IFLA_IPTUN_ENCAP_DPORT, link.port);
    });
  });
}

/** Attributes of an IP-in-IP device without an encapsulation around. */
export interface IpipAttributes {
  /** IFLA_IPTUN_LOCAL; unset if the device has none. */
  readonly local?: IpAddress;
  /** IFLA_IPTUN_LINK: index of the parent, 0 if the device has none. */
  readonly parentIndex: number;
  /** Settings that weft never makes, one text each, such as `ttl 64`. */
  readonly unsupported: readonly string[];
}

/** All that {@link encodeIpipLink} sets. */
export interface IpipLinkSettings {
  readonly name: string;
  readonly local: IpAddress;
  readonly parentIndex: number;
  readonly mtu: number;
}

/**
 * RTM_NEWLINK: creates the device, or changes that of `index`; up. As flannel's: the TTL is the inner
 * packet's, and outer packets have the inner one's DF alone (`nopmtudisc`). The kernel changes all of
 * it in place (ip_tunnel_changelink).
 */
export function encodeIpipLink(writer: MessageWriter, link: IpipLinkSettings, index = 0): void {
  const header: LinkHeader = index === 0 ? { index, flags: NLM_F_CREATE | NLM_F_EXCL } : { index };
  beginLink(writer, { ...header, ...LINK_UP });
  if (index === 0) writer.attributeText(IFLA_IFNAME, link.name);
  writer.attributeU32(IFLA_MTU, link.mtu);
  writer.attributeU32(IFLA_TXQLEN, 0);
  writer.nested(IFLA_LINKINFO, () => {
    writer.attributeText(IFLA_INFO_KIND, 'ipip');
    writer.nested(IFLA_INFO_DATA, () => {
      writer.attributeU32(IFLA_IPTUN_LINK, link.parentIndex);
      writer.attributeIp(IFLA_IPTUN_LOCAL, link.local);
      writer.attributeU8(IFLA_IPTUN_TTL, 0);
      writer.attributeU8(IFLA_IPTUN_TOS, 0);
      writer.attributeU8(IFLA_IPTUN_PMTUDISC, 0);
    });
  });
}

/** The default would put a Destination Options header with a limit of encapsulations in front. */
function writeIpv6(writer: MessageWriter): void {
  writer.attributeU8(IFLA_IPTUN_PROTO, IPPROTO_IPV6);
  writer.attributeU32(IFLA_IPTUN_FLAGS, IP6_TNL_F_IGN_ENCAP_LIMIT);
}

function checksumFlag(isIpv6: boolean): number {
  return isIpv6 ? TUNNEL_ENCAP_FLAG_CSUM6 : TUNNEL_ENCAP_FLAG_CSUM;
}

const data = new AttributeTable(IFLA_IPTUN_FWMARK);

/** Decodes IFLA_INFO_DATA of a link of {@link IP_TUNNEL_KINDS}; `info` is indexed at IFLA_LINKINFO. */
export function decodeIpTunnel(info: AttributeTable, kind: string): IpTunnelAttributes {
  data.readNested(info, IFLA_INFO_DATA);
  const local = specified(data.ip(IFLA_IPTUN_LOCAL));
  return {
    port: data.port(IFLA_IPTUN_ENCAP_DPORT),
    ...(local && { local }),
    parentIndex: data.u32(IFLA_IPTUN_LINK),
    unsupported: decodeUnsupported(kind === 'ip6tnl'),
  };
}

/**
 * Decodes a link of kind `ipip`; `undefined` for one with an encapsulation around. `info` is indexed
 * at IFLA_LINKINFO.
 */
export function decodeIpip(info: AttributeTable): IpipAttributes | undefined {
  data.readNested(info, IFLA_INFO_DATA);
  if (data.u16(IFLA_IPTUN_ENCAP_TYPE) !== 0) return undefined;
  const local = specified(data.ip(IFLA_IPTUN_LOCAL));
  const unsupported: string[] = [];
  const remote = specified(data.ip(IFLA_IPTUN_REMOTE));
  if (remote !== undefined) unsupported.push(`remote ${remote}`);
  if (data.u8(IFLA_IPTUN_TTL) !== 0) unsupported.push(`ttl ${data.u8(IFLA_IPTUN_TTL)}`);
  if (data.u8(IFLA_IPTUN_TOS) !== 0) unsupported.push(`tos ${data.u8(IFLA_IPTUN_TOS)}`);
  if (data.u8(IFLA_IPTUN_PMTUDISC) !== 0) unsupported.push('pmtudisc');
  if (data.has(IFLA_IPTUN_COLLECT_METADATA)) unsupported.push('external');
  if (data.u32(IFLA_IPTUN_FWMARK) !== 0) unsupported.push(`fwmark ${data.u32(IFLA_IPTUN_FWMARK)}`);
  return { ...(local && { local }), parentIndex: data.u32(IFLA_IPTUN_LINK), unsupported };
}

function decodeUnsupported(isIpv6: boolean): readonly string[] {
  const found: string[] = [];
  const remote = specified(data.ip(IFLA_IPTUN_REMOTE));
  if (remote !== undefined) found.push(`remote ${remote}`);
  if (data.u16(IFLA_IPTUN_ENCAP_TYPE) !== TUNNEL_ENCAP_FOU) found.push('no FOU');
  if (data.u16(IFLA_IPTUN_ENCAP_FLAGS) !== checksumFlag(isIpv6)) found.push('other encap flags');
  if (data.port(IFLA_IPTUN_ENCAP_SPORT) !== data.port(IFLA_IPTUN_ENCAP_DPORT))
    found.push(`encap-sport ${data.port(IFLA_IPTUN_ENCAP_SPORT)}`);
  if (data.u8(IFLA_IPTUN_TTL) !== OUTER_TTL) found.push(`ttl ${data.u8(IFLA_IPTUN_TTL)}`);
  if (!isIpv6 && data.u8(IFLA_IPTUN_TOS) !== 0) found.push(`tos ${data.u8(IFLA_IPTUN_TOS)}`);
  if (!isIpv6 && data.u8(IFLA_IPTUN_PMTUDISC) !== 1) found.push('nopmtudisc');
  if (data.has(IFLA_IPTUN_COLLECT_METADATA)) found.push('external');
  if (data.u32(IFLA_IPTUN_FWMARK) !== 0) found.push(`fwmark ${data.u32(IFLA_IPTUN_FWMARK)}`);
  return found;
}

function specified(address: IpAddress | undefined): IpAddress | undefined {
  return address === '0.0.0.0' || address === '::' ? undefined : address;
}
