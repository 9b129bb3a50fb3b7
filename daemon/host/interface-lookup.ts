// Lookups of an interface, one for each flag: by name, by address, by pattern, by route. Pure but
// for the route lookup that the caller provides.
import { familyOf, parseIp, type IpAddress, type Ipv4, type Ipv6 } from '../../lib/address.ts';
import type { Interface } from '../kernel/kernel.ts';
import type { Families, InterfaceFacts, InterfaceMatch } from './interface-facts.ts';
import { usableAddresses } from './usable-address.ts';

/** Devices that weft or flannel make: `flannel.1`, `flannel-v6.1`, `flannel-wg`, `flannel0`. */
export const OVERLAY_DEVICE = /^flannel(?:[.-]|\d+$)/;

/** By `--iface`: a name or an address. */
export function lookupText(text: string, facts: InterfaceFacts): InterfaceMatch {
  const address = parseIp(text);
  return address === undefined ? lookupName(text, facts) : lookupAddress(address, facts);
}

function lookupName(name: string, { interfaces }: InterfaceFacts): InterfaceMatch {
  const found = interfaces.find((candidate) => candidate.name === name);
  if (found !== undefined) return { interface: found, isBoundToAddress: false };
  return { problem: `no interface has this name (there are ${namesOf(interfaces)})` };
}

/** By an address that the interface carries. */
export function lookupAddress(address: IpAddress, { interfaces }: InterfaceFacts): InterfaceMatch {
  const found = interfaces.find((candidate) =>
    candidate.addresses.some((entry) => entry.address === address),
  );
  if (found === undefined) return { problem: 'no interface has this address' };
  return { interface: found, ...asFamily(address), isBoundToAddress: true };
}

/**
 * By `--iface-regex`. Pass 1 matches addresses of every enabled family on one interface, pass 2
 * names.
 */
export function lookupPattern(
  pattern: RegExp,
  { interfaces }: InterfaceFacts,
  families: Families,
): readonly InterfaceMatch[] {
  const candidates = interfaces.filter((candidate) => !OVERLAY_DEVICE.test(candidate.name));
  const byAddress = candidates.flatMap((candidate): InterfaceMatch[] => {
    const ipv4 = usableAddresses(candidate, 4).find((address) => pattern.test(address));
    const ipv6 = usableAddresses(candidate, 6).find((address) => pattern.test(address));
    if ((families.ipv4 && ipv4 === undefined) || (families.ipv6 && ipv6 === undefined)) return [];
    return [{ interface: candidate, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }), isBoundToAddress: true }];
  });
  const byName = candidates
    .filter((candidate) => pattern.test(candidate.name))
    .map((candidate): InterfaceMatch => ({ interface: candidate, isBoundToAddress: false }));
  const found = [...byAddress, ...byName];
  return found.length > 0 ? found : [{ problem: 'matches neither an address nor the name of an interface' }];
}

/** By `--iface-can-reach`. */
export async function lookupRouteTo(address: IpAddress, facts: InterfaceFacts): Promise<InterfaceMatch> {
  const route = await facts.lookupRoute(address);
  if (route === undefined) return { problem: 'the kernel has no route there' };
  const found = facts.interfaces.find((candidate) => candidate.name === route.dev);
  if (found === undefined) return { problem: `the route goes through ${route.dev}, which no longer exists` };
  const source = route.source === undefined ? {} : asFamily(route.source);
  return { interface: found, ...source, isBoundToAddress: false };
}

function asFamily(address: IpAddress): { ipv4: Ipv4 } | { ipv6: Ipv6 } {
  return familyOf(address) === 4 ? { ipv4: address as Ipv4 } : { ipv6: address as Ipv6 };
}

function namesOf(interfaces: readonly Interface[]): string {
  const names = interfaces.filter(({ name }) => !OVERLAY_DEVICE.test(name)).map(({ name }) => name);
  return names.length > 10 ? `${names.slice(0, 10).join(', ')}, …` : names.join(', ');
}
