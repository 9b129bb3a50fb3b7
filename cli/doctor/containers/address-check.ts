// The check of addresses of containers that another container, or this host, has as well.
import { truncate, type Check } from '../check.ts';
import { links, type LinkRow } from '../checks-host.ts';
import type { Facts } from '../facts.ts';
import { isBridge, readKeptDevices } from '../path/bridges.ts';
import { gatewayOf, overlayDevices, readOwnPaths } from '../path/own-path.ts';
import { shellWord } from '../text/shell-word.ts';
import { readContainerLinks } from './container-links.ts';

interface AddressFault {
  readonly evidence: string;
  /** A command; unset where the container itself has to change. */
  readonly fix?: string;
  readonly advice?: string;
}

export const containerAddress: Check = {
  id: 'container-address',
  about: 'whether addresses of containers belong to one container each, and not to this host',
  run: async (facts) => {
    const [all, rows = []] = await Promise.all([readContainerLinks(facts), links(facts)]);
    const owners = new Map<string, Set<string>>();
    for (const { container } of all)
      owners.set(container.address, (owners.get(container.address) ?? new Set<string>()).add(container.path));
    const isNeeded = await readNeeded(facts, rows);
    const faults = [...owners].flatMap(([address, paths]) => [
      ...rows
        .filter((row) => row.addr_info?.some(({ local }) => local === address))
        .map((row) => ofHost(address, row, isNeeded(address, row) ? [...paths] : undefined)),
      ...(paths.size > 1 ? [ofContainers(address, [...paths])] : []),
    ]);
    if (faults.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'An address of a container belongs to something else as well',
        evidence: truncate(faults.map(({ evidence }) => evidence)),
        impact: 'Packets to that address go to one of its owners alone',
        // A comment ends the line.
        fix: [...faults.map(({ fix }) => fix), ...faults.map(({ advice }) => advice)]
          .filter((each) => each !== undefined)
          .join('; '),
      },
    ];
  },
};

/** Devices of a bridge, of a container, or of a VLAN on a bridge: addresses there are gateways of containers. */
const OF_CONTAINERS: ReadonlySet<string> = new Set(['veth', 'vlan']);

/** Whether packets of containers, or of this host, need an address of a device. */
async function readNeeded(
  facts: Facts,
  rows: readonly LinkRow[],
): Promise<(address: string, row: LinkRow) => boolean> {
  const [paths, overlays] = await Promise.all([readOwnPaths(facts), overlayDevices(facts)]);
  const kept = await Promise.all(paths.map((path) => readKeptDevices(facts, path, rows)));
  const gateways = new Set(paths.map(({ subnet }) => gatewayOf(subnet).replace(/\/.*/, '')));
  return (address, row) =>
    gateways.has(address) ||
    overlays.includes(row.ifname) ||
    isBridge(row) ||
    OF_CONTAINERS.has(row.linkinfo?.info_kind ?? '') ||
    (row.ifname !== 'lo' && kept.some((isKept) => isKept(row)));
}

/** With `paths` the device keeps the address, and the containers there get another one. */
function ofHost(
  address: string,
  { ifname, addr_info = [] }: LinkRow,
  paths: readonly string[] | undefined,
): AddressFault {
  const { prefixlen = 32 } = addr_info.find(({ local }) => local === address) ?? {};
  const evidence = `ip address show ${ifname}: this host has ${address}, as a container has`;
  return paths === undefined
    ? { evidence, fix: `ip address del ${address}/${prefixlen} dev ${shellWord(ifname)}` }
    : { evidence, advice: `${show(paths)}  # and give that container another address: restart it` };
}

function ofContainers(address: string, paths: readonly string[]): AddressFault {
  return {
    evidence: `${address} is in ${paths.join(' and ')}`,
    advice: `${show(paths)}  # and give one of the containers another address: restart it`,
  };
}

const show = (paths: readonly string[]): string =>
  `nsenter --net=${shellWord(paths.at(-1) ?? '')} ip address show`;
