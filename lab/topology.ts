// The plan of a lab, as data: which namespaces, which addresses, which `ip` commands. No I/O.
//
//   c1 ── br0 ┐                        ┌ br0 ── c2        cK  "container" with an address of the host's leased subnet
//             h1 ── eth0 ── sw ── eth0 ── h2              hK  host with its own underlay address and daemon
//                           │                             sw  switch; with `routed`, two of them joined by a router
//                          etcd
export interface HostPlan {
  /** `h1`, `h2`, …; its container is `c1`, `c2`, …. */
  readonly name: string;
  readonly container: string;
  readonly publicIp: string;
  /** Bridge in the switch namespace that the host's cable ends in. */
  readonly bridge: string;
  readonly gateway: string;
  /** No daemon of ours runs here. */
  readonly isBare: boolean;
}

export interface Topology {
  readonly hosts: readonly HostPlan[];
  readonly isRouted: boolean;
  /** MTU of the underlay, in bytes. */
  readonly mtu: number;
}

export interface TopologyOptions {
  readonly hosts: number;
  readonly bare?: readonly string[];
  readonly routed?: boolean;
  readonly mtu?: number;
}

/** Most hosts of one lab; the underlay is a /16. */
export const MAX_HOSTS = 1000;
export const ETCD_ADDRESS = '198.18.0.2';
export const ETCD_URL = `http://${ETCD_ADDRESS}:2379`;

/** Underlay networks, from the range for benchmarks between hosts (RFC 2544). */
const NETWORKS = [
  { bridge: 'br-a', prefix: '198.18', gateway: '198.18.0.1' },
  { bridge: 'br-b', prefix: '198.19', gateway: '198.19.0.1' },
] as const;

/** Plans a lab. @throws RangeError for a number of hosts, MTU or bare host that cannot be. */
export function planTopology(options: TopologyOptions): Topology {
  const { hosts, bare = [], routed = false, mtu = 1500 } = options;
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > MAX_HOSTS)
    throw new RangeError(`Cannot make a lab of ${hosts} hosts: give 1..${MAX_HOSTS}`);
  if (!Number.isInteger(mtu) || mtu < 1280 || mtu > 65535)
    throw new RangeError(`Cannot give the underlay an MTU of ${mtu}: give 1280..65535`);
  const plans = Array.from({ length: hosts }, (_, index) => planHost(index + 1, routed, bare));
  for (const name of bare)
    if (!plans.some((host) => host.name === name))
      throw new RangeError(`Cannot leave host '${name}' bare: the lab has h1..h${hosts}`);
  return { hosts: plans, isRouted: routed, mtu };
}

function planHost(number: number, isRouted: boolean, bare: readonly string[]): HostPlan {
  const network = NETWORKS[isRouted && number % 2 === 0 ? 1 : 0];
  const name = `h${number}`;
  return {
    name,
    container: `c${number}`,
    publicIp: `${network.prefix}.${1 + (number >> 8)}.${number & 255}`,
    bridge: network.bridge,
    gateway: network.gateway,
    isBare: bare.includes(name),
  };
}

/** Names of all network namespaces of a lab. */
export function namespacesOf(topology: Topology): string[] {
  return ['sw', 'etcd', ...topology.hosts.flatMap((host) => [host.name, host.container])];
}

/** `ip -batch` lines for the switch namespace: bridges, router addresses, and every cable with its far end. */
export function switchCommands(topology: Topology): string[] {
  const networks = topology.isRouted ? NETWORKS : NETWORKS.slice(0, 1);
  return [
    ...networks.flatMap(({ bridge, gateway }) => [
      `link add ${bridge} mtu ${topology.mtu} type bridge`,
      `addr add ${gateway}/16 dev ${bridge}`,
      `link set ${bridge} up`,
    ]),
    ...cableCommands('etcd', 'etcd', NETWORKS[0].bridge, topology.mtu),
    ...topology.hosts.flatMap((host) => cableCommands(host.name, host.name, host.bridge, topology.mtu)),
  ];
}

function cableCommands(port: string, netns: string, bridge: string, mtu: number): string[] {
  return [
    `link add ${port} mtu ${mtu} type veth peer name eth0 netns ${netns} mtu ${mtu}`,
    `link set ${port} master ${bridge} up`,
  ];
}

/** `ip -batch` lines that give a host (or etcd) its underlay address and default route. */
export function underlayCommands(address: string, gateway: string): string[] {
  return [
    'link set lo up',
    `addr add ${address}/16 dev eth0`,
    'link set eth0 up',
    `route add default via ${gateway}`,
  ];
}

/** What a container gets: the bridge with the host's address of the subnet, and a cable into the container. */
export interface ContainerPlan {
  /** Address and length of the bridge, as FLANNEL_SUBNET has it, for example `10.5.72.1/24`. */
  readonly bridgeAddress: string;
  readonly containerAddress: string;
  readonly mtu: number;
}

/** Derives bridge and container addresses from the text of a subnet.env; `undefined` if it has no IPv4 subnet. */
export function planContainer(subnetEnv: string): ContainerPlan | undefined {
  const match = /^FLANNEL_SUBNET=(\d+\.\d+\.\d+\.)(\d+)(\/\d+)$/m.exec(subnetEnv);
  const mtu = Number(/^FLANNEL_MTU=(\d+)$/m.exec(subnetEnv)?.[1]);
  if (!match || !mtu) return undefined;
  const [, prefix, last, length] = match;
  return {
    bridgeAddress: `${prefix}${last}${length}`,
    containerAddress: `${prefix}${Number(last) + 1}${length}`,
    mtu,
  };
}

/** `ip -batch` lines for the host's side of a container. */
export function hostContainerCommands(host: HostPlan, plan: ContainerPlan): string[] {
  return [
    `link add br0 mtu ${plan.mtu} type bridge`,
    `addr add ${plan.bridgeAddress} dev br0`,
    'link set br0 up',
    `link add veth0 mtu ${plan.mtu} type veth peer name eth0 netns ${host.container} mtu ${plan.mtu}`,
    'link set veth0 master br0 up',
  ];
}

/** `ip -batch` lines inside the container. */
export function containerCommands(plan: ContainerPlan): string[] {
  return [
    'link set lo up',
    `addr add ${plan.containerAddress} dev eth0`,
    'link set eth0 up',
    `route add default via ${plan.bridgeAddress.split('/')[0]}`,
  ];
}
