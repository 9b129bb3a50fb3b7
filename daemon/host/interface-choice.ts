// Chooses the underlay interface and its addresses. Pure but for the route lookup that the caller
// provides. Order: each --iface, each --iface-regex, --iface-can-reach; without any of them the
// public address, and without that the default route. Devices of weft and flannel are never chosen.
import type { IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import { familyOf } from '../../lib/address.ts';
import type { Interface, InterfaceAddress } from '../kernel/kernel.ts';
import { lookupDefaultRoute } from './default-route.ts';
import type {
  ChosenInterface,
  Families,
  InterfaceChoice,
  InterfaceFacts,
  InterfaceMatch,
  InterfaceOptions,
} from './interface-facts.ts';
import {
  lookupAddress,
  lookupPattern,
  lookupRouteTo,
  lookupText,
  OVERLAY_DEVICE,
} from './interface-lookup.ts';
import { pickSource } from './source-address.ts';
import { isAlone } from './usable-address.ts';

interface Attempt {
  readonly label: string;
  readonly run: () => InterfaceMatch | readonly InterfaceMatch[] | Promise<InterfaceMatch>;
}

interface Request {
  readonly facts: InterfaceFacts;
  readonly options: InterfaceOptions;
  readonly families: Families;
}

/** Chooses without a current interface. */
export async function chooseInterface(
  facts: InterfaceFacts,
  options: InterfaceOptions,
  families: Families,
): Promise<InterfaceChoice> {
  const request = { facts, options, families };
  const tried: string[] = [];
  for (const { label, run } of attemptsOf(request)) {
    for (const lookup of [await run()].flat()) {
      const result = await complete(lookup, label, request);
      if ('problem' in result) tried.push(`${label}: ${result.problem}`);
      else return { ok: true, chosen: result, warnings: [...tried, ...warningsFor(result, facts)] };
    }
  }
  return { ok: false, message: failureText(tried, options) };
}

/**
 * Chooses again after links or addresses changed. The current interface stays while it is usable,
 * and each address while it exists: the address is the host's identity, which a better route or
 * address must not change.
 */
export async function rechooseInterface(
  facts: InterfaceFacts,
  options: InterfaceOptions,
  families: Families,
  current: ChosenInterface,
): Promise<InterfaceChoice> {
  const same = facts.interfaces.find((candidate) => candidate.name === current.name);
  if (same !== undefined) {
    const kept = await keepAddresses(same, current, facts, options);
    const isLost = current.isBoundToAddress && (kept.ipv4 !== current.ipv4 || kept.ipv6 !== current.ipv6);
    const lookup = { interface: same, ...kept, isBoundToAddress: current.isBoundToAddress };
    const request = { facts, options, families };
    const result = isLost ? undefined : await complete(lookup, current.selectedBy, request);
    if (result !== undefined && !('problem' in result)) return { ok: true, chosen: result, warnings: [] };
  }
  return chooseInterface(facts, options, families);
}

async function keepAddresses(
  candidate: Interface,
  current: ChosenInterface,
  facts: InterfaceFacts,
  options: InterfaceOptions,
): Promise<{ ipv4?: Ipv4; ipv6?: Ipv6 }> {
  const stays = async (address: IpAddress | undefined): Promise<boolean> => {
    const entry = candidate.addresses.find((each) => each.address === address);
    if (entry === undefined) return false;
    return (
      current.isBoundToAddress || !isAlone(entry) || !(await isReplaced(entry, candidate, facts, options))
    );
  };
  const [keepsIpv4, keepsIpv6] = [await stays(current.ipv4), await stays(current.ipv6)];
  return {
    ...(keepsIpv4 && current.ipv4 && { ipv4: current.ipv4 }),
    ...(keepsIpv6 && current.ipv6 && { ipv6: current.ipv6 }),
  };
}

/**
 * Whether the kernel sends from an address in a subnet, while `entry` is alone, perhaps a VIP: it was
 * taken as long as the host had no other, and leaves with the next failover.
 */
async function isReplaced(
  entry: InterfaceAddress,
  candidate: Interface,
  facts: InterfaceFacts,
  options: InterfaceOptions,
): Promise<boolean> {
  const picked = await pickSource(candidate, familyOf(entry.address), facts, options);
  return candidate.addresses.some((each) => each.address === picked && !isAlone(each));
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

/** Without --iface flags the public address selects the interface, as in flannel. */
function publicAddressAttempt({ facts, options, families }: Request): Attempt | undefined {
  const publicIp = families.ipv4 ? options.publicIp : undefined;
  const publicIpv6 = families.ipv6 ? options.publicIpv6 : undefined;
  if (publicIp !== undefined)
    return { label: `--public-ip=${publicIp}`, run: () => lookupAddress(publicIp, facts) };
  if (publicIpv6 === undefined) return undefined;
  return { label: `--public-ipv6=${publicIpv6}`, run: () => lookupAddress(publicIpv6, facts) };
}

/** Fills in the addresses that the lookup left open, and checks that the interface is usable. */
async function complete(
  lookup: InterfaceMatch,
  label: string,
  request: Request,
): Promise<ChosenInterface | { problem: string }> {
  if ('problem' in lookup) return lookup;
  const { facts, options, families } = request;
  const { name, mtu } = lookup.interface;
  if (OVERLAY_DEVICE.test(name)) return { problem: `${name} is an overlay device` };
  if (mtu <= 0) return { problem: `${name} has MTU ${mtu}` };
  const ipv4 = families.ipv4
    ? (lookup.ipv4 ?? (await pickSource<Ipv4>(lookup.interface, 4, facts, options)))
    : undefined;
  const ipv6 = families.ipv6
    ? (lookup.ipv6 ?? (await pickSource<Ipv6>(lookup.interface, 6, facts, options)))
    : undefined;
  const missing = [families.ipv4 && ipv4 === undefined ? 4 : 0, families.ipv6 && ipv6 === undefined ? 6 : 0];
  const family = missing.find((version) => version !== 0);
  if (family !== undefined) return { problem: `${name} has no usable IPv${family} address` };
  const misplaced = misplacedPublicAddress(name, facts, request);
  if (misplaced !== undefined) return { problem: misplaced };
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

/** With both public addresses as the only rule, one interface must carry both. */
function misplacedPublicAddress(
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

function warningsFor(chosen: ChosenInterface, { interfaces }: InterfaceFacts): readonly string[] {
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
