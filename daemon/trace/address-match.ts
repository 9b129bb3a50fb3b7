// Comparisons of addresses and devices that nftables and iptables share.
import {
  contains,
  familyOf,
  networkOf,
  parseCidr,
  parseIp,
  toBigInt,
  type IpAddress,
} from '../../lib/address.ts';
import { toMatch, type Match } from './match.ts';

/** Whether `address` is `range`, an address or a network. */
export function inRange(address: IpAddress, range: string): Match {
  if (parseIp(range) !== undefined) return toMatch(address === parseIp(range));
  const [base = '', mask = ''] = range.split('/');
  if (parseIp(base) === undefined) return 'unknown';
  const length = mask.includes('.') ? lengthOfMask(mask) : Number(mask);
  const cidr = parseCidr(`${base}/${length}`);
  if (cidr === undefined) return 'unknown';
  return toMatch(contains(networkOf(cidr.address, cidr.prefixLength), address));
}

export function isBetween(address: IpAddress, first: string, last: string): Match {
  const [low, high] = [parseIp(first), parseIp(last)];
  if (low === undefined || high === undefined) return 'unknown';
  if (!sameFamily(address, low)) return 'no';
  const value = toBigInt(address);
  return toMatch(toBigInt(low) <= value && value <= toBigInt(high));
}

/** Whether a device has a name; `wildcard` ends names that stand for all with that beginning. */
export function hasName(device: string | undefined, name: string, wildcard: string): Match {
  if (device === undefined) return 'unknown';
  return toMatch(name.endsWith(wildcard) ? device.startsWith(name.slice(0, -1)) : device === name);
}

function sameFamily(address: IpAddress, other: string): boolean {
  return familyOf(address) === familyOf(other as IpAddress);
}

function lengthOfMask(mask: string): number {
  return mask
    .split('.')
    .map((byte) => Number(byte).toString(2).replaceAll('0', '').length)
    .reduce((sum, bits) => sum + bits, 0);
}
