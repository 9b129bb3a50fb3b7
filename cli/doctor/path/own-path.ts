// This host's part of the path of packets between containers, one per address family: subnet,
// devices, bridges and a container. From the daemon, and without one from the registry and the
// kernel.
import {
  addressOf,
  addToAddress,
  contains,
  familyOf,
  networkOf,
  parseCidr,
  parseIp,
  type Cidr,
  type Family,
  type IpAddress,
} from '../../../lib/address.ts';
import { parseSubnetEnv } from '../../../daemon/subnet-file/subnet-env.ts';
import { links, type LinkRow } from '../checks-host.ts';
import type { Facts } from '../facts.ts';

export interface OwnPath {
  readonly family: Family;
  readonly network: Cidr;
  readonly subnet: Cidr;
  /** Where packets of other hosts' containers arrive: overlay devices, or the underlay interface. */
  readonly devices: readonly string[];
  /** No device encapsulates. */
  readonly isRouted: boolean;
  /** Name of the underlay interface, and this host's address there. */
  readonly underlay?: { readonly name: string; readonly address: IpAddress };
  /** Devices with an address of the subnet, overlay devices aside. */
  readonly bridges: readonly LinkRow[];
  /** An address of a container, whether one has it or not. */
  readonly address: IpAddress;
}

/** Prefix of the names of all overlay devices. */
const OVERLAY_NAME = /^(?:flannel|weft-)/;
/** Where the daemon writes the subnet unless `--subnet-file` names another file. */
const DEFAULT_SUBNET_FILE = 'run/flannel/subnet.env';

/** One for each family that this host has a subnet of. */
export function readOwnPaths(facts: Facts): Promise<readonly OwnPath[]> {
  return facts.once('own paths', async () => {
    const [rows, subnets] = await Promise.all([links(facts), readSubnets(facts)]);
    if (rows === undefined) return [];
    return Promise.all(subnets.map((each) => toPath(facts, rows, each)));
  });
}

interface Subnet {
  readonly network: Cidr;
  readonly subnet: Cidr;
}

async function readSubnets(facts: Facts): Promise<readonly Subnet[]> {
  const status = await facts.status;
  const networks = status?.network ?? (await facts.config);
  const own = status?.lease?.state === undefined ? await ownLease(facts) : status.lease;
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const [network, subnet] = [networks?.[family], own?.[family]];
    return network === undefined || subnet === undefined
      ? []
      : [{ network: network as Cidr, subnet: subnet as Cidr }];
  });
}

/** Without a daemon: the lease with an address of this host, or what the last daemon wrote. */
async function ownLease(
  facts: Facts,
): Promise<{ ipv4?: string | undefined; ipv6?: string | undefined } | undefined> {
  const local = localAddresses((await links(facts)) ?? []);
  const leases = await facts.leases;
  const own = leases.find(({ attributes: { publicIp, publicIpv6 } }) =>
    [publicIp, publicIpv6].some((address) => address !== undefined && local.has(address)),
  );
  if (own !== undefined) return own.subnets;
  const text = await facts.file(DEFAULT_SUBNET_FILE);
  return text === undefined ? undefined : parseSubnetEnv(text).subnets;
}

/** Addresses of all devices of this host. */
export function localAddresses(rows: readonly LinkRow[]): ReadonlySet<string> {
  return new Set(rows.flatMap(({ addr_info = [] }) => addr_info.map(({ local = '' }) => local)));
}

async function toPath(facts: Facts, rows: readonly LinkRow[], { network, subnet }: Subnet): Promise<OwnPath> {
  const family = familyOf(subnet);
  const underlay = await readUnderlay(facts, rows, family);
  const overlays = (await overlayDevices(facts)).filter((name) => isOfFamily(name, family));
  const isRouted = overlays.length === 0;
  const bridges = rows.filter((row) => !OVERLAY_NAME.test(row.ifname) && hasAddressIn(row, subnet));
  return {
    family,
    network,
    subnet,
    devices: isRouted ? (underlay === undefined ? [] : [underlay.name]) : overlays,
    isRouted,
    ...(underlay && { underlay }),
    bridges,
    address: freeAddress(subnet, localAddresses(rows)),
  };
}

/** Names of the overlay devices of this host. */
export async function overlayDevices(facts: Facts): Promise<readonly string[]> {
  const network = (await facts.status)?.network;
  if (network !== undefined) return network.devices;
  return ((await links(facts)) ?? [])
    .map(({ ifname }) => ifname)
    .filter((name) => name.startsWith('flannel'));
}

/** A device of WireGuard may carry both families. */
function isOfFamily(name: string, family: Family): boolean {
  if (/^flannel(?:-v6|6-|-wg-v6)/.test(name)) return family === 6;
  return family === 4 || name.startsWith('flannel-wg');
}

async function readUnderlay(
  facts: Facts,
  rows: readonly LinkRow[],
  family: Family,
): Promise<OwnPath['underlay']> {
  const used = (await facts.status)?.interface;
  const named = parseIp((family === 4 ? used?.address : used?.addressV6) ?? '');
  if (used !== undefined && named !== undefined) return { name: used.name, address: named };
  const published = (await facts.leases).map(({ attributes: { publicIp, publicIpv6 } }) =>
    family === 4 ? publicIp : publicIpv6,
  );
  for (const { ifname, addr_info = [] } of rows)
    for (const { local } of addr_info) {
      const address = published.find((each) => each !== undefined && each === local);
      if (address !== undefined) return { name: ifname, address };
    }
  return undefined;
}

/** Whether a device has an address of a network. */
export function hasAddressIn({ addr_info = [] }: LinkRow, network: Cidr): boolean {
  return addr_info.some(({ local = '' }) => {
    const address = parseIp(local);
    return address !== undefined && contains(network, address);
  });
}

/** The first address of a subnet behind the bridge's that no device of this host has. */
function freeAddress(subnet: Cidr, taken: ReadonlySet<string>): IpAddress {
  let address = addToAddress(addressOf(subnet), 2n);
  while (taken.has(address) && contains(subnet, address)) address = addToAddress(address, 1n);
  return address;
}

/** The address that engines give the bridge of a subnet, with the subnet's length. */
export function gatewayOf(subnet: Cidr): Cidr {
  const length = subnet.slice(subnet.indexOf('/'));
  return `${addToAddress(addressOf(subnet), 1n)}${length}` as Cidr;
}

/** The network of `address/length`; `undefined` for a text that is none. */
export function networkAround(local = '', prefixlen = 0): Cidr | undefined {
  const cidr = parseCidr(`${local}/${prefixlen}`);
  return cidr && networkOf(cidr.address, cidr.prefixLength);
}
