// The check of bridges whose addresses are outside of this host's subnet, or take in others'.
import { addressOf, contains, isInside, overlaps, type Cidr } from '../../../lib/address.ts';
import { truncate, type Found } from '../check.ts';
import type { LinkRow } from '../checks-host.ts';
import type { Facts } from '../facts.ts';
import {
  ENGINE_BRIDGES,
  foreignAddresses,
  isBridge,
  isUp,
  ownPathCheck,
  portsOf,
  readKeptDevices,
} from './bridges.ts';
import { readContainers } from './containers.ts';
import { gatewayOf, networkAround, type OwnPath } from './own-path.ts';
import { shellWord } from '../text/shell-word.ts';

export const bridgeSubnet = ownPathCheck(
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
 * Addresses of docker0 and cni0 outside of the subnet, and those of any bridge whose network is part
 * of the cluster network or contains it.
 */
export function misplacedAddresses(row: LinkRow, path: OwnPath): readonly string[] {
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
  const dev = shellWord(ifname);
  const add = isServed ? '' : `; ip address add ${gateway} dev ${dev}`;
  return `ip address del ${address} dev ${dev}${add}  # then restart its containers: they have addresses of the old subnet`;
}

function splitAddress(text: string): [string, number] {
  const [local = '', length = ''] = text.split('/');
  return [local, Number(length)];
}
