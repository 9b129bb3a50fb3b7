// Picks the address of an interface that peers are given. Of several it is the one that the kernel
// puts on packets to other hosts: an address that fails over between hosts, such as a VIP of
// keepalived or kube-vip, is on none. Pure but for the route lookup that the caller provides.
import { addressOf, familyOf, toBigInt, fromBigInt } from '../../lib/address.ts';
import type { Family, IpAddress } from '../../lib/address.ts';
import type { Interface, MainRoute } from '../kernel/kernel.ts';
import type { InterfaceFacts, InterfaceOptions } from './interface-facts.ts';
import { isLikelySource, usableAddresses } from './usable-address.ts';

/** Addresses of no host (RFC 5737, RFC 3849): the kernel's route to them is the default route. */
const FAR: Readonly<Record<Family, IpAddress>> = {
  4: '192.0.2.1' as IpAddress,
  6: '2001:db8::1' as IpAddress,
};

/**
 * The address of `candidate` for peers; `undefined` if none is usable. The operator's public address
 * comes first: replies then have the source address that peers send to.
 */
export async function pickSource<Address extends IpAddress>(
  candidate: Interface,
  family: Family,
  facts: InterfaceFacts,
  options: InterfaceOptions,
): Promise<Address | undefined> {
  const usable = usableAddresses(candidate, family) as readonly Address[];
  const publicAddress = family === 4 ? options.publicIp : options.publicIpv6;
  const named = usable.find((address) => address === publicAddress);
  if (named !== undefined || usable.length < 2) return named ?? usable[0];
  for (const target of targetsOf(candidate, family, facts, options)) {
    const source = await sourceTowards(target, candidate, facts);
    const found = usable.find((address) => address === source);
    if (found !== undefined && isLikelySource(candidate, found)) return found;
  }
  return usable[0];
}

/** Other hosts, the surest first: etcd, whatever is far, routers and neighbours on the link. */
function targetsOf(
  { name }: Interface,
  family: Family,
  { routes }: InterfaceFacts,
  { etcdAddresses = [] }: InterfaceOptions,
): readonly IpAddress[] {
  const own = routes.filter(({ dev, destination }) => dev === name && familyOf(destination) === family);
  return [
    ...etcdAddresses.filter((address) => familyOf(address) === family),
    FAR[family],
    ...own.flatMap(({ gateway }) => (gateway !== undefined && familyOf(gateway) === family ? [gateway] : [])),
    ...own.filter(({ gateway }) => gateway === undefined).map(firstHost),
  ];
}

function firstHost({ destination }: MainRoute): IpAddress {
  return fromBigInt(toBigInt(addressOf(destination)) | 1n, familyOf(destination));
}

async function sourceTowards(
  target: IpAddress,
  { name }: Interface,
  { lookupRoute }: InterfaceFacts,
): Promise<IpAddress | undefined> {
  const route = await lookupRoute(target);
  return route?.dev === name ? route.source : undefined;
}
