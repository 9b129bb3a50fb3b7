// What an operator may do to leases by hand: look at them, keep a subnet for a host for good, give one back. Works on a
// registry alone, so that it serves the control socket and a command line without a daemon alike.
import { familyOf, networkOf, parseCidr, parseIp } from '../../lib/address.ts';
import type { IpAddress, Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';
import { formatConfigIssue } from '../../allocator/config/config.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import { decodeEntry } from '../../allocator/registry/lease-entry.ts';
import { encodeLeaseValue } from '../../allocator/registry/lease-value.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import { NO_LEASE, toRevision } from '../../allocator/registry/registry.ts';
import type { Registry, RegistryEntry, RegistrySnapshot } from '../../allocator/registry/registry.ts';
import { blockedSubnets, formatSubnetKey, parseSubnetKey } from '../../allocator/registry/subnet-key.ts';
import { SubnetPool } from '../../allocator/subnet/subnet-pool.ts';
import type { LeaseChangeV1, LeaseV1, ReleaseV1, ReserveV1 } from '../../api/types.ts';

export type LeaseAdminCode = 'bad-request' | 'not-found' | 'conflict';

/** Why a wish cannot be met. The message has the remedy. */
export class LeaseAdminError extends Error {
  readonly reason: LeaseAdminCode;

  constructor(reason: LeaseAdminCode, message: string) {
    super(message);
    this.name = 'LeaseAdminError';
    this.reason = reason;
  }
}

type LeaseRegistry = Pick<Registry, 'snapshot' | 'create' | 'update' | 'remove'>;

/** All keys below `subnets/` in their order. */
export function describeLeases(entries: Iterable<RegistryEntry>, ownKey?: string): readonly LeaseV1[] {
  const sorted = [...entries].sort((a, b) => compare(a.key, b.key));
  return sorted.map((entry) => describe(entry, entry.key === ownKey));
}

function describe(entry: RegistryEntry, isOwn: boolean): LeaseV1 {
  const { key, value, modRevision, leaseId } = entry;
  const base = { key, isReservation: leaseId === NO_LEASE, isOwn, modRevision, value };
  const decoded = decodeEntry(entry);
  if (!decoded.ok)
    return { ...base, ...decoded.invalid.blocked, backend: '', problem: decoded.invalid.reason };
  const { subnets, attributes } = decoded.lease;
  const { publicIp, publicIpv6, backendType } = attributes;
  return {
    ...base,
    ...subnets,
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    backend: backendType,
  };
}

/** Numbers within texts as numbers: `10.5.9.0` before `10.5.10.0`. */
function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Keeps a subnet for the host that holds it, or for the one of `publicIp`. @throws LeaseAdminError or RegistryError */
export async function reserveLease(registry: LeaseRegistry, request: ReserveV1): Promise<LeaseChangeV1> {
  const snapshot = await registry.snapshot();
  const publicIp = readPublicIp(request.publicIp);
  const entry = findEntry(snapshot, request.subnet);
  if (entry === undefined) return createReservation(registry, snapshot, { ...request, publicIp });
  const { publicIp: holder, publicIpv6, problem } = describe(entry, false);
  if (problem !== undefined) throw new LeaseAdminError('conflict', `Cannot reserve ${entry.key}: ${problem}`);
  if (publicIp !== undefined && publicIp !== holder && publicIp !== publicIpv6)
    throw new LeaseAdminError(
      'conflict',
      `${request.subnet} is held by ${holder ?? publicIpv6 ?? 'a host without public IP'}, not by ${publicIp}: release it first`,
    );
  const { key, value, modRevision, leaseId } = entry;
  if (leaseId === NO_LEASE) return { key, outcome: 'unchanged', revision: snapshot.revision };
  const result = await registry.update({ key, value, leaseId: NO_LEASE }, modRevision);
  if (!result.written) throw changedMeanwhile(key);
  return { key, outcome: 'reserved', revision: result.revision };
}

/** Removes a key, if nobody wrote to it since `modRevision`. @throws LeaseAdminError or RegistryError */
export async function releaseLease(registry: LeaseRegistry, request: ReleaseV1): Promise<LeaseChangeV1> {
  const snapshot = await registry.snapshot();
  const entry = findEntry(snapshot, request.subnet);
  if (entry === undefined)
    throw new LeaseAdminError(
      'not-found',
      `No host holds ${request.subnet}: weft leases lists what there is`,
    );
  const result = await registry.remove(entry.key, toRevision(request.modRevision));
  if (!result.written) throw changedMeanwhile(entry.key);
  return { key: entry.key, outcome: 'released', revision: result.revision };
}

/** The key that is called `text`, or that has the subnet `text`. */
export function findLease(leases: readonly LeaseV1[], text: string): LeaseV1 | undefined {
  return leases.find(
    ({ key, ipv4, ipv6, publicIp, publicIpv6 }) =>
      key === text || ipv4 === text || ipv6 === text || publicIp === text || publicIpv6 === text,
  );
}

function findEntry({ entries }: RegistrySnapshot, text: string): RegistryEntry | undefined {
  const isNamed = (entry: RegistryEntry): boolean => {
    const { ipv4, ipv6 } = describe(entry, false);
    return entry.key === text || ipv4 === text || ipv6 === text;
  };
  return entries.find(isNamed);
}

function readPublicIp(text: string | undefined): IpAddress | undefined {
  if (text === undefined) return undefined;
  const address = parseIp(text);
  if (address === undefined)
    throw new LeaseAdminError('bad-request', `public IP ${JSON.stringify(text)}: is no IP address`);
  return address;
}

async function createReservation(
  registry: LeaseRegistry,
  snapshot: RegistrySnapshot,
  { subnet, publicIp }: { readonly subnet: string; readonly publicIp: IpAddress | undefined },
): Promise<LeaseChangeV1> {
  if (publicIp === undefined)
    throw new LeaseAdminError(
      'bad-request',
      `No host holds ${subnet}: say for whom it is to be kept, with the public IP of that host`,
    );
  const key = formatSubnetKey(completeSubnets(snapshot, subnet));
  const address =
    familyOf(publicIp) === 4 ? { publicIp: publicIp as Ipv4 } : { publicIpv6: publicIp as Ipv6 };
  const value = encodeLeaseValue({ ...address, backendType: '' });
  const result = await registry.create({ keys: [key], value, leaseId: NO_LEASE });
  if (!result.created) throw changedMeanwhile(key);
  return { key, outcome: 'reserved', revision: result.revision };
}

/** The subnets of a new reservation: those written, which must be what a host of this network could hold. */
function completeSubnets({ config, entries }: RegistrySnapshot, text: string): LeaseSubnets {
  const subnets = parseSubnets(text);
  const parsed = parseNetworkConfig(config?.text ?? '');
  if (!parsed.ok)
    throw new LeaseAdminError(
      'conflict',
      `The network config cannot tell which subnets there are: ${parsed.issues.map(formatConfigIssue).join('; ')}`,
    );
  const pool = new SubnetPool(parsed.config);
  if (pool.isCompatible(subnets)) return subnets;
  const part = pool.compatiblePart(subnets);
  const isPartial = Object.keys(part).length === 1 && Object.keys(subnets).length === 1;
  const taken = entries.flatMap(({ key }) => blockedSubnets(key) ?? []);
  const whole = isPartial ? pool.fillFamilies(part, taken) : undefined;
  if (whole !== undefined) return whole;
  const { ipv4, ipv6 } = parsed.config;
  const networks = [ipv4?.network, ipv6?.network].filter(Boolean).join(' and ');
  throw new LeaseAdminError(
    'bad-request',
    `${text} is no subnet that a host of the network ${networks} could have: its range, length or boundary is another`,
  );
}

function parseSubnets(text: string): LeaseSubnets {
  const asKey = parseSubnetKey(text);
  if (asKey.ok) return asKey.subnets;
  const cidr = parseCidr(text);
  const network = cidr && networkOf(cidr.address, cidr.prefixLength);
  if (network === text)
    return familyOf(network) === 4 ? { ipv4: network as Ipv4Cidr } : { ipv6: network as Ipv6Cidr };
  throw new LeaseAdminError(
    'bad-request',
    `${JSON.stringify(text)} is no subnet: write for example 10.5.72.0/24, or a key as weft leases shows it`,
  );
}

function changedMeanwhile(key: string): LeaseAdminError {
  return new LeaseAdminError('conflict', `${key} was changed meanwhile by somebody else: look again`);
}
