// The text of subnet.env: what container runtimes and CNI plugins read to learn this host's subnet and MTU. Pure;
// `subnet-file.ts` does the I/O. Keys and order are those of flannel, since scripts source the file and plugins split it.
import {
  addToAddress,
  addressOf,
  familyOf,
  networkOf,
  parseCidr,
  prefixLengthOf,
} from '../../lib/address.ts';
import type { Cidr, Ipv4Cidr, Ipv6Cidr } from '../../lib/address.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import type { OverlayMtu } from '../../backends/kernel-state.ts';
import { parseEnvFile } from '../../lib/env-file.ts';

export interface SubnetEnv {
  /** Networks of the enabled families. */
  readonly networks: { readonly ipv4?: Ipv4Cidr; readonly ipv6?: Ipv6Cidr };
  readonly subnets: LeaseSubnets;
  /** In bytes. */
  readonly mtu: OverlayMtu;
  /** Whether this daemon masquerades; a CNI plugin does it itself if not. */
  readonly isMasquerading: boolean;
}

/** What could be read of an earlier file. Members that are missing or unusable are unset. */
export interface PreviousSubnetEnv {
  readonly subnets?: LeaseSubnets;
  readonly networks?: { readonly ipv4?: Ipv4Cidr; readonly ipv6?: Ipv6Cidr };
  /** One line each; every problem costs only what it names. */
  readonly problems: readonly string[];
}

/** Problems reported at most, and characters of a bad line that are shown. */
const MAX_PROBLEMS = 10;
const MAX_SHOWN_LENGTH = 60;

/** Formats the file. A subnet is shown with its first address after the network's own, which bridges take. */
export function formatSubnetEnv({ networks, subnets, mtu, isMasquerading }: SubnetEnv): string {
  const lines: string[] = [];
  if (networks.ipv4 !== undefined && subnets.ipv4 !== undefined)
    lines.push(`FLANNEL_NETWORK=${networks.ipv4}`, `FLANNEL_SUBNET=${firstAddress(subnets.ipv4)}`);
  if (networks.ipv6 !== undefined && subnets.ipv6 !== undefined)
    lines.push(`FLANNEL_IPV6_NETWORK=${networks.ipv6}`, `FLANNEL_IPV6_SUBNET=${firstAddress(subnets.ipv6)}`);
  lines.push(`FLANNEL_MTU=${mtu}`, `FLANNEL_IPMASQ=${isMasquerading}`);
  return lines.map((line) => `${line}\n`).join('');
}

function firstAddress(subnet: Cidr): string {
  return `${addToAddress(addressOf(subnet), 1n)}/${prefixLengthOf(subnet)}`;
}

/** Reads the file as written by weft, by flannel or by hand: quotes, `export`, comments and blank lines are fine. */
export function parseSubnetEnv(text: string): PreviousSubnetEnv {
  const problems: string[] = [];
  const values = parseEnvFile(text, (line, number) =>
    problems.push(`line ${number} is not KEY=VALUE: ${show(line)}`),
  );
  const cidrs = (key: string, family: 4 | 6): Cidr | undefined => readCidr(values, key, family, problems);
  const ipv4 = cidrs('FLANNEL_SUBNET', 4) as Ipv4Cidr | undefined;
  const ipv6 = cidrs('FLANNEL_IPV6_SUBNET', 6) as Ipv6Cidr | undefined;
  const ipv4Network = cidrs('FLANNEL_NETWORK', 4) as Ipv4Cidr | undefined;
  const ipv6Network = cidrs('FLANNEL_IPV6_NETWORK', 6) as Ipv6Cidr | undefined;
  return {
    ...familyPair('subnets', ipv4, ipv6),
    ...familyPair('networks', ipv4Network, ipv6Network),
    problems: problems.length <= MAX_PROBLEMS ? problems : [...problems.slice(0, MAX_PROBLEMS), '…'],
  };
}

function familyPair(
  name: 'subnets' | 'networks',
  ipv4?: Ipv4Cidr,
  ipv6?: Ipv6Cidr,
): Partial<PreviousSubnetEnv> {
  if (ipv4 === undefined && ipv6 === undefined) return {};
  return { [name]: { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) } };
}

/** A value may list several, of which exactly one has to be of the family: with more nobody knows which one is meant. */
function readCidr(
  values: ReadonlyMap<string, string>,
  key: string,
  family: 4 | 6,
  problems: string[],
): Cidr | undefined {
  const text = values.get(key);
  if (text === undefined || text === '') return undefined;
  const found = new Set<Cidr>();
  for (const part of text.split(',')) {
    const parsed = parseCidr(part.trim());
    if (parsed === undefined || familyOf(parsed.address) !== family)
      problems.push(`${key}: ${show(part)} is no IPv${family} network`);
    else found.add(networkOf(parsed.address, parsed.prefixLength));
  }
  if (found.size > 1) problems.push(`${key}: ${show(text)} names several networks; ignored`);
  return found.size === 1 ? [...found][0] : undefined;
}

function show(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text);
}
