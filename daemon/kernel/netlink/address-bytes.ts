// Canonical address text to and from bytes, without BigInt: a full read of the kernel converts
// 100,000 addresses. Text is canonical by its type; nothing is validated here.
import type { IpAddress, Ipv4, Ipv6, MacAddress } from '../../../lib/address.ts';

const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));
const COLON = 0x3a;
const DOT = 0x2e;

/** Writes the bytes of `address` at `at`; returns how many, 4 or 16. */
export function encodeIp(buffer: Buffer, at: number, address: IpAddress): 4 | 16 {
  return address.includes(':') ? encodeIpv6(buffer, at, address) : encodeIpv4(buffer, at, address);
}

/** The address in the `length` bytes at `at`; `undefined` unless `length` is 4 or 16. */
export function decodeIp(buffer: Buffer, at: number, length: number): IpAddress | undefined {
  if (length === 4) return `${buffer[at]}.${buffer[at + 1]}.${buffer[at + 2]}.${buffer[at + 3]}` as Ipv4;
  return length === 16 ? decodeIpv6(buffer, at) : undefined;
}

export function encodeMac(buffer: Buffer, at: number, mac: MacAddress): 6 {
  for (let index = 0; index < 6; index++)
    buffer[at + index] = hexDigit(mac.charCodeAt(index * 3)) * 16 + hexDigit(mac.charCodeAt(index * 3 + 1));
  return 6;
}

export function decodeMac(buffer: Buffer, at: number): MacAddress {
  let text = HEX[buffer[at]!]!;
  for (let index = 1; index < 6; index++) text += `:${HEX[buffer[at + index]!]}`;
  return text as MacAddress;
}

function encodeIpv4(buffer: Buffer, at: number, address: string): 4 {
  let octet = 0;
  let position = at;
  for (let index = 0; index < address.length; index++) {
    const code = address.charCodeAt(index);
    if (code === DOT) {
      buffer[position++] = octet;
      octet = 0;
    } else octet = octet * 10 + code - 0x30;
  }
  buffer[position] = octet;
  return 4;
}

function encodeIpv6(buffer: Buffer, at: number, address: string): 16 {
  buffer.fill(0, at, at + 16);
  const gap = address.indexOf('::');
  if (gap < 0) encodeGroups(buffer, at, address, 0, address.length);
  else {
    encodeGroups(buffer, at, address, 0, gap);
    encodeGroups(buffer, at + 16 - 2 * countGroups(address, gap + 2), address, gap + 2, address.length);
  }
  return 16;
}

function encodeGroups(buffer: Buffer, at: number, text: string, from: number, to: number): void {
  let group = 0;
  let position = at;
  for (let index = from; index <= to; index++) {
    const code = index < to ? text.charCodeAt(index) : COLON;
    if (code !== COLON) group = group * 16 + hexDigit(code);
    else if (index > from) {
      buffer[position++] = group >>> 8;
      buffer[position++] = group & 255;
      group = 0;
    }
  }
}

function countGroups(text: string, from: number): number {
  if (from >= text.length) return 0;
  let count = 1;
  for (let index = from; index < text.length; index++) if (text.charCodeAt(index) === COLON) count++;
  return count;
}

/**
 * RFC 5952 §4: no leading zeros, `::` for the longest run of two or more zero groups, the first of
 * equals.
 */
function decodeIpv6(buffer: Buffer, at: number): Ipv6 {
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && buffer.readUInt16BE(at + 2 * (start + length)) === 0) length++;
    if (length > bestLength) [bestStart, bestLength] = [start, length];
    start += length;
  }
  if (bestStart < 0) return formatGroups(buffer, at, 0, 8) as Ipv6;
  const tail = formatGroups(buffer, at, bestStart + bestLength, 8);
  return `${formatGroups(buffer, at, 0, bestStart)}::${tail}` as Ipv6;
}

function formatGroups(buffer: Buffer, at: number, from: number, to: number): string {
  let text = '';
  for (let group = from; group < to; group++)
    text += (group > from ? ':' : '') + buffer.readUInt16BE(at + 2 * group).toString(16);
  return text;
}

function hexDigit(code: number): number {
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}
