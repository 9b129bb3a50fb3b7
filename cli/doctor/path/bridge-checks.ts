// Checks of the bridges of containers, which are found by the subnet and not by their names.
import { addressOf, contains, isInside, overlaps, parseIp, type Cidr } from '../../../lib/address.ts';
import { truncate, type Check, type Found } from '../check.ts';
import { links, type LinkRow } from '../checks-host.ts';
import type { Facts } from '../facts.ts';
import { readContainers } from './containers.ts';
import { gatewayOf, networkAround, readOwnPaths, type OwnPath } from './own-path.ts';

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

const IMPACT = 'Containers on that bridge reach no other host, and no other host reaches them';

const bridgeDown = ownPathCheck(
  'bridge-down',
  'whether bridges of containers are up',
  (_facts, { bridges }) =>
    Promise.resolve(
      bridges
        .filter((bridge) => isBridge(bridge) && !isUp(bridge))
        .map((bridge): Found => ({
          severity: 'error',
          title: `The bridge ${bridge.ifname} of containers is down`,
          evidence: [`ip address show ${bridge.ifname}: ${describe(bridge)}`],
          impact: IMPACT,
          fix: `ip link set ${bridge.ifname} up`,
        })),
    ),
);

export const isBridge = ({ linkinfo }: LinkRow): boolean => linkinfo?.info_kind === 'bridge';

function describe({ flags, addr_info = [] }: LinkRow): string {
  const addresses = addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  return `<${flags.join(',')}> ${addresses.join(' ') || 'without addresses'}`;
}

/** Ports of a bridge. */
export function portsOf({ ifname }: LinkRow, rows: readonly LinkRow[]): readonly LinkRow[] {
  return rows.filter(({ master }) => master === ifname);
}

const bridgeAddress = ownPathCheck(
  'bridge-address',
  'whether a bridge has the address that containers use as gateway',
  async (facts, path, rows) => {
    if (path.bridges.length > 0) return [];
    const containers = await readContainers(facts, path.subnet);
    const [container] = containers;
    if (container === undefined) return [];
    const peers = new Set(containers.flatMap((each) => each.links.map(({ link_index: index }) => index)));
    const bridge = rows.find(
      (row) => isBridge(row) && portsOf(row, rows).some(({ ifindex }) => peers.has(ifindex)),
    );
    if (bridge === undefined) return [];
    const isKept = (await readKeptDevices(facts, path, rows))(bridge);
    // An address of another subnet is a finding of its own.
    if (!isKept && misplacedAddresses(bridge, path).length > 0) return [];
    const gateway = gatewayOf(path.subnet);
    const foreign = isKept ? [] : foreignAddresses(bridge, path);
    return [
      {
        severity: 'error',
        title: `The bridge ${bridge.ifname} has no address of this host's subnet, which its containers need as gateway`,
        evidence: [
          `ip address show ${bridge.ifname}: ${describe(bridge)}`,
          `${container.path}: a container has ${container.address}`,
        ],
        impact: IMPACT,
        fix: [
          ...foreign.map((address) => `ip address del ${address} dev ${bridge.ifname}`),
          `ip address add ${gateway} dev ${bridge.ifname}`,
        ].join('; '),
      },
    ];
  },
);

/** Addresses of a bridge's that are of the path's family and outside of the subnet. */
function foreignAddresses({ addr_info = [] }: LinkRow, { subnet, family }: OwnPath): readonly string[] {
  return addr_info
    .filter(({ local = '', scope }) => {
      const address = parseIp(local);
      const isOfFamily = (local.includes(':') ? 6 : 4) === family;
      return scope !== 'link' && isOfFamily && address !== undefined && !contains(subnet, address);
    })
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

const bridgeSubnet = ownPathCheck(
  'bridge-subnet',
  'whether bridges of container engines have addresses of this host’s subnet',
  async (facts, path, rows) => {
    const isKept = await readKeptDevices(facts, path, rows);
    const found = rows
      .filter((row) => isBridge(row) && !isKept(row))
      .flatMap((row) => misplacedAddresses(row, path).map((address) => ({ row, address })));
    return Promise.all(found.map(({ row, address }) => describeMisplaced(facts, path, rows, row, address)));
  },
);

/**
 * Devices whose addresses reach this host: the underlay interface, those with an address that a lease
 * publishes, and that of the default route. Where the default route is unknown, any bridge but those
 * of container engines may be one.
 */
async function readKeptDevices(
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
const ENGINE_BRIDGES: ReadonlySet<string> = new Set(['docker0', 'cni0']);

/**
 * Addresses of docker0 and cni0 outside of the subnet, and those of any bridge whose network is part
 * of the cluster network or contains it.
 */
function misplacedAddresses(row: LinkRow, path: OwnPath): readonly string[] {
  const isOfEngine = path.family === 4 && ENGINE_BRIDGES.has(row.ifname);
  const wide = (row.addr_info ?? []).flatMap(({ local, prefixlen }) => {
    const around = networkAround(local, prefixlen);
    const isWide = around !== undefined && around !== path.subnet && isInside(path.subnet, around);
    return isWide ? [`${local}/${prefixlen}`] : [];
  });
  const outside = foreignAddresses(row, path).filter(
    (address) => isOfEngine || inNetwork(address, path.network),
  );
  return [...new Set([...outside, ...wide])];
}

function inNetwork(address: string, network: Cidr): boolean {
  const [local = '', length = ''] = address.split('/');
  const around = networkAround(local, Number(length));
  return around !== undefined && overlaps(network, around);
}

async function describeMisplaced(
  facts: Facts,
  path: OwnPath,
  rows: readonly LinkRow[],
  row: LinkRow,
  address: string,
): Promise<Found> {
  const { ifname } = row;
  const isServed = path.bridges.some((bridge) => bridge.ifname !== ifname && isUp(bridge));
  const around = networkAround(...splitAddress(address));
  const isWide = around !== undefined && isInside(path.subnet, around);
  const old =
    around === undefined
      ? []
      : (await readContainers(facts, around)).filter((one) => !contains(path.subnet, one.address));
  return {
    severity: isWide || (portsOf(row, rows).length > 0 && !isServed) ? 'error' : 'warning',
    title: isWide
      ? `The bridge ${ifname} takes addresses of other hosts' containers for local ones`
      : `The bridge ${ifname} is outside of this host’s subnet`,
    evidence: [
      `${ifname} has ${address}, the lease is ${path.subnet}`,
      ...truncate(
        old.map((one) => `${one.path}: a container has ${one.address}`),
        3,
      ),
    ],
    impact: isWide
      ? 'Packets to containers of other hosts stay on this one'
      : 'Containers on that bridge get addresses that other hosts have no route to',
    fix: bridgeFix({
      row,
      address,
      isServed,
      gateway: gatewayOf(path.subnet),
      isEmpty: portsOf(row, rows).length === 0,
    }),
  };
}

interface Misplaced {
  readonly row: LinkRow;
  readonly address: string;
  /** Whether another bridge has the subnet. */
  readonly isServed: boolean;
  readonly gateway: Cidr;
  readonly isEmpty: boolean;
}

function bridgeFix({ row, address, isServed, gateway, isEmpty }: Misplaced): string {
  const { ifname } = row;
  if (ifname === 'docker0' && !address.startsWith(addressOf(gateway)) && !isServed)
    return `ip address del ${address} dev docker0; ip address add ${gateway} dev docker0  # until weft docker-opts; systemctl restart docker (docs/how-to/connect-containers.md)`;
  if (ifname === 'docker0')
    return `ip address del ${address} dev docker0  # and give Docker another network: weft docker-opts; systemctl restart docker (docs/how-to/connect-containers.md)`;
  if (isEmpty && ENGINE_BRIDGES.has(ifname))
    return `ip link delete ${ifname}  # the CNI plugin creates it again for the next container`;
  const add = isServed ? '' : `; ip address add ${gateway} dev ${ifname}`;
  return `ip address del ${address} dev ${ifname}${add}  # then restart its containers: they have addresses of the old subnet`;
}

function splitAddress(text: string): [string, number] {
  const [local = '', length = ''] = text.split('/');
  return [local, Number(length)];
}

const bridgeTwice = ownPathCheck(
  'bridge-twice',
  'whether two bridges have one address',
  (_facts, { bridges }, rows) => {
    const byAddress = new Map<string, LinkRow[]>();
    for (const bridge of bridges)
      for (const { local = '', scope, prefixlen } of bridge.addr_info ?? [])
        if (scope !== 'link')
          byAddress.set(`${local}/${prefixlen}`, [...(byAddress.get(`${local}/${prefixlen}`) ?? []), bridge]);
    return Promise.resolve(
      [...byAddress]
        .filter(([, twins]) => twins.length > 1)
        .map(([address, twins]): Found => {
          const [first, ...others] = twins.toSorted(
            (a, b) => portsOf(b, rows).length - portsOf(a, rows).length,
          );
          return {
            severity: 'error',
            title: `${twins.length} devices have the address ${address}`,
            evidence: twins.map(
              (twin) =>
                `ip address show ${twin.ifname}: ${describe(twin)}, ${portsOf(twin, rows).length} ports`,
            ),
            impact:
              'Packets to containers of this host go to one of them alone, whichever has the containers',
            fix: `${others.map(({ ifname }) => `ip address del ${address} dev ${ifname}`).join('; ')}  # ${first!.ifname} keeps it: it has most containers`,
          };
        }),
    );
  },
);

const bridgeMtu: Check = {
  id: 'bridge-mtu',
  about: 'whether the MTU of bridges of containers fits the overlay',
  run: async (facts) => {
    const [status, rows = [], paths] = await Promise.all([facts.status, links(facts), readOwnPaths(facts)]);
    const mtu = status?.network?.mtu;
    if (mtu === undefined) return [];
    const ours = new Set(paths.flatMap(({ bridges }) => bridges.map(({ ifname }) => ifname)));
    return rows
      .filter((row) => row.mtu > mtu && isInUse(row, ours, rows))
      .map(({ ifname, mtu: bridgeMtuBytes }): Found => ({
        severity: 'warning',
        title: `The MTU of ${ifname} is too large for the overlay network`,
        evidence: [`${ifname} has MTU ${bridgeMtuBytes}, the overlay carries ${mtu}`],
        impact:
          'Packets of containers are fragmented, or lost where ICMP is filtered: connections open and then hang',
        fix: `ip link set ${ifname} mtu ${mtu}  # and restart the engine with the MTU of subnet.env (weft docker-opts, or the CNI plugin)`,
      }));
  },
};

/**
 * Whether containers send by a bridge. One without ports has the kernel's 1500 bytes, whatever its
 * next port will give it; Docker alone keeps what it set.
 */
function isInUse(row: LinkRow, ours: ReadonlySet<string>, rows: readonly LinkRow[]): boolean {
  if (row.ifname === 'docker0') return true;
  return isBridge(row) && (row.ifname === 'cni0' || ours.has(row.ifname)) && portsOf(row, rows).length > 0;
}

export const BRIDGE_CHECKS: readonly Check[] = [
  bridgeDown,
  bridgeAddress,
  bridgeSubnet,
  bridgeTwice,
  bridgeMtu,
];
