// Checks of the state that all hosts share: the network config and the leases in etcd.
import { isInside, overlaps, type Cidr } from '../../lib/address.ts';
import { formatConfigIssue } from '../../allocator/config/config.ts';
import { PUT_EXAMPLE_CONFIG } from '../../allocator/config/example-config.ts';
import { parseVxlanData } from '../../backends/vxlan-backend-data.ts';
import { nearMissRemedy } from '../../allocator/registry/config-near-misses.ts';
import { truncate, type Check } from './check.ts';
import { links } from './checks-host.ts';
import { isBridge } from './path/bridges.ts';
import { readPeerEnds } from './path/peer-ends.ts';
import { isPartRoute } from './path/detours.ts';
import { isRoutingByDaemon } from './path/route-checks.ts';
import type { Facts } from './facts.ts';
import { shellWord } from './text/shell-word.ts';

const configMissing: Check = {
  id: 'config-missing',
  about: 'whether etcd has a network config',
  run: async (facts) => {
    const view = await facts.registry;
    if (view === undefined || view.config !== undefined) return [];
    const key = `${facts.etcd.prefix}/config`;
    const [found] = await facts.configNearMisses;
    return [
      {
        severity: 'error',
        title: 'There is no network config in etcd',
        evidence: [`no key ${key}`, ...(found === undefined ? [] : [`a key ${found}`])],
        impact: 'Starting daemons wait for it; running daemons keep their last config',
        fix:
          found === undefined
            ? `weft config edit, or weft config history and weft config rollback REVISION, or ${PUT_EXAMPLE_CONFIG}. What etcdctl wrote with ETCDCTL_API=2 is in another store`
            : nearMissRemedy(found, key),
      },
    ];
  },
};

const configInvalid: Check = {
  id: 'config-invalid',
  about: 'whether the network config is valid',
  run: async (facts) => {
    const result = await facts.document;
    if (result === undefined || result.ok) return [];
    return [
      {
        severity: 'error',
        title: 'The network config in etcd is invalid',
        evidence: truncate(result.issues.map(formatConfigIssue)),
        impact: 'Running daemons keep the last valid config; no daemon can start',
        fix: 'weft config edit, or weft config rollback REVISION',
      },
    ];
  },
};

const configRejected: Check = {
  id: 'config-refused',
  about: 'whether this host follows the newest network config',
  run: async (facts) => {
    const [status, result] = await Promise.all([facts.status, facts.document]);
    const rejected = status?.config?.rejected;
    if (rejected === undefined || result?.ok === false) return [];
    return [
      {
        severity: 'error',
        title: 'This host does not follow the newest network config',
        evidence: [
          `revision ${rejected.revision} is rejected: ${rejected.reason}`,
          `revision ${status?.config?.revision} is in force`,
        ],
        impact: 'Hosts with different configs may not reach each other',
        fix: 'weft config diff FILE; remove the reason, or weft config rollback REVISION',
      },
    ];
  },
};

const badKeys: Check = {
  id: 'bad-keys',
  about: 'keys below subnets/ that are no leases',
  run: async (facts) => {
    const { badKeys: keys = [], badKeyCount = keys.length } = (await facts.status)?.registry ?? {};
    if (badKeyCount === 0) return [];
    return [
      {
        severity: 'warning',
        title: `${badKeyCount} ${badKeyCount === 1 ? 'key' : 'keys'} below subnets/ in etcd ${badKeyCount === 1 ? 'is no lease' : 'are no leases'}`,
        evidence: truncate(keys.map(({ key, reason }) => `${key}: ${reason}`)),
        impact: 'If the key belongs to a host, no other host reaches that host',
        fix: `etcdctl get --prefix ${shellWord(`${facts.etcd.prefix}/subnets/`)}; correct or delete the key`,
      },
    ];
  },
};

const duplicatePublicIp: Check = {
  id: 'duplicate-public-ip',
  about: 'whether two leases have the same public IP',
  run: async (facts) => {
    const byIp = new Map<string, string[]>();
    for (const { key, attributes } of await facts.leases)
      for (const ip of [attributes.publicIp, attributes.publicIpv6])
        if (ip !== undefined) byIp.set(ip, [...(byIp.get(ip) ?? []), key]);
    const duplicates = [...byIp].filter(([, keys]) => keys.length > 1);
    if (duplicates.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'Several leases have the same public IP',
        evidence: truncate(duplicates.map(([ip, keys]) => `${ip} is in ${keys.join(' and ')}`)),
        impact:
          'Two hosts with one identity take the lease from each other; a stale key sends packets to the wrong host',
        fix: 'give each host its own --public-ip, or weft leases release SUBNET for the stale key',
      },
    ];
  },
};

const duplicateMac: Check = {
  id: 'vtep-mac-twice',
  about: 'with vxlan: whether two hosts publish one MAC address of their overlay devices',
  run: async (facts) => {
    const byMac = new Map<string, string[]>();
    for (const { key, attributes } of await facts.leases)
      for (const data of [attributes.backendData, attributes.backendV6Data]) {
        const parsed = attributes.backendType === 'vxlan' ? parseVxlanData(data) : undefined;
        if (parsed?.ok !== true) continue;
        const keys = byMac.get(parsed.data.mac) ?? [];
        byMac.set(parsed.data.mac, keys.includes(key) ? keys : [...keys, key]);
      }
    const twice = [...byMac].filter(([, keys]) => keys.length > 1);
    if (twice.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'Several hosts publish one MAC address of their overlay devices',
        evidence: truncate(twice.map(([mac, keys]) => `${mac} is in ${keys.join(' and ')}`)),
        impact: 'Packets to these hosts go to one of them alone: the kernel finds a host by that address',
        // Hosts of weft change such an address themselves: these run flanneld, which keeps a device that exists.
        fix: 'weft leases release SUBNET for a stale key; else, on one of them: rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot  # udev derives the address from the machine id, and flanneld keeps a device that exists',
      },
    ];
  },
};

const contestedPublicIp: Check = {
  id: 'public-ip-contested',
  about: 'whether another host publishes the public IP of this host',
  run: async (facts) => {
    const status = await facts.status;
    if (status?.lease?.isPublicIpContested !== true) return [];
    const { publicIp, publicIpv6 } = status.interface ?? {};
    return [
      {
        severity: 'error',
        title: 'Another host publishes the public IP of this host',
        evidence: [
          `${publicIp ?? publicIpv6} is published by this host and by another one, both with ${status.lease.key}`,
        ],
        impact: 'Two hosts use one subnet: peers send its packets to either of them',
        fix: 'give one of the two hosts another address: --public-ip or --iface, then restart its daemon',
      },
    ];
  },
};

const subnetOverlap: Check = {
  id: 'subnet-overlap',
  about: 'whether the subnet of another host overlaps that of this one',
  run: async (facts) => {
    const { ipv4, ipv6, overlapping = [] } = (await facts.status)?.lease ?? {};
    if (overlapping.length === 0) return [];
    const isKubernetes = await facts.isKubernetes;
    return [
      {
        severity: 'error',
        title: 'The subnet of another host overlaps that of this host',
        evidence: truncate(
          overlapping.map((key) => `${key} and this host share ${[ipv4, ipv6].filter(Boolean).join(', ')}`),
        ),
        impact: 'Peers send packets of both hosts to one of them alone',
        fix: isKubernetes
          ? 'kubectl delete node NAME for one of them, and restart its kubelet: it gets another pod CIDR'
          : 'weft leases release SUBNET for the key that is wrong',
      },
    ];
  },
};

const networkOverlap: Check = {
  id: 'network-overlap',
  about: 'whether the cluster network overlaps other networks of this host',
  run: async (facts) => {
    const [status, rows, devices, ends] = await Promise.all([
      facts.status,
      readRoutes(facts),
      links(facts),
      readPeerEnds(facts),
    ]);
    // A bridge with such an address is a finding of its own, bridge-subnet.
    const bridges = (devices ?? []).filter(isBridge).map(({ ifname }) => ifname);
    const own = new Set([...(status?.network?.devices ?? []), 'lo', ...bridges]);
    const networks = [status?.network?.ipv4, status?.network?.ipv6].filter((one) => one !== undefined);
    const subnets = [status?.lease?.ipv4, status?.lease?.ipv6].filter((one) => one !== undefined);
    const leased = new Set(
      (await facts.leases).flatMap((one) => [one.subnets.ipv4, one.subnets.ipv6]).map(String),
    );
    // Where route-diverted examines a route for a part of a peer's subnet, that is its finding.
    const isExamined = await isRoutingByDaemon(facts);
    const isDiverting = (row: RouteRow): boolean =>
      isExamined && ends.some(({ subnet }) => isPartRoute(row, subnet));
    const isOurs = ({ dst, dev, protocol, type }: RouteRow): boolean =>
      own.has(dev ?? '') || type === 'blackhole' || String(protocol) === OWN_PROTOCOL || leased.has(dst);
    const other = rows.filter(
      (row) =>
        row.dst.includes('/') &&
        !isOurs(row) &&
        !isDiverting(row) &&
        networks.some((network) => overlaps(network as Cidr, row.dst as Cidr)) &&
        !subnets.some((subnet) => isInside(row.dst as Cidr, subnet as Cidr)),
    );
    if (other.length === 0) return [];
    return [
      {
        severity: 'warning',
        title: 'The cluster network overlaps another network of this host',
        evidence: [
          `cluster network ${networks.join(', ')}`,
          ...truncate(other.map(({ dst, dev }) => `ip route: ${dst} dev ${dev}`)),
        ],
        impact: 'Two routes claim the same addresses; packets to containers may go to the other network',
        fix: 'ip route show; renumber one of them (weft config edit, "Network")',
      },
    ];
  },
};

/** The protocol number of weft's routes, as iproute2 prints it. */
const OWN_PROTOCOL = '87';

export interface RouteRow {
  readonly dst: string;
  readonly dev?: string;
  readonly gateway?: string;
  readonly protocol?: string;
  readonly type?: string;
}

async function readRoutes(facts: Facts): Promise<readonly RouteRow[]> {
  const [ipv4, ipv6] = await Promise.all([
    facts.ip<RouteRow>('-d', 'route', 'show'),
    facts.ip<RouteRow>('-d', '-6', 'route', 'show'),
  ]);
  return [...(ipv4 ?? []), ...(ipv6 ?? [])];
}

export const CLUSTER_CHECKS: readonly Check[] = [
  configMissing,
  configInvalid,
  configRejected,
  badKeys,
  duplicatePublicIp,
  duplicateMac,
  contestedPublicIp,
  subnetOverlap,
  networkOverlap,
];
