// The bridges of containers, which are found by the subnet and not by their names.
import { contains, parseIp } from '../../../lib/address.ts';
import type { Check, Found } from '../check.ts';
import { links, type LinkRow } from '../checks-host.ts';
import type { Facts } from '../facts.ts';
import { readOwnPaths, type OwnPath } from './own-path.ts';

/** A check of each family's path. */
export function ownPathCheck(
  id: string,
  about: string,
  evaluate: (facts: Facts, path: OwnPath, rows: readonly LinkRow[]) => Promise<readonly Found[]>,
): Check {
  return {
    id,
    about,
    run: async (facts) => {
      const [paths, rows] = await Promise.all([readOwnPaths(facts), links(facts)]);
      return (await Promise.all(paths.map((path) => evaluate(facts, path, rows ?? [])))).flat();
    },
  };
}

/** The bridge is up, and can carry packets. */
export const isUp = ({ flags }: LinkRow): boolean => flags.includes('UP');

export const isBridge = ({ linkinfo }: LinkRow): boolean => linkinfo?.info_kind === 'bridge';

/** Ports of a bridge. */
export function portsOf({ ifname }: LinkRow, rows: readonly LinkRow[]): readonly LinkRow[] {
  return rows.filter(({ master }) => master === ifname);
}

export function describe({ flags, addr_info = [] }: LinkRow): string {
  const addresses = addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  return `<${flags.join(',')}> ${addresses.join(' ') || 'without addresses'}`;
}

/** Addresses of a bridge's that are of the path's family and outside of the subnet. */
export function foreignAddresses(
  { addr_info = [] }: LinkRow,
  { subnet, family }: OwnPath,
): readonly string[] {
  return addr_info
    .filter(({ local = '', scope }) => {
      const address = parseIp(local);
      const isOfFamily = (local.includes(':') ? 6 : 4) === family;
      return scope !== 'link' && isOfFamily && address !== undefined && !contains(subnet, address);
    })
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/**
 * Devices whose addresses reach this host: the underlay interface, those with an address that a lease
 * publishes, and that of the default route. Where the default route is unknown, any bridge but those
 * of container engines may be one.
 */
export async function readKeptDevices(
  facts: Facts,
  { family, underlay }: OwnPath,
  rows: readonly LinkRow[],
): Promise<(row: LinkRow) => boolean> {
  const [leases, routes] = await Promise.all([
    facts.leases,
    facts.ip<DefaultRoute>(family === 4 ? '-4' : '-6', 'route', 'show', 'default'),
  ]);
  const published = new Set<string | undefined>(
    leases.flatMap(({ attributes: { publicIp, publicIpv6 } }) => [publicIp, publicIpv6]),
  );
  const devices = (routes ?? []).flatMap(({ dev, nexthops = [] }) => [
    dev,
    ...nexthops.map((hop) => hop.dev),
  ]);
  const names = new Set<string | undefined>([
    underlay?.name,
    ...devices,
    ...rows
      .filter(({ addr_info = [] }) =>
        addr_info.some(({ local }) => local !== undefined && published.has(local)),
      )
      .map(({ ifname }) => ifname),
  ]);
  return ({ ifname }) => names.has(ifname) || (routes === undefined && !ENGINE_BRIDGES.has(ifname));
}

interface DefaultRoute {
  readonly dev?: string;
  readonly nexthops?: readonly { readonly dev?: string }[];
}

/** Bridges that container engines make, and make again. */
export const ENGINE_BRIDGES: ReadonlySet<string> = new Set(['docker0', 'cni0']);
