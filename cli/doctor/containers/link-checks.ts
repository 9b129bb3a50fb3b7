// Checks of the link between each container of this host and its bridge: ports, VLANs, MTU, and static
// neighbour entries at both ends.
import { truncate, type Check, type Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { links, type LinkRow } from '../checks-host.ts';
import { lookupPath } from '../path/path-lookup.ts';
import { inNamespace } from '../path/containers.ts';
import { isUp } from '../path/bridges.ts';
import { readContainerLinks, type ContainerLink } from './container-links.ts';

const IMPACT = 'These containers reach nothing, and nothing reaches them';

/** A fault of one container, with the command that fixes it. */
interface LinkFault {
  readonly evidence: string;
  readonly fix: string;
}

function linkCheck(
  id: string,
  about: string,
  title: string,
  evaluate: (facts: Facts, link: ContainerLink) => Promise<LinkFault | undefined>,
  { severity, impact }: Pick<Found, 'severity' | 'impact'> = { severity: 'error', impact: IMPACT },
): Check {
  return {
    id,
    about,
    run: async (facts) => {
      const all = await readContainerLinks(facts);
      const found = await Promise.all(all.map((link) => evaluate(facts, link)));
      const faults = found.filter((fault) => fault !== undefined);
      if (faults.length === 0) return [];
      return [
        {
          severity,
          title,
          evidence: truncate([...new Set(faults.map(({ evidence }) => evidence))]),
          impact,
          fix: [...new Set(faults.map(({ fix }) => fix))].slice(0, 5).join('; '),
        },
      ];
    },
  };
}

const containerPort = linkCheck(
  'container-port',
  'whether the devices of containers are up, and ports of their bridge that forward',
  'Devices of containers are not connected to their bridge',
  async (facts, link) => {
    const { outside, container } = link;
    if (outside === undefined) return undefined;
    const { ifname } = outside;
    const of = `${ifname}, of container ${container.address}`;
    if (!isUp(outside))
      return {
        evidence: `ip link show ${of}: <${outside.flags.join(',')}>`,
        fix: `ip link set ${ifname} up`,
      };
    return (await unboundPort(facts, link, of)) ?? silentPort(link, of);
  },
);

/** A device whose container has a route of its own needs no bridge. */
async function unboundPort(
  facts: Facts,
  { path, outside, bridge, container }: ContainerLink,
  of: string,
): Promise<LinkFault | undefined> {
  const [own] = path.bridges.filter(isBridgeRow);
  if (outside === undefined || bridge !== undefined || own === undefined) return undefined;
  if (outside.master !== undefined) return undefined;
  const { dev } = await lookupPath(facts, { from: path.address, to: container.address, iif: 'lo' });
  if (dev !== own.ifname) return undefined;
  return {
    evidence: `ip link show ${of}: port of no bridge, though ip route get ${container.address} leads to ${own.ifname}`,
    fix: `ip link set ${outside.ifname} master ${own.ifname}`,
  };
}

const isBridgeRow = ({ linkinfo }: LinkRow): boolean => linkinfo?.info_kind === 'bridge';

/** The kernel forwards nothing by a port that spanning tree, or a program, keeps in another state. */
function silentPort({ outside, bridge }: ContainerLink, of: string): LinkFault | undefined {
  const state = outside?.linkinfo?.info_slave_data?.state;
  if (bridge === undefined || outside === undefined || !isUp(bridge)) return undefined;
  if (state === undefined || state === 'forwarding' || outside.flags.includes('NO-CARRIER')) return undefined;
  const hasStp = (bridge.linkinfo?.info_data?.stp_state ?? 0) !== 0;
  return {
    evidence: `ip -d link show ${of}: state ${state} on ${bridge.ifname}${hasStp ? ', which runs spanning tree' : ''}`,
    fix: hasStp
      ? `ip link set ${bridge.ifname} type bridge stp_state 0`
      : `bridge link set dev ${outside.ifname} state 3`,
  };
}

interface VlanRow {
  readonly ifname: string;
  readonly vlans?: readonly { readonly vlan: number; readonly flags?: readonly string[] }[];
}

const containerVlan = linkCheck(
  'container-vlan',
  'where a bridge filters VLANs: whether it is in the VLAN of its containers',
  'A bridge filters VLANs, and containers are in another one than its own address',
  async (facts, { outside, bridge }) => {
    if (outside === undefined || (bridge?.linkinfo?.info_data?.vlan_filtering ?? 0) === 0) return undefined;
    const text = await facts.program('bridge', '-j', 'vlan', 'show');
    const rows = text === undefined ? [] : (JSON.parse(text) as readonly VlanRow[]);
    const [port, own] = [pvidOf(rows, outside.ifname), pvidOf(rows, bridge!.ifname)];
    if (own === undefined || port === own) return undefined;
    return {
      evidence: `bridge vlan show: ${outside.ifname} has PVID ${port ?? 'none'}, ${bridge!.ifname} has PVID ${own}`,
      fix: [
        ...(port === undefined ? [] : [`bridge vlan del dev ${outside.ifname} vid ${port}`]),
        `bridge vlan add dev ${outside.ifname} vid ${own} pvid untagged`,
      ].join('; '),
    };
  },
);

function pvidOf(rows: readonly VlanRow[], name: string): number | undefined {
  const vlans = rows.filter(({ ifname }) => ifname === name).flatMap(({ vlans: all = [] }) => all);
  return vlans.find(({ flags = [] }) => flags.includes('PVID'))?.vlan;
}

/** A veth drops what is longer than its other end takes, silently (is_skb_forwardable). */
const containerMtu = linkCheck(
  'container-mtu',
  'whether both ends of the links of containers have one MTU',
  'A container sends larger packets than its link takes',
  async (facts, { inside, outside, container }) => {
    if (outside === undefined || outside.mtu >= inside.mtu) return undefined;
    const mtu = Math.min(inside.mtu, (await facts.status)?.network?.mtu ?? outside.mtu);
    const fixes = [
      ...(outside.mtu < mtu ? [`ip link set ${outside.ifname} mtu ${mtu}`] : []),
      ...(inside.mtu > mtu
        ? [`nsenter --net=${container.path} ip link set ${inside.ifname} mtu ${mtu}`]
        : []),
    ];
    return {
      evidence: `container ${container.address}: ${inside.ifname} has MTU ${inside.mtu}, the other end ${outside.ifname} has ${outside.mtu}`,
      fix: fixes.join('; '),
    };
  },
  {
    severity: 'error',
    impact: 'Small packets pass and large packets are lost: connections open and then hang',
  },
);

interface NeighbourRow {
  readonly dst: string;
  readonly lladdr?: string;
}

const containerNeighbour = linkCheck(
  'container-neighbour',
  'whether static neighbour and FDB entries between containers and their bridge are right',
  'A static entry between a container and its bridge is wrong',
  async (facts, { container, inside, outside, bridge }) => {
    if (bridge === undefined) return undefined;
    const here = await readStatic(facts, bridge.ifname);
    const own = here.find(({ dst }) => dst === container.address);
    if (own?.lladdr !== undefined && own.lladdr !== inside.address)
      return {
        evidence: `ip neigh: ${own.dst} dev ${bridge.ifname} lladdr ${own.lladdr} PERMANENT; the container has ${inside.address}`,
        fix: `ip neigh del ${own.dst} dev ${bridge.ifname}`,
      };
    const wrong = outside && (await findPort(facts, bridge.ifname, inside, outside));
    if (wrong !== undefined) return wrong;
    const there = await readStatic(facts, inside.ifname, container.path);
    const addresses = new Set((bridge.addr_info ?? []).map(({ local }) => local));
    const gateway = there.find(({ dst, lladdr }) => addresses.has(dst) && lladdr !== bridge.address);
    if (gateway === undefined) return undefined;
    const enter = `nsenter --net=${container.path}`;
    return {
      evidence: `${enter} ip neigh: ${gateway.dst} dev ${inside.ifname} lladdr ${gateway.lladdr} PERMANENT; ${bridge.ifname} has ${bridge.address}`,
      fix: `${enter} ip neigh del ${gateway.dst} dev ${inside.ifname}`,
    };
  },
);

interface FdbRow {
  readonly mac: string;
  readonly ifname: string;
  /** Of an entry of the bridge itself, which a port may have as well. */
  readonly master?: string;
}

/** An FDB entry that leads the container's MAC address elsewhere than to its port. */
async function findPort(
  facts: Facts,
  bridge: string,
  inside: LinkRow,
  outside: LinkRow,
): Promise<LinkFault | undefined> {
  const text = await facts.program('bridge', '-j', 'fdb', 'show', 'br', bridge);
  const rows = text === undefined || text.trim() === '' ? [] : (JSON.parse(text) as readonly FdbRow[]);
  const row = rows.find(({ mac, ifname }) => mac === inside.address && ifname !== outside.ifname);
  if (row === undefined) return undefined;
  return {
    evidence: `bridge fdb show br ${bridge}: ${row.mac} dev ${row.ifname}; the container is behind ${outside.ifname}`,
    fix: `bridge fdb del ${row.mac} dev ${row.ifname} ${row.master === undefined ? 'self' : 'master'}`,
  };
}

async function readStatic(facts: Facts, dev: string, path?: string): Promise<readonly NeighbourRow[]> {
  const argv = ['ip', '-j', 'neigh', 'show', 'dev', dev, 'nud', 'permanent'];
  const { code, stdout } =
    path === undefined ? await facts.run(...argv) : await inNamespace(facts, path, ...argv);
  return code === 0 && stdout.trim() !== '' ? (JSON.parse(stdout) as NeighbourRow[]) : [];
}

/** Addresses of containers that something else has as well. */
const containerAddress: Check = {
  id: 'container-address',
  about: 'whether addresses of containers belong to one container each, and not to this host',
  run: async (facts) => {
    const [all, rows = []] = await Promise.all([readContainerLinks(facts), links(facts)]);
    const owners = new Map<string, Set<string>>();
    for (const { container } of all)
      owners.set(container.address, (owners.get(container.address) ?? new Set<string>()).add(container.path));
    const faults = [...owners].flatMap(([address, paths]) => [
      ...rows
        .filter((row) => row.addr_info?.some(({ local }) => local === address))
        .map((row) => ofHost(address, row)),
      ...(paths.size > 1 ? [ofContainers(address, [...paths])] : []),
    ]);
    if (faults.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'An address of a container belongs to something else as well',
        evidence: truncate(faults.map(({ evidence }) => evidence)),
        impact: 'Packets to that address go to one of its owners alone',
        fix: faults.map(({ fix }) => fix).join('; '),
      },
    ];
  },
};

function ofHost(address: string, { ifname, addr_info = [] }: LinkRow): LinkFault {
  const { prefixlen = 32 } = addr_info.find(({ local }) => local === address) ?? {};
  return {
    evidence: `ip address show ${ifname}: this host has ${address}, as a container has`,
    fix: `ip address del ${address}/${prefixlen} dev ${ifname}`,
  };
}

function ofContainers(address: string, paths: readonly string[]): LinkFault {
  return {
    evidence: `${address} is in ${paths.join(' and ')}`,
    fix: `nsenter --net=${paths.at(-1)} ip address show  # and give one of the containers another address: restart it`,
  };
}

export const LINK_CHECKS: readonly Check[] = [
  containerPort,
  containerVlan,
  containerMtu,
  containerNeighbour,
  containerAddress,
];
