// Between containers, as users have them: each host has weft's daemon with its firewall rules, and a bridge.
//
//   a ── br0 ┐                       ┌ br0 ── b
//            h1 ── eth0 ── sw ── eth0 ── h2          a lab of two hosts; eth0 is the underlay
import { readFile } from 'node:fs/promises';
import { Lab } from '../../../lab/lab.ts';
import type { Family } from '../../../lib/address.ts';
import { checkOffloads, fragmentsOf } from './path-offloads.ts';
import { anonymousBytes, cpuSeconds } from '../path-process.ts';
import { Station } from './path-station.ts';
import type { Conditions, PathCandidate, Testbed } from './path-testbed.ts';
import type { Tunnel, TunnelEnd } from './path-tunnel.ts';
import { PathHost, type HostPair } from './path-underlay.ts';

/** Commands of a lab. */
export const LAB_NEEDS: readonly string[] = ['etcd', 'etcdctl', 'bridge', 'nsenter', 'setpriv'];

/** Backend of the network config, and further flags of the daemon. */
export interface ContainerMake {
  readonly backend: object;
  readonly flags?: readonly string[];
  /** Changes hosts and their underlay before packets cross. */
  readonly prepare?: (hosts: HostPair) => Promise<void>;
}

const BPF_OFF = '--bpf=off';
const USERSPACE = '--userspace=true';
const VXLAN = { Type: 'vxlan' };

/** The kernel's tunnels are programmed by weft as well: forwarding, firewall and bridges are the same everywhere. */
export const WEFT_BETWEEN_CONTAINERS: readonly PathCandidate[] = [
  candidate('kernel-vxlan', { backend: VXLAN, flags: ['--userspace=false'] }),
  {
    ...candidate('kernel-vxlan-late-gro', {
      backend: VXLAN,
      flags: ['--userspace=false'],
      prepare: leaveGroToTunnel,
    }),
    underlays: ['wire'],
    isOptional: true,
  },
  {
    ...candidate('kernel-wireguard', { backend: { Type: 'wireguard' }, prepare: requireKernelWireguard }),
    isOptional: true,
  },
  candidate('host-gw', { backend: { Type: 'host-gw' } }),
  candidate('weft-udp', { backend: { Type: 'udp' } }),
  candidate('weft-vxlan', { backend: VXLAN, flags: [USERSPACE] }),
  candidate('weft-udp-workers', { backend: { Type: 'udp' }, flags: [BPF_OFF] }),
  candidate('weft-vxlan-workers', { backend: VXLAN, flags: [USERSPACE, BPF_OFF] }),
];

function candidate(name: string, make: ContainerMake): PathCandidate {
  return {
    name,
    needs: LAB_NEEDS,
    peers: 'none',
    families: [4, 6],
    open: (conditions) => openBetweenContainers(make, conditions, tunnelOfDaemons),
  };
}

/**
 * Packets of the kernel's VXLAN pass its device one by one and are joined behind it: what it costs that eth0 cannot join
 * packets of a tunnel, as it cannot those of `udp`. A limit that no two packets fit leaves the queue of eth0 as it is;
 * without GRO a veth has another one (netif_rx).
 */
async function leaveGroToTunnel({ hosts }: HostPair): Promise<void> {
  for (const host of hosts) await host.ip('link set eth0 gro_max_size 1000');
}

/** weft starts a program where the kernel has none. */
async function requireKernelWireguard({ a }: HostPair): Promise<void> {
  if ((await a.ip('-o link show type wireguard')).trim() === '')
    throw new Error('this kernel has no WireGuard: modprobe wireguard, or measure wireguard-go');
}

const NETWORKS: Readonly<Record<Family, object>> = {
  4: { Network: '10.5.0.0/16' },
  6: { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:5::/48' },
};

/** `open`: makes the tunnel between the hosts of a lab whose containers are up. */
export async function openBetweenContainers(
  { backend, flags = [], prepare }: ContainerMake,
  { family, underlay, mtu, tuning }: Conditions,
  open: (lab: Lab, hosts: HostPair) => Promise<Tunnel>,
): Promise<Testbed> {
  const { workers, sourcePorts } = tuning;
  const lab = await Lab.create({
    name: 'path',
    hosts: 2,
    mtu,
    offloads: underlay === 'uncut',
    gro: underlay === 'wire',
    config: JSON.stringify({ ...NETWORKS[family], Backend: backend }),
    daemonFlags: [`--packet-workers=${workers}`, `--source-ports=${sourcePorts}`, ...flags],
  });
  const [a, b] = [new Station(enterOf(lab, 'c1')), new Station(enterOf(lab, 'c2'))];
  const hosts = hostPairOf(lab, mtu);
  const down = async () => {
    // Entered from outside, they would outlive the lab.
    await Promise.all([a, b, ...hosts.hosts].map((station) => station.stopAll()));
    await lab.down();
  };
  try {
    await lab.waitUntilReady();
    await checkOffloads(hosts.a, underlay);
    await prepare?.(hosts);
    return { a, b, tunnel: await open(lab, hosts), fragments: () => fragmentsOf(hosts.a), down };
  } catch (error) {
    await down();
    throw error;
  }
}

/** Command that runs its arguments in a namespace of the lab. It becomes them, so their process id is seen here. */
function enterOf(lab: Lab, netns: string): string[] {
  return ['nsenter', `--net=${lab.sandbox.outside(`/run/netns/${netns}`)}`, '--'];
}

function hostPairOf(lab: Lab, mtu: number): HostPair {
  const a = new PathHost('a', lab.host('h1').publicIp, enterOf(lab, 'h1'));
  const b = new PathHost('b', lab.host('h2').publicIp, enterOf(lab, 'h2'));
  return { a, b, hosts: [a, b], mtu };
}

async function tunnelOfDaemons(lab: Lab): Promise<Tunnel> {
  return {
    to: await lab.containerAddress('h2'),
    mtu: Number(/^FLANNEL_MTU=(\d+)$/m.exec(await lab.readSubnetEnv('h1'))![1]),
    ends: ['h1', 'h2'].map((host) => daemonOf(lab, host)),
    describe: async () => ({ a: await countersOf(lab, 'h1'), b: await countersOf(lab, 'h2') }),
  };
}

/** Of its packet path devices; a backend of the kernel has none. */
async function countersOf(lab: Lab, host: string): Promise<unknown> {
  const { stdout } = await lab.weft(host, ['top', '-n', '1', '--json']);
  return (JSON.parse(stdout) as { readonly paths: unknown }).paths;
}

/** The daemon of a host, workers included. */
function daemonOf(lab: Lab, host: string): TunnelEnd {
  const proc = async () => {
    const pid = (await readFile(lab.sandbox.outside(`/run/${host}.pid`), 'utf8')).trim();
    return lab.sandbox.outside(`/proc/${pid}`);
  };
  return {
    name: `daemon of ${host}`,
    output: '',
    cpuSeconds: async () => cpuSeconds(await proc()),
    anonymousBytes: async () => anonymousBytes(await proc()),
  };
}
