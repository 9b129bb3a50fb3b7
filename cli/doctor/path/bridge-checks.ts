// Checks of the bridges of containers.
import type { Check, Found } from '../check.ts';
import { links, type LinkRow } from '../checks-host.ts';
import { bridgeSubnet, misplacedAddresses } from './bridge-subnet-check.ts';
import {
  describe,
  foreignAddresses,
  isBridge,
  isUp,
  ownPathCheck,
  portsOf,
  readKeptDevices,
} from './bridges.ts';
import { readContainers } from './containers.ts';
import { gatewayOf, readOwnPaths } from './own-path.ts';
import { shellWord } from '../text/shell-word.ts';

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
          fix: `ip link set ${shellWord(bridge.ifname)} up`,
        })),
    ),
);

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
          ...foreign.map((address) => `ip address del ${address} dev ${shellWord(bridge.ifname)}`),
          `ip address add ${gateway} dev ${shellWord(bridge.ifname)}`,
        ].join('; '),
      },
    ];
  },
);

const bridgeTwice = ownPathCheck(
  'bridge-twice',
  'whether two bridges have one address',
  async (facts, path, rows) => {
    const isKept = await readKeptDevices(facts, path, rows);
    const weight = (row: LinkRow): number => (isKept(row) ? Infinity : portsOf(row, rows).length);
    return [...byAddress(path.bridges)]
      .filter(([, twins]) => twins.length > 1)
      .map(([address, twins]): Found => {
        const [first, ...others] = twins.toSorted((a, b) => weight(b) - weight(a) || 0);
        const reason = isKept(first!) ? 'it reaches other hosts' : 'it has most containers';
        const removed = others.filter((row) => !isKept(row));
        return {
          severity: 'error',
          title: `${twins.length} devices have the address ${address}`,
          evidence: twins.map(
            (twin) =>
              `ip address show ${twin.ifname}: ${describe(twin)}, ${portsOf(twin, rows).length} ports`,
          ),
          impact: 'Packets to containers of this host go to one of them alone, whichever has the containers',
          fix:
            removed.length === 0
              ? `Give ${address} to one device alone: ${twins.map(({ ifname }) => ifname).join(' and ')} both reach other hosts`
              : `${removed.map(({ ifname }) => `ip address del ${address} dev ${shellWord(ifname)}`).join('; ')}  # ${first!.ifname} keeps it: ${reason}`,
        };
      });
  },
);

/** Devices by each of their addresses, those of links aside. */
function byAddress(devices: readonly LinkRow[]): ReadonlyMap<string, readonly LinkRow[]> {
  const found = new Map<string, LinkRow[]>();
  for (const device of devices)
    for (const { local = '', scope, prefixlen } of device.addr_info ?? [])
      if (scope !== 'link')
        found.set(`${local}/${prefixlen}`, [...(found.get(`${local}/${prefixlen}`) ?? []), device]);
  return found;
}

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
        fix: `ip link set ${shellWord(ifname)} mtu ${mtu}  # and restart the engine with the MTU of subnet.env (weft docker-opts, or the CNI plugin)`,
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
