// Competitors with config files: Open vSwitch's VXLAN in userspace, tinc, vtun. None encrypts here.
import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEVICE, OVERLAY, VNI } from './path-plan.ts';
import { VXLAN_OVERHEAD_BYTES } from './path-kernel.ts';
import { run, type Program } from '../path-process.ts';
import { openCompetitor } from './path-competitors.ts';
import { otherOf, setUpDevice, type Candidate } from './path-tunnel.ts';
import type { PathHost, HostPair } from './path-underlay.ts';

const PORT = 9000;
/** Outer IPv4 and UDP, sequence number, Ethernet header, and room for what its search for the path MTU settles at. */
const TINC_OVERHEAD_BYTES = 60;
/** Outer IPv4 and UDP, length field. */
const VTUN_OVERHEAD_BYTES = 32;

/** tinc 1.0 as a router, without cipher and digest. Peers still authenticate by their keys. */
export const tinc: Candidate = {
  name: 'tinc',
  needs: ['tincd'],
  peers: 'none',
  async open(underlay) {
    const folder = await mkdtemp(join(tmpdir(), 'weft-tinc-'));
    for (const host of underlay.hosts) await writeTincConfig(folder, host, otherOf(underlay, host));
    for (const { name } of underlay.hosts)
      for (const other of underlay.hosts)
        if (other.name !== name)
          await cp(join(folder, name, 'hosts', name), join(folder, other.name, 'hosts', name));
    return openCompetitor(underlay, TINC_OVERHEAD_BYTES, (host) => {
      const pidFile = join(folder, `${host.name}.pid`);
      return host.start(['tincd', '-D', '-c', join(folder, host.name), `--pidfile=${pidFile}`]);
    });
  },
};

async function writeTincConfig(folder: string, host: PathHost, other: PathHost): Promise<void> {
  const own = join(folder, host.name);
  await mkdir(join(own, 'hosts'), { recursive: true });
  const config = [`Name=${host.name}`, `Interface=${DEVICE}`, 'DeviceType=tun', 'Mode=router'];
  await writeFile(join(own, 'tinc.conf'), [...config, `ConnectTo=${other.name}`, ''].join('\n'));
  const self = [`Address=${host.underlay}`, `Port=${PORT}`, `Subnet=${OVERLAY[host.name].subnet}`];
  const plain = ['Cipher=none', 'Digest=none', 'Compression=0', ''];
  await writeFile(join(own, 'hosts', host.name), [...self, ...plain].join('\n'));
  // Without a terminal it asks nothing and writes where the config is.
  await run(['tincd', '-c', own, '-K1024']);
}

/** vtun with a TUN device over UDP. Its server leaves a child behind. It ends if a packet comes while its device is down, as IPv6's do. */
export const vtun: Candidate = {
  name: 'vtun',
  needs: ['vtund', 'unshare'],
  peers: 'none',
  async open(underlay) {
    const file = join(await mkdtemp(join(tmpdir(), 'weft-vtun-')), 'vtund.conf');
    const link = [
      'passwd x',
      'type tun',
      `device ${DEVICE}`,
      'proto udp',
      'compress no',
      'encrypt no',
      'keepalive no',
      'up { ip "link set %% up"; }',
    ];
    await writeFile(file, `options { port ${PORT}; ip /sbin/ip; }\nlink { ${link.join('; ')}; }\n`);
    const vtund = ['vtund', '-n', '-f', file, '-P', String(PORT)];
    const { a, b } = underlay;
    for (const host of underlay.hosts)
      await host.run(['sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1']);
    const server = b.start(['unshare', '--pid', '--fork', '--kill-child', ...vtund, '-s']);
    await server.waitUntil('it listens', () => server.output.includes('VTUN server'));
    const ends = [a.start([...vtund, 'link', b.underlay]), server];
    const mtu = underlay.mtu - VTUN_OVERHEAD_BYTES;
    for (const [index, host] of underlay.hosts.entries()) await setUpDevice(host, ends[index]!, mtu);
    return { to: OVERLAY.b.address, mtu, ends };
  },
};

/** Open vSwitch with its datapath in userspace: a bridge that takes the underlay's device, and one with a VXLAN port. */
export const openVswitch: Candidate = {
  name: 'openvswitch',
  needs: ['ovsdb-server', 'ovsdb-tool', 'ovs-vswitchd', 'ovs-vsctl'],
  peers: 'none',
  async open(underlay) {
    const folder = await mkdtemp(join(tmpdir(), 'weft-ovs-'));
    const ends: Program[] = [];
    for (const host of underlay.hosts) ends.push(await startSwitch(folder, underlay, host));
    const mtu = underlay.mtu - VXLAN_OVERHEAD_BYTES;
    for (const [index, host] of underlay.hosts.entries()) await setUpDevice(host, ends[index]!, mtu);
    return { to: OVERLAY.b.address, mtu, ends };
  },
};

const OVS_SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const UNDERLAY_BRIDGE = 'underlay0';

async function startSwitch(folder: string, underlay: HostPair, host: PathHost): Promise<Program> {
  const own = join(folder, host.name);
  await mkdir(own);
  // Its programs keep sockets and logs in these.
  const env = ['env', ...['OVS_RUNDIR', 'OVS_DBDIR', 'OVS_LOGDIR'].map((name) => `${name}=${own}`)];
  const socket = join(own, 'db.sock');
  await run([...env, 'ovsdb-tool', 'create', join(own, 'conf.db'), OVS_SCHEMA]);
  host.start([...env, 'ovsdb-server', join(own, 'conf.db'), `--remote=punix:${socket}`]);
  const control = [...env, 'ovs-vsctl', '--timeout=15', '--retry', `--db=unix:${socket}`];
  await run([...control, '--no-wait', 'init']);
  const program = host.start([...env, 'ovs-vswitchd', `unix:${socket}`]);
  const tunnel = [
    'type=vxlan',
    `options:remote_ip=${otherOf(underlay, host).underlay}`,
    `options:key=${VNI}`,
  ];
  await run([
    ...control,
    ...addBridge(UNDERLAY_BRIDGE, 'eth0'),
    ...addBridge(DEVICE, 'tunnel0'),
    '--',
    'set',
    'interface',
    'tunnel0',
    ...tunnel,
  ]);
  await host.ip('addr flush dev eth0');
  await host.ip(`addr add ${host.underlay}/24 dev ${UNDERLAY_BRIDGE}`);
  await host.ip(`link set ${UNDERLAY_BRIDGE} up`);
  return program;
}

function addBridge(name: string, port: string): string[] {
  const type = ['set', 'bridge', name, 'datapath_type=netdev'];
  return ['--', 'add-br', name, '--', ...type, '--', 'add-port', name, port];
}
