// What is this host's own: interface, public address, settings of the kernel, files, bridges of container engines.
import { readdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { contains, parseIp, type Cidr } from '../../allocator/address.ts';
import { wayOf } from '../../backends/way.ts';
import { loadNative } from '../../native/index.ts';
import { parseSubnetEnv } from '../../daemon/subnet-env.ts';
import type { Check, Found } from './check.ts';
import type { Facts } from './facts.ts';

export interface LinkRow {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly operstate?: string;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: { readonly id?: number; readonly port?: number };
  };
}

const links = (facts: Facts) => facts.ip<LinkRow>('-d', 'address', 'show');

const interfaceDown: Check = {
  id: 'interface-down',
  about: 'whether the underlay interface is there, up, and has its address',
  run: async (facts) => {
    const [status, rows] = await Promise.all([facts.status, links(facts)]);
    const used = status?.interface;
    if (used === undefined || rows === undefined) return [];
    const link = rows.find(({ ifname }) => ifname === used.name);
    const state = stateOf(link, [used.address, used.addressV6]);
    if (state === undefined) return [];
    return [
      {
        severity: 'error',
        title: `The underlay interface ${used.name} ${state}`,
        evidence: [`ip address show ${used.name}: ${describeLink(link)}`],
        consequence: 'No packet leaves this host for another one',
        remedy: `ip link set ${used.name} up; ip address show ${used.name}; see to the network settings of the host, or name another interface with --iface`,
      },
    ];
  },
};

function stateOf(link: LinkRow | undefined, addresses: readonly (string | undefined)[]): string | undefined {
  if (link === undefined) return 'is gone';
  if (!link.flags.includes('UP')) return 'is down';
  if (link.flags.includes('NO-CARRIER')) return 'has no carrier';
  const there = new Set(link.addr_info?.map(({ local }) => local));
  const lost = addresses.find((address) => address !== undefined && !there.has(address));
  return lost === undefined ? undefined : `has lost its address ${lost}`;
}

function describeLink(link: LinkRow | undefined): string {
  if (link === undefined) return 'there is none';
  const addresses = link.addr_info?.map(({ local, prefixlen }) => `${local}/${prefixlen}`) ?? [];
  return `<${link.flags.join(',')}> ${addresses.join(' ') || 'without addresses'}`;
}

const forwardingOff: Check = {
  id: 'forwarding-off',
  about: 'whether the kernel forwards packets of containers',
  run: async (facts) => {
    const [status, document] = await Promise.all([facts.status, facts.document]);
    const config = document?.ok === true ? document.config : undefined;
    const off: string[] = [];
    for (const [network, path] of [
      [status?.network?.ipv4 ?? config?.ipv4, 'net/ipv4/ip_forward'],
      [status?.network?.ipv6 ?? config?.ipv6, 'net/ipv6/conf/all/forwarding'],
    ] as const)
      if (network !== undefined && (await facts.sysctl(path)) === '0') off.push(path.replaceAll('/', '.'));
    if (off.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'The kernel of this host does not forward packets',
        evidence: off.map((name) => `${name} = 0`),
        consequence: 'Containers of this host reach no other host, and none reaches them',
        remedy: off.map((name) => `sysctl -w ${name}=1`).join('; '),
      },
    ];
  },
};

const bridges: Check = {
  id: 'bridge-subnet',
  about: 'whether bridges of container engines have addresses of the subnet of this host',
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
          title: `The bridge ${ifname} is not in the subnet of this host`,
          evidence: [`${ifname} has ${local}/${prefixlen}, the lease is ${subnet}`],
          consequence: 'Containers on that bridge get addresses that no other host knows a way to',
          remedy:
            ifname === 'docker0'
              ? 'weft docker-opts; systemctl restart docker (docs/containers.md)'
              : `ip link delete ${ifname}: the CNI plugin makes it anew for the next container`,
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
  about: 'whether bridges of container engines have an MTU that the overlay can carry',
  run: async (facts) => {
    const [status, rows] = await Promise.all([facts.status, links(facts)]);
    const mtu = status?.network?.mtu;
    if (mtu === undefined) return [];
    return (rows ?? [])
      .filter(({ ifname, mtu: theirs }) => (ifname === 'docker0' || ifname === 'cni0') && theirs > mtu)
      .map(({ ifname, mtu: theirs }) => ({
        severity: 'warning',
        title: `The MTU of ${ifname} is too large for the overlay network`,
        evidence: [`${ifname} has MTU ${theirs}, the overlay carries ${mtu}`],
        consequence:
          'Containers send packets that have to be fragmented, or are lost where ICMP is filtered: connections open and then hang',
        remedy: `restart the engine with the MTU of subnet.env (weft docker-opts, or the CNI plugin); for now: ip link set ${ifname} mtu ${mtu}`,
      }));
  },
};

const subnetFile: Check = {
  id: 'subnet-file',
  about: 'whether subnet.env says what the daemon holds, and its file system has room',
  run: async (facts) => {
    const [status, options] = await Promise.all([facts.status, facts.options]);
    const path = options?.options['subnetFile'];
    if (typeof path !== 'string' || status?.lease?.state !== 'held') return [];
    const problem =
      (await describeSubnetFile(facts, path, status.lease.ipv4, status.network?.mtu)) ??
      (await describeRoom(facts, path));
    if (problem === undefined) return [];
    return [
      {
        severity: 'error',
        title: `${path} does not tell container engines the subnet of this host`,
        evidence: [`${path}: ${problem}`],
        consequence: 'Engines and CNI plugins that start now give containers wrong addresses, or none',
        remedy: `ls -ld ${path} ${dirname(path)}; df ${dirname(path)}; remove what is in the way, and the daemon writes it again`,
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
  if (text === undefined) return 'it is missing or cannot be read';
  const { subnets } = parseSubnetEnv(text);
  if (subnets?.ipv4 !== subnet)
    return `it has ${subnets?.ipv4 ?? 'no subnet'}, the lease is ${subnet ?? 'without IPv4'}`;
  const written = /^FLANNEL_MTU=(\d+)/m.exec(text)?.[1];
  return mtu === undefined || written === String(mtu)
    ? undefined
    : `it has MTU ${written}, the overlay ${mtu}`;
}

async function describeRoom(facts: Facts, path: string): Promise<string | undefined> {
  const room = await statfs(facts.path(dirname(path))).catch(() => undefined);
  return room !== undefined && room.blocks > 0 && room.bavail === 0 ? 'its file system is full' : undefined;
}

const networkd: Check = {
  id: 'networkd-routes',
  about: 'whether systemd-networkd removes routes that others made',
  run: async (facts) => {
    if ((await facts.file('run/systemd/netif/state')) === undefined) return [];
    const folders = ['etc/systemd', 'run/systemd', 'usr/lib/systemd'];
    const texts = await Promise.all(folders.map((folder) => readSettings(facts, `${folder}/networkd.conf`)));
    if (/^\s*ManageForeignRoutes\s*=\s*(?:no|false|off|0)\s*$/m.test(texts.join('\n'))) return [];
    return [
      {
        severity: 'warning',
        title: 'systemd-networkd may remove the routes to peers',
        evidence: ['it runs (/run/systemd/netif/state), and ManageForeignRoutes= is not set to no'],
        consequence: 'Each time that it restarts, routes go away until the daemon has put them back',
        remedy: String.raw`mkdir -p /etc/systemd/networkd.conf.d; printf '[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n' >/etc/systemd/networkd.conf.d/weft.conf; systemctl restart systemd-networkd`,
      },
    ];
  },
};

/** A file of systemd and its drop-ins. */
async function readSettings(facts: Facts, path: string): Promise<string> {
  const names = await readdir(facts.path(`${path}.d`)).catch(() => []);
  const texts = await Promise.all(
    [path, ...names.map((name) => `${path}.d/${name}`)].map((one) => facts.file(one)),
  );
  return texts.join('\n');
}

const udevMac: Check = {
  id: 'udev-mac',
  about: 'whether udev gives overlay devices another MAC address',
  run: async (facts) => {
    const list = await facts.program(
      'sh',
      '-c',
      `grep -ls flannel ${facts.path('etc/systemd/network')}/*.link ${facts.path('run/systemd/network')}/*.link`,
    );
    const bad: string[] = [];
    for (const path of (list ?? '').split('\n').filter((line) => line !== '')) {
      const policy = /^\s*MACAddress(?:Policy)?\s*=\s*(?!none)\S+/m.exec(
        (await facts.file(path.slice(facts.path('').length))) ?? '',
      );
      if (policy !== null) bad.push(`${path}: ${policy[0].trim()}`);
    }
    if (bad.length === 0) return [];
    return [
      {
        severity: 'warning',
        title: 'udev is told to change the MAC address of overlay devices',
        evidence: bad,
        consequence:
          'Peers send to the MAC of the lease; until the daemon has set it again, packets to this host are lost',
        remedy: 'set MACAddressPolicy=none for flannel* in that file; udevadm control --reload',
      },
    ];
  },
};

const addon: Check = {
  id: 'addon-missing',
  about: "whether weft's addon in C can be loaded",
  run: async () => {
    const { native, reason } = loadNative() as { native?: object; reason?: string };
    if (native !== undefined) return [];
    return [
      {
        severity: 'warning',
        title: "weft's addon is not there",
        evidence: [reason ?? 'no reason given'],
        consequence:
          'No encapsulation in userspace, no probes of the network, and less detail in errors of the kernel',
        remedy: 'install the package for this machine, or make where the sources are',
      },
    ];
  },
};

const vxlanConflict: Check = {
  id: 'vxlan-conflict',
  about: 'whether another VXLAN device has the VNI and port of ours',
  run: async (facts) => {
    const [status, rows, document] = await Promise.all([facts.status, links(facts), facts.document]);
    const backend = document?.ok === true ? document.config.backend : undefined;
    if (backend?.type !== 'vxlan') return [];
    const ourPort = wayOf(backend).port;
    const own = new Set(status?.network?.devices ?? []);
    const rivals = (rows ?? []).filter(({ ifname, linkinfo }) => {
      const { id, port } = linkinfo?.info_data ?? {};
      return linkinfo?.info_kind === 'vxlan' && id === backend.vni && port === ourPort && !own.has(ifname);
    });
    return rivals.map(({ ifname }) => ({
      severity: 'error',
      title: `The device ${ifname} has the VNI and port of the overlay network`,
      evidence: [`ip -d link show ${ifname}: vxlan id ${backend.vni} dstport ${ourPort}`],
      consequence:
        'The kernel allows one such device: the overlay device cannot be made, or its packets go elsewhere',
      remedy: `ip link delete ${ifname}, or choose another VNI (weft config edit)`,
    }));
  },
};

export const HOST_CHECKS: readonly Check[] = [
  interfaceDown,
  forwardingOff,
  bridges,
  bridgeMtu,
  subnetFile,
  networkd,
  udevMac,
  addon,
  vxlanConflict,
];
