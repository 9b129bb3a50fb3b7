// This host's subnet as subnet.env holds it, for a plugin that assigns its addresses.
import { familyOf, networkOf, parseCidr, type Cidr, type Ipv4 } from '../../lib/address.ts';
import { parseEnvFile } from '../../lib/env-file.ts';
import { CNI_CODES, CniError } from './cni-error.ts';
import { readText, type Plan } from './plan.ts';

export interface HostSubnet {
  /** Networks of the cluster, IPv4 first; never empty. */
  readonly networks: readonly Cidr[];
  /** Subnets of this host, IPv4 first; never empty. */
  readonly subnets: readonly Cidr[];
  /** In bytes. */
  readonly mtu: number;
  /** Whether the daemon masquerades. */
  readonly isMasquerading: boolean;
}

/**
 * Stands for a subnet that is not known, where an attachment is removed: host-local wants a range,
 * and releases by container and interface. Addresses of RFC 5737, which no host has.
 */
export const UNKNOWN_SUBNET: HostSubnet = {
  networks: [],
  subnets: [networkOf('192.0.2.0' as Ipv4, 24)],
  mtu: 1280,
  isMasquerading: true,
};

/** @throws CniError, `TRY_AGAIN_LATER` if the file does not exist. */
export function* readHostSubnet(path: string): Plan<HostSubnet> {
  let text: string;
  try {
    text = yield* readText(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new CniError(CNI_CODES.IO_FAILURE, `Cannot read ${path}: ${message}`);
    throw new CniError(
      CNI_CODES.TRY_AGAIN_LATER,
      `There is no ${path}: this host has no subnet until weft daemon has leased one; check its log`,
    );
  }
  return parseHostSubnet(text, path);
}

/** @param path - for messages. @throws CniError naming keys that are missing or wrong. */
export function parseHostSubnet(text: string, path: string): HostSubnet {
  const values = parseEnvFile(text);
  const networks = readCidrs(values, ['FLANNEL_NETWORK', 'FLANNEL_IPV6_NETWORK'], path);
  const subnets = readCidrs(values, ['FLANNEL_SUBNET', 'FLANNEL_IPV6_SUBNET'], path);
  const mtu = values.get('FLANNEL_MTU') ?? '';
  if (!/^[1-9]\d{0,9}$/.test(mtu)) throw wrong(path, 'FLANNEL_MTU', mtu, 'a number of bytes');
  const masquerade = values.get('FLANNEL_IPMASQ');
  if (masquerade === undefined) throw wrong(path, 'FLANNEL_IPMASQ', '', 'true or false');
  return { networks, subnets, mtu: Number(mtu), isMasquerading: masquerade === 'true' };
}

/** Networks of an IPv4 key and an IPv6 key, one of which may be missing. Host bits are zeroed. */
function readCidrs(
  values: ReadonlyMap<string, string>,
  keys: readonly [string, string],
  path: string,
): Cidr[] {
  const cidrs = keys.flatMap((key, index) => {
    const text = values.get(key) ?? '';
    if (text === '') return [];
    const parsed = parseCidr(text);
    const family = index === 0 ? 4 : 6;
    if (parsed === undefined || familyOf(parsed.address) !== family)
      throw wrong(path, key, text, `an IPv${family} network`);
    return [networkOf(parsed.address, parsed.prefixLength)];
  });
  if (cidrs.length === 0) throw wrong(path, keys.join(' or '), '', 'a network');
  return cidrs;
}

function wrong(path: string, key: string, value: string, rule: string): CniError {
  const what = value === '' ? 'is missing' : `is ${JSON.stringify(value)}`;
  return new CniError(
    CNI_CODES.DECODING_FAILURE,
    `${path}: ${key} ${what}, and should be ${rule}; weft daemon writes this file`,
  );
}
