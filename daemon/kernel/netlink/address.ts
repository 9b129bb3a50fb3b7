// RTM_*ADDR: interface addresses as bytes (rtnetlink(7)).
// struct ifaddrmsg: family u8, prefix length u8, flags u8, scope u8, index u32.
import type { IpAddress } from '../../../lib/address.ts';
import {
  AF_INET,
  AF_INET6,
  IFA_ADDRESS,
  IFA_F_NODAD,
  IFA_FLAGS,
  IFA_LOCAL,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from './constants.ts';
import { AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';

/** Bytes of `struct ifaddrmsg`. */
const IFADDR_BYTES = 8;

/** RTM_NEWADDR or RTM_DELADDR. */
export interface AddressMessage {
  /** Of the interface. */
  readonly index: number;
  /** IFA_LOCAL, or IFA_ADDRESS without it. */
  readonly address: IpAddress;
  /** IFA_ADDRESS if it differs: the far end of a point-to-point address. */
  readonly peer?: IpAddress;
  readonly prefixLength: number;
  /** RT_SCOPE_* */
  readonly scope: number;
  /** IFA_F_*; 32 bits in IFA_FLAGS since Linux 3.14, 8 bits in the header before. */
  readonly flags: number;
}

/** An address to set or delete. */
export interface AddressTarget {
  readonly index: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

/**
 * RTM_GETADDR: dumps addresses of one device, of all if `index` is 0; the kernel filters only with
 * strict checking.
 */
export function encodeAddressDump(writer: MessageWriter, index: number): void {
  writer.writeU32(writer.begin(RTM_GETADDR, NLM_F_DUMP, IFADDR_BYTES) + 4, index);
}

/**
 * RTM_NEWADDR: creates or replaces; scope global. IFA_F_NODAD skips duplicate address detection
 * (RFC 4862 §5.4), which has no effect on a point-to-multipoint tunnel but a delay.
 */
export function encodeAddressSet(writer: MessageWriter, target: AddressTarget): void {
  const at = writer.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, IFADDR_BYTES);
  if (target.address.includes(':')) writer.writeU8(at + 2, IFA_F_NODAD);
  writeTarget(writer, at, target);
}

/** RTM_DELADDR */
export function encodeAddressDelete(writer: MessageWriter, target: AddressTarget): void {
  writeTarget(writer, writer.begin(RTM_DELADDR, 0, IFADDR_BYTES), target);
}

function writeTarget(writer: MessageWriter, at: number, target: AddressTarget): void {
  writer.writeU8(at, target.address.includes(':') ? AF_INET6 : AF_INET);
  writer.writeU8(at + 1, target.prefixLength);
  writer.writeU32(at + 4, target.index);
  writer.attributeIp(IFA_LOCAL, target.address);
  writer.attributeIp(IFA_ADDRESS, target.address);
}

const attributes = new AttributeTable(IFA_FLAGS);

/** Decodes RTM_NEWADDR and RTM_DELADDR; `undefined` for families other than IP. */
export function decodeAddress(buffer: Buffer, start: number, end: number): AddressMessage | undefined {
  const at = start + HEADER_BYTES;
  if (end < at + IFADDR_BYTES) return undefined;
  attributes.read(buffer, at + IFADDR_BYTES, end);
  const far = attributes.ip(IFA_ADDRESS);
  // IPv6 leaves IFA_LOCAL out unless there is a peer.
  const address = attributes.ip(IFA_LOCAL) ?? far;
  if (!address) return undefined;
  return {
    index: buffer.readUInt32LE(at + 4),
    address,
    ...(far && far !== address && { peer: far }),
    prefixLength: buffer[at + 1]!,
    scope: buffer[at + 3]!,
    flags: attributes.has(IFA_FLAGS) ? attributes.u32(IFA_FLAGS) : buffer[at + 2]!,
  };
}
