// Checks of the input of container engines: subnet.env, and the bridges made from it.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { contains, parseIp, type Cidr } from '../../lib/address.ts';
import { parseSubnetEnv } from '../../daemon/subnet-file/subnet-env.ts';
import type { Check, Found } from './check.ts';
import { links } from './checks-host.ts';
import type { Facts } from './facts.ts';

const bridges: Check = {
  id: 'bridge-subnet',
  about: 'whether bridges of container engines have addresses of this host’s subnet',
  run: async (facts) => {
    const [status, rows] = await Promise.all([facts.status, links(facts)]);
    const subnet = status?.lease?.ipv4;
    if (subnet === undefined) return [];
    return (rows ?? [])
      .filter(({ ifname }) => ifname === 'docker0' || ifname === 'cni0')
      .flatMap(({ ifname, addr_info = [] }) => {
        const outside = addr_info.filter(({ local }) => isOutside(local, subnet as Cidr));
        return outside.map(({ local, prefixlen }): Found => ({
          severity: 'warning',
          title: `The bridge ${ifname} is outside of this host’s subnet`,
          evidence: [`${ifname} has ${local}/${prefixlen}, the lease is ${subnet}`],
          impact: 'Containers on that bridge get addresses that other hosts have no route to',
          fix:
            ifname === 'docker0'
              ? 'weft docker-opts; systemctl restart docker (docs/how-to/connect-containers.md)'
              : `ip link delete ${ifname}: the CNI plugin creates it again for the next container`,
        }));
      });
  },
};

function isOutside(text: string | undefined, subnet: Cidr): boolean {
  const address = text === undefined || text.includes(':') ? undefined : parseIp(text);
  return address !== undefined && !contains(subnet, address);
}

const bridgeMtu: Check = {
  id: 'bridge-mtu',
  about: 'whether the MTU of bridges of container engines fits the overlay',
  run: async (facts) => {
    const [status, rows] = await Promise.all([facts.status, links(facts)]);
    const mtu = status?.network?.mtu;
    if (mtu === undefined) return [];
    return (rows ?? [])
      .filter(
        ({ ifname, mtu: bridgeMtuBytes }) =>
          (ifname === 'docker0' || ifname === 'cni0') && bridgeMtuBytes > mtu,
      )
      .map(({ ifname, mtu: bridgeMtuBytes }) => ({
        severity: 'warning',
        title: `The MTU of ${ifname} is too large for the overlay network`,
        evidence: [`${ifname} has MTU ${bridgeMtuBytes}, the overlay carries ${mtu}`],
        impact:
          'Packets of containers are fragmented, or lost where ICMP is filtered: connections open and then hang',
        fix: `restart the engine with the MTU of subnet.env (weft docker-opts, or the CNI plugin); for now: ip link set ${ifname} mtu ${mtu}`,
      }));
  },
};

const subnetFile: Check = {
  id: 'subnet-file',
  about: 'whether subnet.env matches the lease, and its file system has space',
  run: async (facts) => {
    const status = await facts.status;
    const path = facts.options?.options['subnetFile'];
    if (typeof path !== 'string' || status?.lease?.state !== 'held') return [];
    const problem =
      (await describeSubnetFile(facts, path, status.lease.ipv4, status.network?.mtu)) ??
      (await describeSpace(facts, path));
    if (problem === undefined) return [];
    return [
      {
        severity: 'error',
        title: `${path} does not hold this host’s subnet`,
        evidence: [`${path}: ${problem}`],
        impact: 'Engines and CNI plugins give containers wrong addresses, or none',
        fix: `ls -ld ${path} ${dirname(path)}; df ${dirname(path)}; remove the cause; the daemon then writes the file again`,
      },
    ];
  },
};

async function describeSubnetFile(
  facts: Facts,
  path: string,
  subnet?: string,
  mtu?: number,
): Promise<string | undefined> {
  const text = await facts.file(path.replace(/^\//, ''));
  if (text === undefined) return 'missing or unreadable';
  const { subnets } = parseSubnetEnv(text);
  if (subnets?.ipv4 !== subnet)
    return `it has ${subnets?.ipv4 ?? 'no subnet'}, the lease is ${subnet ?? 'without IPv4'}`;
  const written = /^FLANNEL_MTU=(\d+)/m.exec(text)?.[1];
  return mtu === undefined || written === String(mtu)
    ? undefined
    : `it has MTU ${written}, the overlay ${mtu}`;
}

async function describeSpace(facts: Facts, path: string): Promise<string | undefined> {
  const fileSystem = await statfs(facts.path(dirname(path))).catch(() => undefined);
  return fileSystem !== undefined && fileSystem.blocks > 0 && fileSystem.bavail === 0
    ? 'its file system is full'
    : undefined;
}

export const ENGINE_CHECKS: readonly Check[] = [bridges, bridgeMtu, subnetFile];
