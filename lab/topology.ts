// The plan of a lab, as data: which namespaces, which addresses, which `ip` commands. No I/O.
//
//   c1 ── br0 ┐                        ┌ br0 ── c2        cK  "container" with an address of the host's leased subnet
//             h1 ── eth0 ── sw ── eth0 ── h2              hK  host with its own underlay address and daemon
//                           │                             sw  switch; with `routed`, two of them joined by a router
//                       etcd, out                         out a host that knows no route to any container
export interface HostPlan {
  /** `h1`, `h2`, …; its container is `c1`, `c2`, …. */
  readonly name: string;
  readonly container: string;
  readonly publicIp: string;
  readonly publicIpv6: string;
  /** Bridge in the switch namespace that the host's cable ends in. */
  readonly bridge: string;
  readonly gateway: string;
  readonly gatewayIpv6: string;
  /** No daemon of ours runs here. */
  readonly isBare: boolean;
  /** Its daemon encapsulates in userspace. */
  readonly isInUserspace: boolean;
}

export interface Topology {
  readonly hosts: readonly HostPlan[];
  readonly isRouted: boolean;
  /** MTU of the underlay, in bytes. */
  readonly mtu: number;
  /** Whether underlay cables compute checksums and cut super-packets only when they must, as good hardware does. */
  readonly hasOffloads: boolean;
  /** Whether hosts join the packets that arrive, as drivers of network cards do. */
  readonly hasGro: boolean;
  readonly hasOutside: boolean;
}

export interface TopologyOptions {
  readonly hosts: number;
  readonly bare?: readonly string[];
  /** Hosts that encapsulate in userspace, or `all`. */
  readonly userspace?: readonly string[];
  readonly routed?: boolean;
  readonly mtu?: number;
  /** Default true. */
  readonly offloads?: boolean;
  /** Default false, a veth's own default. */
  readonly gro?: boolean;
  /** Whether there is a host outside of the cluster. */
  readonly outside?: boolean;
}

/** Most hosts of one lab; the underlay is a /16. */
export const MAX_HOSTS = 1000;
export const ETCD_ADDRESS = '198.18.0.2';
/** Addresses of the host outside. */
export const OUTSIDE = { ipv4: '198.18.0.3', ipv6: 'fd00:198:18::fffe' } as const;
export const ETCD_URL = `http://${ETCD_ADDRESS}:2379`;
const ETCD_ADDRESS_IPV6 = 'fd00:198:18::e';
/** The same etcd, for hosts without IPv4. */
export const ETCD_URL_IPV6 = `http://[${ETCD_ADDRESS_IPV6}]:2379`;

/** Underlay networks, from the range for benchmarks between hosts (RFC 2544). */
const NETWORKS = [
  { bridge: 'br-a', prefix: '198.18', gateway: '198.18.0.1', prefixIpv6: 'fd00:198:18::' },
  { bridge: 'br-b', prefix: '198.19', gateway: '198.19.0.1', prefixIpv6: 'fd00:198:19::' },
] as const;

/** The router's last 16 bits; hosts have their numbers, as they are written. */
const GATEWAY_IPV6 = 'ffff';

/** Plans a lab. @throws RangeError for a number of hosts, MTU or host name that cannot be. */
export function planTopology(options: TopologyOptions): Topology {
  const {
    hosts,
    bare = [],
    userspace = [],
    routed = false,
    mtu = 1500,
    offloads = true,
    gro = false,
    outside = false,
  } = options;
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > MAX_HOSTS)
    throw new RangeError(`Cannot make a lab of ${hosts} hosts: give 1..${MAX_HOSTS}`);
  if (!Number.isInteger(mtu) || mtu < 1280 || mtu > 65535)
    throw new RangeError(`Cannot give the underlay an MTU of ${mtu}: give 1280..65535`);
  const plans = Array.from({ length: hosts }, (_, index) => planHost(index + 1, { routed, bare, userspace }));
  checkNames(plans, bare, (name) => `Cannot leave host '${name}' bare`);
  checkNames(
    plans,
    userspace.filter((name) => name !== 'all'),
    (name) => `Cannot run host '${name}' in userspace`,
  );
  return {
    hosts: plans,
    isRouted: routed,
    mtu,
    hasOffloads: offloads,
    hasGro: gro,
    hasOutside: outside,
  };
}

function checkNames(
  hosts: readonly HostPlan[],
  names: readonly string[],
  describe: (name: string) => string,
): void {
  for (const name of names)
    if (!hosts.some((host) => host.name === name))
      throw new RangeError(`${describe(name)}: the lab has h1..h${hosts.length}`);
}

type HostOptions = Required<Pick<TopologyOptions, 'routed' | 'bare' | 'userspace'>>;

function planHost(number: number, { routed, bare, userspace }: HostOptions): HostPlan {
  const network = NETWORKS[routed && number % 2 === 0 ? 1 : 0];
  const name = `h${number}`;
  return {
    name,
    container: `c${number}`,
    publicIp: `${network.prefix}.${1 + (number >> 8)}.${number & 255}`,
    publicIpv6: `${network.prefixIpv6}${number}`,
    bridge: network.bridge,
    gateway: network.gateway,
    gatewayIpv6: network.prefixIpv6 + GATEWAY_IPV6,
    isBare: bare.includes(name),
    isInUserspace: userspace.includes(name) || userspace.includes('all'),
  };
}

/** Names of all network namespaces of a lab. */
export function namespacesOf(topology: Topology): string[] {
  return [
    'sw',
    'etcd',
    ...(topology.hasOutside ? ['out'] : []),
    ...topology.hosts.flatMap((host) => [host.name, host.container]),
  ];
}

/** `ip -batch` lines for the switch namespace: bridges, router addresses, and every cable with its far end. */
export function switchCommands(topology: Topology): string[] {
  const networks = topology.isRouted ? NETWORKS : NETWORKS.slice(0, 1);
  return [
    ...networks.flatMap(({ bridge, gateway, prefixIpv6 }) => [
      `link add ${bridge} mtu ${topology.mtu} type bridge`,
      `addr add ${gateway}/16 dev ${bridge}`,
      `addr add ${prefixIpv6}${GATEWAY_IPV6}/64 dev ${bridge} nodad`,
      `link set ${bridge} up`,
    ]),
    ...cableCommands('etcd', 'etcd', NETWORKS[0].bridge, topology.mtu),
    ...(topology.hasOutside ? cableCommands('out', 'out', NETWORKS[0].bridge, topology.mtu) : []),
    ...topology.hosts.flatMap((host) => cableCommands(host.name, host.name, host.bridge, topology.mtu)),
  ];
}

function cableCommands(port: string, netns: string, bridge: string, mtu: number): string[] {
  return [
    `link add ${port} mtu ${mtu} type veth peer name eth0 netns ${netns} mtu ${mtu}`,
    `link set ${port} master ${bridge} up`,
  ];
}

/** `ip -batch` lines that give a host its underlay addresses and default routes. */
export function underlayCommands(host: HostPlan): string[] {
  return [
    `addr add ${host.publicIpv6}/64 dev eth0 nodad`,
    ...underlayIpv4Commands(host.publicIp, host.gateway),
    `route add default via ${host.gatewayIpv6}`,
  ];
}

/** The same for etcd. */
export function etcdCommands(): string[] {
  return [
    `addr add ${ETCD_ADDRESS_IPV6}/64 dev eth0 nodad`,
    ...underlayIpv4Commands(ETCD_ADDRESS, NETWORKS[0].gateway),
    `route add default via ${NETWORKS[0].prefixIpv6}${GATEWAY_IPV6}`,
  ];
}

/** The same for the host outside. */
export function outsideCommands(): string[] {
  return [
    `addr add ${OUTSIDE.ipv6}/64 dev eth0 nodad`,
    ...underlayIpv4Commands(OUTSIDE.ipv4, NETWORKS[0].gateway),
    `route add default via ${NETWORKS[0].prefixIpv6}${GATEWAY_IPV6}`,
  ];
}

function underlayIpv4Commands(address: string, gateway: string): string[] {
  return [
    'link set lo up',
    `addr add ${address}/16 dev eth0`,
    'link set eth0 up',
    `route add default via ${gateway}`,
  ];
}

/** Arguments of `ethtool -K DEVICE` at both ends of a cable: only packets within the MTU and with a checksum pass. */
export const OFFLOADS_OFF = (
  'tx off rx off tso off gso off gro off tx-udp-segmentation off ' +
  'tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off'
).split(' ');

/** Address and length of both ends of one family, for example `10.5.72.1/24` and `10.5.72.2/24`. */
export interface ContainerAddresses {
  /** Of the bridge, as subnet.env has it. */
  readonly bridge: string;
  readonly container: string;
}

/** What a container gets: the bridge with the host's addresses of the subnets, and a cable into the container. */
export interface ContainerPlan {
  /** IPv4 first; never empty. */
  readonly addresses: readonly ContainerAddresses[];
  readonly mtu: number;
}

/** Derives bridge and container addresses from the text of a subnet.env; `undefined` if it has no subnet. */
export function planContainer(subnetEnv: string): ContainerPlan | undefined {
  const ipv4 = /^FLANNEL_SUBNET=(\d+\.\d+\.\d+\.)(\d+)(\/\d+)$/m.exec(subnetEnv);
  const ipv6 = /^FLANNEL_IPV6_SUBNET=([0-9a-f:]+:)([0-9a-f]+)(\/\d+)$/m.exec(subnetEnv);
  const mtu = Number(/^FLANNEL_MTU=(\d+)$/m.exec(subnetEnv)?.[1]);
  const addresses = [nextAddress(ipv4, 10), nextAddress(ipv6, 16)].filter((pair) => pair !== undefined);
  return addresses.length === 0 || !mtu ? undefined : { addresses, mtu };
}

/** The bridge's address and the one after it, from prefix, last number in base `radix`, and length. */
function nextAddress(match: RegExpExecArray | null, radix: number): ContainerAddresses | undefined {
  if (match === null) return undefined;
  const [, prefix, last, length] = match;
  const next = (Number.parseInt(last!, radix) + 1).toString(radix);
  return { bridge: `${prefix}${last}${length}`, container: `${prefix}${next}${length}` };
}

/** `ip -batch` lines for the host's side of a container. */
export function hostContainerCommands(host: HostPlan, { addresses, mtu }: ContainerPlan): string[] {
  return [
    `link add br0 mtu ${mtu} type bridge`,
    ...addresses.map(({ bridge }) => addressCommand(bridge, 'br0')),
    'link set br0 up',
    `link add veth0 mtu ${mtu} type veth peer name eth0 netns ${host.container} mtu ${mtu}`,
    'link set veth0 master br0 up',
  ];
}

/** `ip -batch` lines inside the container. */
export function containerCommands({ addresses }: ContainerPlan): string[] {
  return [
    'link set lo up',
    ...addresses.map(({ container }) => addressCommand(container, 'eth0')),
    'link set eth0 up',
    ...addresses.map(({ bridge }) => `route add default via ${bridge.split('/')[0]}`),
  ];
}

function addressCommand(address: string, dev: string): string {
  // The address is unique by plan, and duplicate address detection takes a second.
  return `addr add ${address} dev ${dev}${address.includes(':') ? ' nodad' : ''}`;
}
