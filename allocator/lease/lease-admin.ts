// Lease administration: list, reserve and release. It needs a registry alone, so it serves the
// control socket and a command line without a daemon.
import { familyOf, networkOf, parseCidr, parseIp } from '../../lib/address.ts';
import type { IpAddress, Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';
import { formatConfigIssue } from '../config/config.ts';
import { parseNetworkConfig } from '../config/config-parse.ts';
import { decodeEntry } from '../registry/lease-entry.ts';
import type { DecodeEntry } from '../registry/registry-snapshot-store.ts';
import { encodeLeaseValue } from '../registry/lease-value.ts';
import type { Lease, LeaseSubnets } from '../lease.ts';
import { NO_LEASE, toRevision } from '../registry/registry.ts';
import type { Registry, RegistryEntry, RegistrySnapshot } from '../registry/registry.ts';
import { blockedSubnets, formatSubnetKey, parseSubnetKey } from '../registry/subnet-key.ts';
import { SubnetPool } from '../subnet/subnet-pool.ts';
import { WeftError } from '../../api/index.ts';
import type { LeaseChangeV1, LeaseV1, ReleaseV1, ReserveV1 } from '../../api/index.ts';

export type LeaseAdminCode = 'bad-request' | 'not-found' | 'conflict' | 'not-ready';

/** Why a lease cannot be changed. The message has the remedy. */
export class LeaseAdminError extends WeftError {
  readonly reason: LeaseAdminCode;

  constructor(reason: LeaseAdminCode, message: string) {
    super('LEASE_CHANGE_REJECTED', message);
    this.reason = reason;
  }
}

type LeaseRegistry = Pick<Registry, 'snapshot' | 'create' | 'update' | 'remove'>;

/** All keys below `subnets/`, sorted. */
export function describeLeases(
  entries: Iterable<RegistryEntry>,
  ownKey?: string,
  decode: DecodeEntry = decodeEntry,
  nameOf: NameOf = () => undefined,
): readonly LeaseV1[] {
  const sorted = [...entries].sort((a, b) => compare(a.key, b.key));
  return sorted.map((entry) => describe(entry, entry.key === ownKey, decode, nameOf));
}

/** What operators call the host of a lease. */
type NameOf = (lease: Lease) => string | undefined;

function describe(
  entry: RegistryEntry,
  isOwn: boolean,
  decode: DecodeEntry = decodeEntry,
  nameOf: NameOf = () => undefined,
): LeaseV1 {
  const { key, value, modRevision, leaseId } = entry;
  const base = { key, isReservation: leaseId === NO_LEASE, isOwn, modRevision, value };
  const decoded = decode(entry);
  if (!decoded.ok)
    return { ...base, ...decoded.invalid.blocked, backend: '', problem: decoded.invalid.reason };
  const { attributes, isReservation, subnets } = decoded.lease;
  const { publicIp, publicIpv6, backendType } = attributes;
  const name = nameOf(decoded.lease);
  return {
    ...base,
    ...(name !== undefined && { name }),
    isReservation,
    ...subnets,
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    backend: backendType,
  };
}

/** Digits compare as numbers: `10.5.9.0` before `10.5.10.0`. */
function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/**
 * Reserves a subnet for the host that holds it, or for the host with `publicIp`. @throws
 * LeaseAdminError or RegistryError
 */
export async function reserveLease(registry: LeaseRegistry, request: ReserveV1): Promise<LeaseChangeV1> {
  const snapshot = await registry.snapshot();
  const publicIp = parsePublicIp(request.publicIp);
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
  if (!result.written) throw conflictAt(key);
  return { key, outcome: 'reserved', revision: result.revision };
}

/**
 * Removes a key if `modRevision` is still its mod revision. @throws LeaseAdminError or
 * RegistryError
 */
export async function releaseLease(registry: LeaseRegistry, request: ReleaseV1): Promise<LeaseChangeV1> {
  const snapshot = await registry.snapshot();
  const entry = findEntry(snapshot, request.subnet);
  if (entry === undefined)
    throw new LeaseAdminError('not-found', `No host holds ${request.subnet}: weft leases lists all leases`);
  const result = await registry.remove(entry.key, toRevision(request.modRevision));
  if (!result.written) throw conflictAt(entry.key);
  return { key: entry.key, outcome: 'released', revision: result.revision };
}

/** The lease whose key, name, subnet or public IP is `text`. */
export function findLease(leases: readonly LeaseV1[], text: string): LeaseV1 | undefined {
  return leases.find(
    ({ key, name, ipv4, ipv6, publicIp, publicIpv6 }) =>
      key === text ||
      name === text ||
      ipv4 === text ||
      ipv6 === text ||
      publicIp === text ||
      publicIpv6 === text,
  );
}

function findEntry({ entries }: RegistrySnapshot, text: string): RegistryEntry | undefined {
  const matches = (entry: RegistryEntry): boolean => {
    const { ipv4, ipv6 } = describe(entry, false);
    return entry.key === text || ipv4 === text || ipv6 === text;
  };
  return entries.find(matches);
}

/** The subnet that the host with this public IP holds. */
function heldBy({ entries }: RegistrySnapshot, address: IpAddress): string | undefined {
  for (const entry of entries) {
    const { key, ipv4, ipv6, publicIp, publicIpv6 } = describe(entry, false);
    if (publicIp === address || publicIpv6 === address) return ipv4 ?? ipv6 ?? key;
  }
  return undefined;
}

function parsePublicIp(text: string | undefined): IpAddress | undefined {
  if (text === undefined) return undefined;
  const address = parseIp(text);
  if (address === undefined)
    throw new LeaseAdminError('bad-request', `public IP ${JSON.stringify(text)}: not an IP address`);
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
      `No host holds ${subnet}: name the host to reserve it for by its public IP`,
    );
  const held = heldBy(snapshot, publicIp);
  if (held !== undefined)
    throw new LeaseAdminError(
      'conflict',
      `${publicIp} holds ${held} already, and a host has one subnet: reserve that, or release it first (weft leases release ${held})`,
    );
  const key = formatSubnetKey(completeSubnets(snapshot, subnet));
  const address =
    familyOf(publicIp) === 4 ? { publicIp: publicIp as Ipv4 } : { publicIpv6: publicIp as Ipv6 };
  const value = encodeLeaseValue({ ...address, backendType: '' });
  const result = await registry.create({ keys: [key], value, leaseId: NO_LEASE });
  if (!result.created) throw conflictAt(key);
  return { key, outcome: 'reserved', revision: result.revision };
}

/**
 * The subnets of a new reservation: those of `text`, which a host of this network must be able to
 * hold.
 */
function completeSubnets({ config, entries }: RegistrySnapshot, text: string): LeaseSubnets {
  const subnets = parseSubnets(text);
  const parsed = parseNetworkConfig(config?.text ?? '');
  if (!parsed.ok)
    throw new LeaseAdminError(
      'conflict',
      `The network config is invalid, so its subnets are unknown: ${parsed.issues.map(formatConfigIssue).join('; ')}`,
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
    `${text} is not a host subnet of the network ${networks}: check range, prefix length and boundary`,
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
    `${JSON.stringify(text)} is not a subnet: write for example 10.5.72.0/24, or a key of weft leases`,
  );
}

function conflictAt(key: string): LeaseAdminError {
  return new LeaseAdminError('conflict', `${key} was changed concurrently: list the leases and retry`);
}
