// Chooses the interface that carries the traffic between hosts, and the addresses on it. Pure but for the route lookup
// that is handed in. Order: each --iface, each --iface-regex, --iface-can-reach; without any of them the public address,
// and without that the default route. Never chooses a device of weft's or flannel's own.
import { familyOf, parseIp } from '../../lib/address.ts';
import type { IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { lookupDefaultRoute } from './default-route.ts';
import type { Interface, MainRoute, RouteLookup } from '../kernel/kernel.ts';
import { usableAddresses } from './usable-address.ts';

/** What the operator asked for. */
export interface InterfaceOptions {
  /** Names or addresses, best first. */
  readonly names: readonly string[];
  /** Matched unanchored against addresses, then names. */
  readonly patterns: readonly RegExp[];
  readonly canReach?: IpAddress;
  readonly publicIp?: Ipv4;
  readonly publicIpv6?: Ipv6;
}

/** What the kernel has, read together. */
export interface InterfaceFacts {
  readonly interfaces: readonly Interface[];
  readonly routes: readonly MainRoute[];
  /** `ip route get ADDRESS`. */
  readonly lookupRoute: (address: IpAddress) => Promise<RouteLookup | undefined>;
}

/** IP versions that the network config enables; at least one. */
export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** What a network config enables. */
export function familiesOf({ ipv4, ipv6 }: Pick<NetworkConfig, 'ipv4' | 'ipv6'>): Families {
  return { ipv4: ipv4 !== undefined, ipv6: ipv6 !== undefined };
}

export interface ChosenInterface {
  readonly name: string;
  /** In bytes. */
  readonly mtu: number;
  /** Addresses of the interface itself: the tunnel source. Set for each enabled family. */
  readonly ipv4?: Ipv4;
  readonly ipv6?: Ipv6;
  /** Addresses that peers are told. */
  readonly publicIp?: Ipv4;
  readonly publicIpv6?: Ipv6;
  /** What found it, for example `--iface=eth0` or `the default route`. */
  readonly selectedBy: string;
  /** True if it was found by an address that it carries: without that address it is not the one any more. */
  readonly isBoundToAddress: boolean;
}

export type InterfaceChoice =
  | { readonly ok: true; readonly chosen: ChosenInterface; readonly warnings: readonly string[] }
  /** `message` is one line with everything that was tried and which flag to use. */
  | { readonly ok: false; readonly message: string };

/** An interface that one lookup came up with, or why it did not. */
export type Lookup =
  | {
      readonly interface: Interface;
      readonly ipv4?: Ipv4;
      readonly ipv6?: Ipv6;
      readonly isBoundToAddress: boolean;
    }
  | { readonly problem: string };

interface Attempt {
  readonly label: string;
  readonly run: () => Lookup | readonly Lookup[] | Promise<Lookup>;
}

interface Request {
  readonly facts: InterfaceFacts;
  readonly options: InterfaceOptions;
  readonly families: Families;
}

/** Devices that weft or flannel make: `flannel.1`, `flannel-v6.1`, `flannel-wg`, `flannel0`. */
const OWN_DEVICE = /^flannel(?:[.-]|\d+$)/;

/** Chooses from nothing. */
export async function chooseInterface(
  facts: InterfaceFacts,
  options: InterfaceOptions,
  families: Families,
): Promise<InterfaceChoice> {
  const request = { facts, options, families };
  const tried: string[] = [];
  for (const { label, run } of attemptsOf(request)) {
    for (const lookup of [await run()].flat()) {
      const result = complete(lookup, label, request);
      if ('problem' in result) tried.push(`${label}: ${result.problem}`);
      else return { ok: true, chosen: result, warnings: [...tried, ...doubtsAbout(result, facts)] };
    }
  }
  return { ok: false, message: failureText(tried, options) };
}

/**
 * Chooses again after links or addresses changed. The interface stays as long as it can serve, and so does each address
 * as long as it is there: another default route, or a better address, is no reason to become another host.
 */
export async function rechooseInterface(
  facts: InterfaceFacts,
  options: InterfaceOptions,
  families: Families,
  current: ChosenInterface,
): Promise<InterfaceChoice> {
  const same = facts.interfaces.find((candidate) => candidate.name === current.name);
  if (same !== undefined) {
    const kept = keepAddresses(same, current);
    const isLost = current.isBoundToAddress && (kept.ipv4 !== current.ipv4 || kept.ipv6 !== current.ipv6);
    const lookup = { interface: same, ...kept, isBoundToAddress: current.isBoundToAddress };
    const result = isLost ? undefined : complete(lookup, current.selectedBy, { facts, options, families });
    if (result !== undefined && !('problem' in result)) return { ok: true, chosen: result, warnings: [] };
  }
  return chooseInterface(facts, options, families);
}

function keepAddresses(candidate: Interface, current: ChosenInterface): { ipv4?: Ipv4; ipv6?: Ipv6 } {
  const isThere = (address: IpAddress): boolean =>
    candidate.addresses.some((entry) => entry.address === address);
  return {
    ...(current.ipv4 !== undefined && isThere(current.ipv4) ? { ipv4: current.ipv4 } : {}),
    ...(current.ipv6 !== undefined && isThere(current.ipv6) ? { ipv6: current.ipv6 } : {}),
  };
}

function attemptsOf(request: Request): readonly Attempt[] {
  const { facts, options, families } = request;
  const { names, patterns, canReach } = options;
  const attempts: Attempt[] = [
    ...names.map((text) => ({ label: `--iface=${text}`, run: () => lookupText(text, facts) })),
    ...patterns.map((pattern) => ({
      label: `--iface-regex=${pattern.source}`,
      run: () => lookupPattern(pattern, facts, families),
    })),
  ];
  if (canReach !== undefined)
    attempts.push({ label: `--iface-can-reach=${canReach}`, run: () => lookupRouteTo(canReach, facts) });
  if (attempts.length > 0) return attempts;
  return [
    publicAddressAttempt(request) ?? {
      label: 'the default route',
      run: () => lookupDefaultRoute(facts, families),
    },
  ];
}

/** Without any other word the public address says which interface, as it does in flannel. */
function publicAddressAttempt({ facts, options, families }: Request): Attempt | undefined {
  const publicIp = families.ipv4 ? options.publicIp : undefined;
  const publicIpv6 = families.ipv6 ? options.publicIpv6 : undefined;
  if (publicIp !== undefined)
    return { label: `--public-ip=${publicIp}`, run: () => lookupAddress(publicIp, facts) };
  if (publicIpv6 === undefined) return undefined;
  return { label: `--public-ipv6=${publicIpv6}`, run: () => lookupAddress(publicIpv6, facts) };
}

function lookupText(text: string, facts: InterfaceFacts): Lookup {
  const address = parseIp(text);
  return address === undefined ? lookupName(text, facts) : lookupAddress(address, facts);
}

function lookupName(name: string, { interfaces }: InterfaceFacts): Lookup {
  const found = interfaces.find((candidate) => candidate.name === name);
  if (found !== undefined) return { interface: found, isBoundToAddress: false };
  return { problem: `no interface has this name (there are ${namesOf(interfaces)})` };
}

function lookupAddress(address: IpAddress, { interfaces }: InterfaceFacts): Lookup {
  const found = interfaces.find((candidate) =>
    candidate.addresses.some((entry) => entry.address === address),
  );
  if (found === undefined) return { problem: 'no interface has this address' };
  return { interface: found, ...asFamily(address), isBoundToAddress: true };
}

/** Pass 1 looks for matching addresses of every enabled family on one interface, pass 2 for matching names. */
function lookupPattern(
  pattern: RegExp,
  { interfaces }: InterfaceFacts,
  families: Families,
): readonly Lookup[] {
  const candidates = interfaces.filter((candidate) => !OWN_DEVICE.test(candidate.name));
  const byAddress = candidates.flatMap((candidate): Lookup[] => {
    const ipv4 = usableAddresses(candidate, 4).find((address) => pattern.test(address));
    const ipv6 = usableAddresses(candidate, 6).find((address) => pattern.test(address));
    if ((families.ipv4 && ipv4 === undefined) || (families.ipv6 && ipv6 === undefined)) return [];
    return [{ interface: candidate, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }), isBoundToAddress: true }];
  });
  const byName = candidates
    .filter((candidate) => pattern.test(candidate.name))
    .map((candidate): Lookup => ({ interface: candidate, isBoundToAddress: false }));
  const found = [...byAddress, ...byName];
  return found.length > 0 ? found : [{ problem: 'matches neither an address nor the name of an interface' }];
}

async function lookupRouteTo(address: IpAddress, facts: InterfaceFacts): Promise<Lookup> {
  const route = await facts.lookupRoute(address);
  if (route === undefined) return { problem: 'the kernel has no route there' };
  const found = facts.interfaces.find((candidate) => candidate.name === route.dev);
  if (found === undefined)
    return { problem: `the route goes through ${route.dev}, which does not exist any more` };
  const source = route.source === undefined ? {} : asFamily(route.source);
  return { interface: found, ...source, isBoundToAddress: false };
}

function asFamily(address: IpAddress): { ipv4: Ipv4 } | { ipv6: Ipv6 } {
  return familyOf(address) === 4 ? { ipv4: address as Ipv4 } : { ipv6: address as Ipv6 };
}

/** Fills in what the lookup left open and checks that the interface can serve. */
function complete(lookup: Lookup, label: string, request: Request): ChosenInterface | { problem: string } {
  if ('problem' in lookup) return lookup;
  const { facts, options, families } = request;
  const { name, mtu } = lookup.interface;
  if (OWN_DEVICE.test(name)) return { problem: `${name} is a device of the overlay itself` };
  if (mtu <= 0) return { problem: `${name} has MTU ${mtu}` };
  const ipv4 = families.ipv4
    ? (lookup.ipv4 ?? pickAddress(usableAddresses(lookup.interface, 4), options.publicIp))
    : undefined;
  const ipv6 = families.ipv6
    ? (lookup.ipv6 ?? pickAddress(usableAddresses(lookup.interface, 6), options.publicIpv6))
    : undefined;
  const missing = [families.ipv4 && ipv4 === undefined ? 4 : 0, families.ipv6 && ipv6 === undefined ? 6 : 0];
  const family = missing.find((version) => version !== 0);
  if (family !== undefined) return { problem: `${name} has no usable IPv${family} address` };
  const elsewhere = publicAddressElsewhere(name, facts, request);
  if (elsewhere !== undefined) return { problem: elsewhere };
  const publicIp = families.ipv4 ? (options.publicIp ?? ipv4) : undefined;
  const publicIpv6 = families.ipv6 ? (options.publicIpv6 ?? ipv6) : undefined;
  return {
    name,
    mtu,
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    selectedBy: label,
    isBoundToAddress: lookup.isBoundToAddress,
  };
}

/** The public address, if the interface has it, is the better tunnel source: replies then come from where they went. */
function pickAddress<Address extends IpAddress>(
  usable: readonly Address[],
  publicAddress: Address | undefined,
): Address | undefined {
  return usable.find((address) => address === publicAddress) ?? usable[0];
}

/** Both public addresses, found by one of them, have to be on one interface. */
function publicAddressElsewhere(
  name: string,
  facts: InterfaceFacts,
  { options, families }: Request,
): string | undefined {
  const isChosenByPublicAddress =
    options.names.length + options.patterns.length === 0 && options.canReach === undefined;
  const { publicIp, publicIpv6 } = options;
  if (!isChosenByPublicAddress || publicIp === undefined || publicIpv6 === undefined) return undefined;
  if (!families.ipv4 || !families.ipv6) return undefined;
  const holder = facts.interfaces.find(({ addresses }) =>
    addresses.some((entry) => entry.address === publicIpv6),
  );
  if (holder?.name === name) return undefined;
  return `${name} does not carry --public-ipv6=${publicIpv6} (${holder === undefined ? 'no interface does' : `${holder.name} does`})`;
}

function doubtsAbout(chosen: ChosenInterface, { interfaces }: InterfaceFacts): readonly string[] {
  const isUp = interfaces.some((candidate) => candidate.name === chosen.name && candidate.isUp);
  return isUp ? [] : [`${chosen.selectedBy}: ${chosen.name} is down`];
}

function failureText(tried: readonly string[], options: InterfaceOptions): string {
  const isAddressOnly =
    options.names.length + options.patterns.length === 0 && options.canReach === undefined;
  const hasPublic = options.publicIp !== undefined || options.publicIpv6 !== undefined;
  const remedy =
    isAddressOnly && hasPublic
      ? 'behind a NAT, name the interface with --iface as well'
      : 'name the interface with --iface, --iface-regex or --iface-can-reach';
  return `No interface to reach other hosts: ${tried.join('; ')}; ${remedy}`;
}

function namesOf(interfaces: readonly Interface[]): string {
  const names = interfaces.filter(({ name }) => !OWN_DEVICE.test(name)).map(({ name }) => name);
  return names.length > 10 ? `${names.slice(0, 10).join(', ')}, …` : names.join(', ');
}
