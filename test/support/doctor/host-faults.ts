// Faults of the interface, kernel, firewalls, path to peers and other programs.
import type { Lab } from '../../../lab/lab.ts';
import { CONFIG, type Fault } from './fault.ts';
import { subnetKey, viewOf, waitUntilReady } from '../lab-suite.ts';

/** Flags of the daemon of h3: it leaves forwarding alone, so that a fault persists. */
export const THIRD_FLAGS = ['--no-sysctl', '--iptables-forward-rules=false'];

async function restart(lab: Lab, name: string, flags: readonly string[]): Promise<void> {
  await lab.stopDaemon(name);
  await lab.startDaemon(name, flags);
  await waitUntilReady(lab, name);
}

/** The first half of h2's subnet. */
const halfOfTwo = async (lab: Lab): Promise<string> => (await viewOf(lab, 'h2')).subnet.replace('/24', '/25');

export const HOST_FAULTS: readonly Fault[] = [
  {
    name: 'a route into the cluster network',
    finds: ['network-overlap'],
    evidence: /10\.5\.128\.0\/17 dev eth0/,
    breaks: 'ip route add 10.5.128.0/17 via 198.18.1.9 dev eth0 onlink',
    fixes: 'ip route del 10.5.128.0/17',
  },
  {
    name: 'the address of the interface was removed',
    finds: ['interface-down'],
    evidence: /ip address show eth0: <\S*UP\S*> (?!.*198\.18\.1\.1)/,
    breaks: 'ip -j address show dev eth0 >/run/eth0; ip address flush dev eth0 scope global',
    fixes: 'ip address add 198.18.1.1/16 brd + dev eth0',
  },
  {
    name: 'the interface is down',
    finds: ['interface-down'],
    evidence: /ip address show eth0: <(?!\S*UP)/,
    breaks: 'ip link set eth0 down',
    fixes: 'ip link set eth0 up',
  },
  {
    name: 'forwarding is off',
    finds: ['forwarding-off'],
    evidence: /ip_forward = 0/,
    host: 'h3',
    breaks: 'echo 0 >/proc/sys/net/ipv4/ip_forward',
    fixes: 'echo 1 >/proc/sys/net/ipv4/ip_forward',
  },
  {
    name: 'FORWARD drops',
    finds: ['forward-drop'],
    evidence: /-P FORWARD DROP/,
    host: 'h3',
    breaks: 'iptables -P FORWARD DROP',
    fixes: 'iptables -P FORWARD ACCEPT',
  },
  {
    name: 'FORWARD drops in the variant of iptables that the daemon does not use',
    finds: ['forward-drop'],
    evidence: /iptables-legacy-save: -P FORWARD DROP/,
    breaks: 'iptables-legacy -P FORWARD DROP',
    fixes: 'iptables-legacy -P FORWARD ACCEPT',
  },
  {
    name: 'INPUT drops the port of the tunnel',
    finds: ['port-dropped', 'tunnel-blocked'],
    evidence: /8472.*DROP/,
    breaks: 'iptables -I INPUT -p udp --dport 8472 -j DROP',
    fixes: 'iptables -D INPUT -p udp --dport 8472 -j DROP',
  },
  {
    name: 'a firewall on the path drops the port of the tunnel',
    finds: ['tunnel-blocked'],
    evidence: /replies from 198\.18\.1\.2 arrive/,
    host: 'h2',
    runsOn: 'h1',
    breaks:
      'nft add table netdev t; nft "add chain netdev t i { type filter hook ingress device eth0 priority 0; }"; nft add rule netdev t i udp dport 8472 drop',
    fixes: 'nft delete table netdev t',
  },
  {
    name: 'the network between hosts carries less than the MTU',
    finds: ['path-mtu'],
    evidence: /largest packet that passes has 13\d\d bytes/,
    host: 'h2',
    breaks:
      'nft add table netdev t; nft "add chain netdev t i { type filter hook ingress device eth0 priority 0; }"; nft add rule netdev t i ip length gt 1400 drop',
    fixes: 'nft delete table netdev t',
  },
  {
    name: 'a more specific route',
    finds: ['route-diverted'],
    evidence: /ip route get .*no route, or blackhole/,
    breaks: async (lab) => lab.check('h1', ['ip', 'route', 'add', 'blackhole', await halfOfTwo(lab)]),
    fixes: async (lab) => lab.check('h1', ['ip', 'route', 'del', 'blackhole', await halfOfTwo(lab)]),
  },
  {
    name: 'a policy rule',
    finds: ['route-diverted'],
    evidence: /ip route get/,
    breaks: 'ip rule add to 10.5.0.0/16 lookup 100; ip route add blackhole default table 100',
    fixes: 'ip rule del to 10.5.0.0/16 lookup 100; ip route flush table 100',
  },
  {
    name: 'strict rp_filter, and answers leave by another interface',
    finds: ['rp-filter'],
    evidence: /dev other0, not eth0/,
    breaks:
      'echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter; ip link add other0 type veth peer name other1; ip link set other0 up; ip link set other1 up; ip route add 198.18.1.2/32 dev other0',
    fixes: 'ip link del other0; echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter',
  },
  {
    name: 'a script that keeps deleting a route',
    finds: ['contested'],
    evidence: /route/,
    breaks: async (lab) =>
      lab.check('h1', [
        'sh',
        '-c',
        `(while :; do ip route del ${(await viewOf(lab, 'h2')).subnet}; sleep 0.02; done >/dev/null 2>&1 </dev/null & echo $! >/run/loop.pid)`,
      ]),
    fixes: 'kill -KILL $(cat /run/loop.pid)',
  },
  {
    name: 'flanneld beside weft',
    finds: ['two-daemons'],
    evidence: /flanneld/,
    breaks:
      'cp /bin/sleep /run/flanneld; (/run/flanneld 1000 >/dev/null 2>&1 </dev/null & echo $! >/run/flanneld.pid)',
    fixes: 'kill -KILL $(cat /run/flanneld.pid)',
  },
  {
    name: 'subnet.env cannot be written',
    finds: ['subnet-file'],
    evidence: /missing or unreadable/,
    breaks: (lab) =>
      lab.check('h1', ['sh', '-c', `rm ${lab.subnetFile('h1')}; mkdir ${lab.subnetFile('h1')}`]),
    fixes: (lab) => lab.check('h1', ['rmdir', lab.subnetFile('h1')]),
  },
  {
    name: 'Docker keeps other hosts from a container',
    finds: ['docker-direct'],
    evidence: /table raw: -A PREROUTING -d 10\.5\.\d+\.2\/32 ! -i br0 -j DROP/,
    breaks:
      'iptables -t raw -A PREROUTING -d "$(ip -4 -o address show br0 | sed -E "s/.* inet ([0-9.]+)1\\/.*/\\12/")" ! -i br0 -j DROP',
    fixes: 'iptables -t raw -F PREROUTING',
  },
  {
    name: "Docker's own subnet",
    finds: ['bridge-subnet', 'bridge-mtu'],
    evidence: /172\.17\.0\.1\/16, the lease is 10\.5\./,
    breaks:
      'ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up',
    fixes: 'ip link del docker0',
  },
  {
    name: 'a private public IP among hosts that have none',
    finds: ['public-ip', 'tunnel-blocked'],
    evidence: /peers send to 10\.99\.0\.3/,
    host: 'h3',
    breaks: (lab) => restart(lab, 'h3', [...THIRD_FLAGS, '--iface', 'eth0', '--public-ip', '10.99.0.3']),
    fixes: async (lab) => {
      const { subnet } = await viewOf(lab, 'h3');
      await restart(lab, 'h3', THIRD_FLAGS);
      await lab.etcdctl(['del', `/coreos.com/network/subnets/${subnetKey(subnet)}`]);
    },
  },
  {
    name: 'a switch drops what is not for the host itself, with host-gw',
    finds: ['route-dropped'],
    evidence: /replies from 198\.18\.1\.2 arrive; an echo to 10\.5\..*gets no answer/,
    host: 'h2',
    runsOn: 'h1',
    breaks: async (lab) => {
      await lab.putConfig(CONFIG.replace('vxlan', 'host-gw'));
      await lab.check('h2', [
        'nft',
        'table netdev t { chain i { type filter hook ingress device eth0 priority 0; ip daddr 10.5.0.0/16 drop; }; }',
      ]);
    },
    fixes: async (lab) => {
      await lab.check('h2', ['nft', 'delete table netdev t']);
      await lab.putConfig(CONFIG);
    },
  },
];
