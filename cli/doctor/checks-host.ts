// Checks of this host: interface, addresses, settings of the kernel and of other programs.
import { readdir } from 'node:fs/promises';
import { loadNative } from '../../native/index.ts';
import type { Check } from './check.ts';
import type { Facts } from './facts.ts';

export interface LinkRow {
  readonly ifindex?: number;
  readonly ifname: string;
  /** Index of the other end of a veth pair, in its own namespace. */
  readonly link_index?: number;
  /** The bridge that it is a port of. */
  readonly master?: string;
  /** Id of the namespace where the other end is, or where a tunnel sends from. */
  readonly link_netnsid?: number;
  /** Its name, instead of the id, if ip-netns(8) knows one. */
  readonly link_netns?: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address?: string;
  readonly operstate?: string;
  readonly link_type?: string;
  /** BPF program of the driver's receive path. */
  readonly xdp?: { readonly mode?: number; readonly prog?: { readonly id?: number } };
  readonly addr_info?: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
    readonly scope?: string;
  }[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: {
      readonly id?: number;
      readonly port?: number;
      readonly external?: boolean;
      readonly vlan_filtering?: number;
      readonly stp_state?: number;
    };
    /** Of a port. */
    readonly info_slave_data?: { readonly state?: string };
  };
}

export const links = (facts: Facts) => facts.ip<LinkRow>('-d', 'address', 'show');

const interfaceDown: Check = {
  id: 'interface-down',
  about: 'whether the underlay interface exists, is up, and has its address',
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
        impact: 'No packet leaves this host for another host',
        fix: `ip link set ${used.name} up${link !== undefined && isWithoutArp(link) ? ' arp on' : ''}; ip address show ${used.name}; correct the network settings of the host, or name another interface with --iface`,
      },
    ];
  },
};

function stateOf(link: LinkRow | undefined, addresses: readonly (string | undefined)[]): string | undefined {
  if (link === undefined) return 'is missing';
  if (!link.flags.includes('UP')) return 'is down';
  if (link.flags.includes('NO-CARRIER')) return 'has no carrier';
  if (isWithoutArp(link)) return 'asks for no MAC addresses (NOARP)';
  const present = new Set(link.addr_info?.map(({ local }) => local));
  const lost = addresses.find((address) => address !== undefined && !present.has(address));
  return lost === undefined ? undefined : `has lost its address ${lost}`;
}

/** A device of Ethernet; a tunnel has none to ask for. */
const isWithoutArp = ({ flags, link_type: type }: LinkRow): boolean =>
  type === 'ether' && flags.includes('NOARP');

function describeLink(link: LinkRow | undefined): string {
  if (link === undefined) return 'there is none';
  const addresses = link.addr_info?.map(({ local, prefixlen }) => `${local}/${prefixlen}`) ?? [];
  return `<${link.flags.join(',')}> ${addresses.join(' ') || 'without addresses'}`;
}

const forwardingOff: Check = {
  id: 'forwarding-off',
  about: 'whether the kernel forwards packets of containers',
  run: async (facts) => {
    const [status, config] = await Promise.all([facts.status, facts.config]);
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
        impact: 'Containers of this host reach no other host, and no other host reaches them',
        fix: off.map((name) => `sysctl -w ${name}=1`).join('; '),
      },
    ];
  },
};

const networkd: Check = {
  id: 'networkd-routes',
  about: 'whether systemd-networkd removes routes of other programs',
  run: async (facts) => {
    if ((await facts.file('run/systemd/netif/state')) === undefined) return [];
    const folders = ['etc/systemd', 'run/systemd', 'usr/lib/systemd'];
    const texts = await Promise.all(folders.map((folder) => readSettings(facts, `${folder}/networkd.conf`)));
    if (/^\s*ManageForeignRoutes\s*=\s*(?:no|false|off|0)\s*$/m.test(texts.join('\n'))) return [];
    return [
      {
        severity: 'warning',
        title: 'systemd-networkd may remove the routes to peers',
        evidence: ['systemd-networkd runs (/run/systemd/netif/state), and ManageForeignRoutes= is not no'],
        impact: 'At each restart it removes routes until the daemon restores them',
        fix: String.raw`mkdir -p /etc/systemd/networkd.conf.d; printf '[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n' >/etc/systemd/networkd.conf.d/weft.conf; systemctl restart systemd-networkd`,
      },
    ];
  },
};

/** A file of systemd and its drop-ins. */
async function readSettings(facts: Facts, path: string): Promise<string> {
  const paths = [path, ...(await listFolder(facts, `${path}.d`))];
  return (await Promise.all(paths.map((one) => facts.file(one)))).join('\n');
}

/** Paths of the files in a folder. */
async function listFolder(facts: Facts, folder: string): Promise<readonly string[]> {
  const names = await readdir(facts.path(folder)).catch(() => []);
  return names.map((name) => `${folder}/${name}`);
}

const udevMac: Check = {
  id: 'udev-mac',
  about: 'whether udev changes the MAC address of overlay devices',
  run: async (facts) => {
    const folders = ['etc/systemd/network', 'run/systemd/network'];
    const paths = (await Promise.all(folders.map((folder) => listFolder(facts, folder)))).flat().toSorted();
    const bad: string[] = [];
    for (const path of paths.filter((one) => one.endsWith('.link'))) {
      const text = (await facts.file(path)) ?? '';
      const policy = /^\s*MACAddress(?:Policy)?\s*=\s*(?!none)\S+/m.exec(text);
      if (text.includes('flannel') && policy !== null) bad.push(`${facts.path(path)}: ${policy[0].trim()}`);
    }
    if (bad.length === 0) return [];
    return [
      {
        severity: 'warning',
        title: 'udev is configured to change the MAC address of overlay devices',
        evidence: bad,
        impact:
          'Peers send to the MAC of the lease; packets to this host are lost until the daemon restores it',
        fix: 'set MACAddressPolicy=none for flannel* in that file; udevadm control --reload',
      },
    ];
  },
};

const addon: Check = {
  id: 'addon-missing',
  about: 'whether the native addon loads',
  run: async () => {
    const loaded = loadNative();
    if (loaded.native !== undefined) return [];
    return [
      {
        severity: 'warning',
        title: 'The native addon does not load',
        evidence: [loaded.reason],
        impact: 'No encapsulation in userspace, no probes, and less detail in kernel errors',
        fix: 'install the package for this architecture, or run make in the sources',
      },
    ];
  },
};

export const HOST_CHECKS: readonly Check[] = [interfaceDown, forwardingOff, networkd, udevMac, addon];
