// IPsec policies (XFRM_MSG_*POLICY, xfrm.h) as bytes: of IPv4 subnets, with one template of an ESP
// tunnel. And the ends of SAs, whose keys are not read. Structures have the layout of 64-bit machines.
import type { Cidr, IpAddress } from '../../../lib/address.ts';
import { decodeIp, encodeIp } from './address-bytes.ts';
import { AF_INET, NLM_F_DUMP } from './constants.ts';
import { AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';

export const NETLINK_XFRM = 6;
/** Multicast groups of SAs whose time ended, of other changes of SAs, and of policies. */
export const XFRMNLGRP_EXPIRE = 2;
export const XFRMNLGRP_SA = 3;
export const XFRMNLGRP_POLICY = 4;

const XFRM_MSG_NEWSA = 0x10;
const XFRM_MSG_DELSA = 0x11;
const XFRM_MSG_GETSA = 0x12;
const XFRM_MSG_UPDSA = 0x1a;
const XFRM_MSG_EXPIRE = 0x18;
const XFRM_MSG_DELPOLICY = 0x14;
const XFRM_MSG_GETPOLICY = 0x15;
const XFRM_MSG_UPDPOLICY = 0x19;
/** struct nlmsghdr */
const TYPE_AT = 4;
const XFRMA_TMPL = 5;
const XFRM_MODE_TUNNEL = 1;
const IPPROTO_ESP = 50;

/** struct xfrm_selector, the first member of both headers. */
const SELECTOR = {
  destination: 0,
  source: 16,
  family: 40,
  destinationLength: 42,
  sourceLength: 43,
  ifindex: 48,
};
/** struct xfrm_userpolicy_info */
const INFO_BYTES = 168;
const LIFETIME_AT = 56;
const LIFETIME_LIMITS = 4;
const PRIORITY_AT = 152;
const DIRECTION_AT = 160;
const ACTION_AT = 161;
/** struct xfrm_userpolicy_id */
const ID_BYTES = 64;
const ID_DIRECTION_AT = 60;
/** struct xfrm_user_tmpl */
const TEMPLATE = {
  bytes: 64,
  destination: 0,
  protocol: 20,
  family: 24,
  source: 28,
  requestId: 44,
  mode: 48,
  optional: 50,
  algorithms: 52,
};

/** XFRM_POLICY_IN, OUT and FWD, by number. */
const DIRECTIONS = ['in', 'out', 'fwd'] as const;

export type PolicyDirection = (typeof DIRECTIONS)[number];

/** One policy. */
export interface XfrmPolicy {
  readonly direction: PolicyDirection;
  readonly source: Cidr;
  readonly destination: Cidr;
  readonly tunnelSource: IpAddress;
  readonly tunnelDestination: IpAddress;
  readonly requestId: number;
  /** Packets that came without IPsec pass (`level use`). */
  readonly isOptional: boolean;
  /** What weft never makes, for example `priority 5`. */
  readonly unsupported: readonly string[];
}

/** XFRM_MSG_UPDPOLICY: makes the policy, or replaces that of its selector and direction. */
export function encodePolicyUpdate(writer: MessageWriter, policy: Omit<XfrmPolicy, 'unsupported'>): void {
  const at = writer.begin(XFRM_MSG_UPDPOLICY, 0, INFO_BYTES);
  writeSelector(writer, at, policy);
  // XFRM_INF: no limit of bytes and packets. Lifetimes in seconds are 0 for none.
  for (let index = 0; index < LIFETIME_LIMITS; index++)
    for (const offset of [0, 4]) writer.writeU32(at + LIFETIME_AT + index * 8 + offset, 0xffff_ffff);
  writer.writeU8(at + DIRECTION_AT, DIRECTIONS.indexOf(policy.direction));
  writer.attributeBytes(XFRMA_TMPL, template(policy));
}

/** XFRM_MSG_DELPOLICY, by selector and direction. */
export function encodePolicyDelete(
  writer: MessageWriter,
  policy: Pick<XfrmPolicy, 'direction' | 'source' | 'destination'>,
): void {
  const at = writer.begin(XFRM_MSG_DELPOLICY, 0, ID_BYTES);
  writeSelector(writer, at, policy);
  writer.writeU8(at + ID_DIRECTION_AT, DIRECTIONS.indexOf(policy.direction));
}

/** XFRM_MSG_GETPOLICY: all policies. */
export function encodePolicyDump(writer: MessageWriter): void {
  writer.begin(XFRM_MSG_GETPOLICY, NLM_F_DUMP, ID_BYTES);
}

const attributes = new AttributeTable(XFRMA_TMPL);

/** `undefined` for a policy of another shape than weft's: of sockets, IPv6, without ESP tunnel. */
export function decodePolicy(buffer: Buffer, start: number, end: number): XfrmPolicy | undefined {
  const at = start + HEADER_BYTES;
  if (end < at + INFO_BYTES || buffer.readUInt16LE(at + SELECTOR.family) !== AF_INET) return undefined;
  const direction = DIRECTIONS[buffer[at + DIRECTION_AT]!];
  attributes.read(buffer, at + INFO_BYTES, end);
  // Another length: none or several templates.
  if (direction === undefined || attributes.lengthOf(XFRMA_TMPL) !== TEMPLATE.bytes) return undefined;
  const tunnel = attributes.at(XFRMA_TMPL);
  if (
    buffer[tunnel + TEMPLATE.protocol] !== IPPROTO_ESP ||
    buffer[tunnel + TEMPLATE.mode] !== XFRM_MODE_TUNNEL
  )
    return undefined;
  const unsupported: string[] = [];
  const priority = buffer.readUInt32LE(at + PRIORITY_AT);
  if (priority !== 0) unsupported.push(`priority ${priority}`);
  if (buffer[at + ACTION_AT] !== 0) unsupported.push('action block');
  if (buffer.readUInt32LE(at + SELECTOR.ifindex) !== 0) unsupported.push('device');
  return {
    direction,
    source: cidrAt(buffer, at + SELECTOR.source, buffer[at + SELECTOR.sourceLength]!),
    destination: cidrAt(buffer, at + SELECTOR.destination, buffer[at + SELECTOR.destinationLength]!),
    tunnelSource: decodeIp(buffer, tunnel + TEMPLATE.source, 4)!,
    tunnelDestination: decodeIp(buffer, tunnel + TEMPLATE.destination, 4)!,
    requestId: buffer.readUInt32LE(tunnel + TEMPLATE.requestId),
    isOptional: buffer[tunnel + TEMPLATE.optional] !== 0,
    unsupported,
  };
}

/** struct xfrm_usersa_info */
const SA = { bytes: 224, destination: 56, spi: 72, protocol: 76, source: 80, requestId: 208, family: 212 };

export interface XfrmSa {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly requestId: number;
}

/** XFRM_MSG_GETSA: all SAs. A header of its own would be taken for attributes (Linux 6.1). */
export function encodeSaDump(writer: MessageWriter): void {
  writer.begin(XFRM_MSG_GETSA, NLM_F_DUMP, 0);
}

/** `undefined` for what carries no packets in an ESP tunnel over IPv4: an SPI of 0 is of a larval SA. */
export function decodeSa(buffer: Buffer, start: number, end: number): XfrmSa | undefined {
  const at = start + HEADER_BYTES;
  if (end < at + SA.bytes || buffer.readUInt16LE(at + SA.family) !== AF_INET) return undefined;
  if (buffer[at + SA.protocol] !== IPPROTO_ESP || buffer.readUInt32LE(at + SA.spi) === 0) return undefined;
  return {
    source: decodeIp(buffer, at + SA.source, 4)!,
    destination: decodeIp(buffer, at + SA.destination, 4)!,
    requestId: buffer.readUInt32LE(at + SA.requestId),
  };
}

/** What a notification is of: one SA, which charon replaces all the time, or anything else. */
export function kindOfChange(datagram: Buffer): 'sa-made' | 'sa-ended' | 'other' {
  switch (datagram.readUInt16LE(TYPE_AT)) {
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
      return 'sa-made';
    case XFRM_MSG_DELSA:
    case XFRM_MSG_EXPIRE:
      return 'sa-ended';
    default:
      return 'other';
  }
}

function writeSelector(
  writer: MessageWriter,
  at: number,
  { source, destination }: Pick<XfrmPolicy, 'source' | 'destination'>,
): void {
  const bytes = Buffer.alloc(INFO_BYTES - 112);
  const [sourceLength, destinationLength] = [source, destination].map((one) => Number(one.split('/')[1]));
  encodeIp(bytes, SELECTOR.destination, destination.split('/')[0] as IpAddress);
  encodeIp(bytes, SELECTOR.source, source.split('/')[0] as IpAddress);
  bytes.writeUInt16LE(AF_INET, SELECTOR.family);
  bytes[SELECTOR.destinationLength] = destinationLength!;
  bytes[SELECTOR.sourceLength] = sourceLength!;
  for (const [offset, value] of bytes.entries()) if (value !== 0) writer.writeU8(at + offset, value);
}

function template(policy: Omit<XfrmPolicy, 'unsupported'>): Buffer {
  const bytes = Buffer.alloc(TEMPLATE.bytes);
  encodeIp(bytes, TEMPLATE.destination, policy.tunnelDestination);
  bytes[TEMPLATE.protocol] = IPPROTO_ESP;
  bytes.writeUInt16LE(AF_INET, TEMPLATE.family);
  encodeIp(bytes, TEMPLATE.source, policy.tunnelSource);
  bytes.writeUInt32LE(policy.requestId, TEMPLATE.requestId);
  bytes[TEMPLATE.mode] = XFRM_MODE_TUNNEL;
  bytes[TEMPLATE.optional] = policy.isOptional ? 1 : 0;
  // Any algorithm: charon has negotiated them.
  bytes.fill(0xff, TEMPLATE.algorithms);
  return bytes;
}

function cidrAt(buffer: Buffer, at: number, length: number): Cidr {
  return `${decodeIp(buffer, at, 4)!}/${length}` as Cidr;
}
