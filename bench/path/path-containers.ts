// Candidates between containers, as users have them: each host has weft's daemon with its firewall rules, and a bridge.
//
//   a ── br0 ┐                       ┌ br0 ── b
//            h1 ── eth0 ── sw ── eth0 ── h2          a lab of two hosts; eth0 is the underlay
import { readFile } from 'node:fs/promises';
import { Lab } from '../../lab/lab.ts';
import type { Family } from '../../lib/address.ts';
import { checkOffloads, fragmentsOf } from './path-offloads.ts';
import { anonymousBytes, cpuSeconds } from './path-process.ts';
import { Station } from './path-station.ts';
import type { Conditions, PathCandidate, Testbed } from './path-testbed.ts';
import type { TunnelEnd } from './path-tunnel.ts';

/** Backend of the network config, and further flags of the daemon. */
interface Make {
  readonly backend: object;
  readonly flags?: readonly string[];
}

const BPF_OFF = '--bpf=off';
const USERSPACE = '--userspace=true';
const VXLAN = { Type: 'vxlan' };

/** The kernel's tunnels are programmed by weft as well: forwarding, firewall and bridges are the same everywhere. */
export const BETWEEN_CONTAINERS: readonly PathCandidate[] = [
  candidate('kernel-vxlan', { backend: VXLAN, flags: ['--userspace=false'] }),
  candidate('host-gw', { backend: { Type: 'host-gw' } }),
  candidate('weft-udp', { backend: { Type: 'udp' } }),
  candidate('weft-vxlan', { backend: VXLAN, flags: [USERSPACE] }),
  candidate('weft-udp-workers', { backend: { Type: 'udp' }, flags: [BPF_OFF] }),
  candidate('weft-vxlan-workers', { backend: VXLAN, flags: [USERSPACE, BPF_OFF] }),
];

function candidate(name: string, make: Make): PathCandidate {
  return {
    name,
    needs: ['etcd', 'etcdctl', 'bridge', 'nsenter', 'setpriv'],
    peers: 'none',
    families: [4, 6],
    open: (conditions) => openLab(make, conditions),
  };
}

const NETWORKS: Readonly<Record<Family, object>> = {
  4: { Network: '10.5.0.0/16' },
  6: { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:5::/48' },
};

async function openLab({ backend, flags = [] }: Make, conditions: Conditions): Promise<Testbed> {
  const { family, underlay, mtu, tuning } = conditions;
  const lab = await Lab.create({
    name: 'path',
    hosts: 2,
    mtu,
    offloads: underlay === 'uncut',
    gro: underlay === 'wire',
    config: JSON.stringify({ ...NETWORKS[family], Backend: backend }),
    daemonFlags: [`--packet-workers=${tuning.workers}`, `--source-ports=${tuning.sourcePorts}`, ...flags],
  });
  try {
    await lab.waitUntilReady();
    for (const host of ['h1', 'h2']) await checkOffloads(stationIn(lab, host), underlay);
    return await testbedOf(lab);
  } catch (error) {
    await lab.down();
    throw error;
  }
}

function stationIn(lab: Lab, netns: string): Station {
  return new Station(['nsenter', `--net=${lab.sandbox.outside(`/run/netns/${netns}`)}`, '--']);
}

async function testbedOf(lab: Lab): Promise<Testbed> {
  const stations = { a: stationIn(lab, 'c1'), b: stationIn(lab, 'c2') };
  const h1 = stationIn(lab, 'h1');
  const mtu = Number(/^FLANNEL_MTU=(\d+)$/m.exec(await lab.readSubnetEnv('h1'))![1]);
  return {
    ...stations,
    tunnel: {
      to: await lab.containerAddress('h2'),
      mtu,
      ends: ['h1', 'h2'].map((host) => endOf(lab, host)),
    },
    fragments: () => fragmentsOf(h1),
    down: async () => {
      await Promise.all([stations.a, stations.b, h1].map((station) => station.stopAll()));
      await lab.down();
    },
  };
}

/** The daemon of a host, workers included. */
function endOf(lab: Lab, host: string): TunnelEnd {
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
