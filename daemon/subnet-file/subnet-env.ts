// Formats and parses subnet.env, from which container runtimes and CNI plugins read this host's
// subnet and MTU. Pure; `subnet-file.ts` does the I/O. Keys and order are flannel's: scripts source
// the file, and plugins split it.
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
  /** Whether this daemon masquerades; otherwise the CNI plugin does. */
  readonly isMasquerading: boolean;
}

/** The file of a previous run. Missing or invalid members are unset. */
export interface PreviousSubnetEnv {
  readonly subnets?: LeaseSubnets;
  readonly networks?: { readonly ipv4?: Ipv4Cidr; readonly ipv6?: Ipv6Cidr };
  /** One line each; a problem affects only the member that it names. */
  readonly problems: readonly string[];
}

const MAX_PROBLEMS = 10;
/** Characters shown of an invalid line. */
const MAX_SHOWN_LENGTH = 60;

/**
 * Formats the file. FLANNEL_SUBNET has the first host address of the subnet, which bridges take.
 */
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

/**
 * Parses a file of weft, of flannel or of an editor: quotes, `export`, comments and blank lines are
 * allowed.
 */
export function parseSubnetEnv(text: string): PreviousSubnetEnv {
  const problems: string[] = [];
  const values = parseEnvFile(text, (line, number) =>
    problems.push(`line ${number} is not KEY=VALUE: ${show(line)}`),
  );
  const parse = (key: string, family: 4 | 6): Cidr | undefined => parseCidrOf(values, key, family, problems);
  const ipv4 = parse('FLANNEL_SUBNET', 4) as Ipv4Cidr | undefined;
  const ipv6 = parse('FLANNEL_IPV6_SUBNET', 6) as Ipv6Cidr | undefined;
  const ipv4Network = parse('FLANNEL_NETWORK', 4) as Ipv4Cidr | undefined;
  const ipv6Network = parse('FLANNEL_IPV6_NETWORK', 6) as Ipv6Cidr | undefined;
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

/**
 * A value may list several; exactly one must belong to the family, since more would be ambiguous.
 */
function parseCidrOf(
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
      problems.push(`${key}: ${show(part)} is not an IPv${family} network`);
    else found.add(networkOf(parsed.address, parsed.prefixLength));
  }
  if (found.size > 1) problems.push(`${key}: ${show(text)} names several networks; ignored`);
  return found.size === 1 ? [...found][0] : undefined;
}

function show(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text);
}
