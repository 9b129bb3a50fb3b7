// Addresses of the underlay that this host needs for the overlay itself: its own, its gateways', and
// etcd's. A lease whose subnet holds one of them would route it into the overlay and cut this host
// off, from the deletion of that lease, too.
import { contains, familyOf } from '../lib/address.ts';
import type { Cidr, IpAddress } from '../lib/address.ts';
import type { NetworkConfig } from '../allocator/config/config.ts';
import type { HostFacts } from './backend.ts';
import { gatewaysOf } from './underlay.ts';

export interface UnderlayAddress {
  readonly address: IpAddress;
  /** For messages, for example `an address of etcd`. */
  readonly role: string;
}

type Facts = Pick<HostFacts, 'interface' | 'publicIp' | 'publicIpv6' | 'underlayRoutes' | 'etcdAddresses'>;

/** Thousands of peers are derived from the same facts. */
const known = new WeakMap<Facts, readonly UnderlayAddress[]>();

/** Each address once, with its first role. */
export function underlayAddresses(host: Facts): readonly UnderlayAddress[] {
  const addresses = known.get(host) ?? listAddresses(host);
  known.set(host, addresses);
  return addresses;
}

function listAddresses(host: Facts): readonly UnderlayAddress[] {
  const { name, ipv4, ipv6 } = host.interface;
  const found = new Map<IpAddress, string>();
  const add = (address: IpAddress | undefined, role: string): void => {
    if (address !== undefined && !found.has(address)) found.set(address, role);
  };
  for (const address of [ipv4, ipv6]) add(address, `this host's address on ${name}`);
  for (const address of [host.publicIp, host.publicIpv6]) add(address, "this host's public address");
  for (const address of host.etcdAddresses ?? []) add(address, 'an address of etcd');
  for (const address of gatewaysOf(host.underlayRoutes, name)) add(address, `a gateway of ${name}`);
  return Array.from(found, ([address, role]) => ({ address, role }));
}

/** The first of `addresses` in `subnet`. */
export function addressIn(subnet: Cidr, addresses: readonly UnderlayAddress[]): UnderlayAddress | undefined {
  const family = familyOf(subnet);
  return addresses.find(({ address }) => familyOf(address) === family && contains(subnet, address));
}

const MAX_NAMED = 4;

/** A warning about a network that lies around addresses of the underlay; `undefined` if it does not. */
export function overlapWarning(
  { ipv4, ipv6 }: Pick<NetworkConfig, 'ipv4' | 'ipv6'>,
  addresses: readonly UnderlayAddress[],
): string | undefined {
  const networks = [ipv4, ipv6].flatMap((range) => range?.network ?? []);
  const inside = addresses.filter(({ address }) =>
    networks.some((network) => familyOf(network) === familyOf(address) && contains(network, address)),
  );
  if (inside.length === 0) return undefined;
  const named = inside.slice(0, MAX_NAMED).map(({ address, role }) => `${address} (${role})`);
  const rest = inside.length > MAX_NAMED ? ` and ${inside.length - MAX_NAMED} more` : '';
  return (
    `the network ${networks.join(' and ')} contains addresses of the underlay: ${named.join(', ')}${rest}; ` +
    `no host leases a subnet with such an address, and peers refuse it: choose a network apart from the hosts' own`
  );
}
