// Faults of bridges, routes and the kernel between containers for `weft doctor` to find, with a fix that is a command.
import type { PathFault } from './path-fault-suite.ts';

const NO_RULES =
  'ip rule flush; ip rule add from all lookup main pref 32766; ip rule add from all lookup default pref 32767; ip route flush table 100 2>/dev/null || true';

export const PATH_FAULTS: readonly PathFault[] = [
  {
    name: 'the bridge is down',
    finds: 'bridge-down',
    evidence: /ip address show br0: <BROADCAST,MULTICAST>/,
    breaks: 'ip link set br0 down',
    cleans: 'true',
  },
  {
    name: 'the bridge has no address',
    finds: 'bridge-address',
    evidence: /br0: <.*> (without addresses|fe80)/,
    breaks: 'ip address flush dev br0',
    cleans: 'true',
  },
  {
    name: 'the bridge has an address of another network',
    finds: 'bridge-address',
    evidence: /br0: <.*> .*10\.77\.3\.1\/24/,
    breaks: 'ip address flush dev br0; ip address add 10.77.3.1/24 dev br0',
    cleans: 'true',
  },
  {
    name: 'the bridge has the old subnet',
    finds: 'bridge-subnet',
    evidence: /br0 has 10\.5\.9\.1\/24, the lease is SUBNET/,
    breaks: 'ip address flush dev br0; ip address add 10.5.9.1/24 dev br0',
    cleans: 'true',
  },
  {
    name: 'two bridges have one address',
    finds: 'bridge-twice',
    evidence: /br1: .*PREFIX1\/24/,
    breaks: 'ip link add br1 type bridge; ip link set br1 up; ip address add PREFIX1/24 dev br1',
    cleans: 'ip link del br1',
    isHarmless: true,
  },
  {
    name: 'docker0 has the network of the overlay',
    finds: 'bridge-subnet',
    evidence: /docker0 has 10\.5\.0\.1\/16, the lease is SUBNET/,
    breaks:
      'ip link add docker0 type bridge; ip link set docker0 up mtu 1450; ip address add 10.5.0.1/16 dev docker0',
    cleans: 'ip link del docker0',
    isHarmless: true,
  },
  {
    name: 'a filter of tc on the overlay device',
    finds: 'tunnel-blocked',
    evidence: /may drop them: tc filter show dev flannel\.1 egress: pref \d+ bpf/,
    breaks:
      "tc qdisc add dev flannel.1 clsact; tc filter add dev flannel.1 egress bpf da bytecode '1,6 0 0 2'",
    cleans: 'tc qdisc del dev flannel.1 clsact',
  },
  {
    name: 'a route for a part of the subnet of a peer',
    finds: 'route-diverted',
    evidence: /ip -4 route: OTHER64\/26 via 198\.18\.0\.1/,
    breaks: 'ip route add OTHER64/26 via 198.18.0.1',
    cleans: 'ip route del OTHER64/26 2>/dev/null || true',
    isHarmless: true,
  },
  {
    name: 'a device does not forward',
    finds: 'device-forwarding',
    evidence: /net\/ipv4\/conf\/flannel\.1\/forwarding = 0/,
    breaks: 'echo 0 >/proc/sys/net/ipv4/conf/flannel.1/forwarding',
    cleans: 'true',
  },
  {
    name: 'a policy rule by the incoming device',
    finds: 'route-diverted',
    evidence: /ip -4 rule: \d+: from all iif br0 lookup 100; route: default via 198\.18\.0\.1/,
    breaks: 'ip rule add iif br0 lookup 100; ip route add default via 198.18.0.1 table 100',
    cleans: NO_RULES,
  },
  {
    name: 'a policy rule by the network',
    finds: 'route-diverted',
    evidence: /ip -4 rule: \d+: from 10\.5\.0\.0\/16 lookup 100; route: blackhole default/,
    breaks: 'ip rule add from 10.5.0.0/16 lookup 100; ip route add blackhole default table 100',
    cleans: NO_RULES,
  },
  {
    name: 'a policy rule by the mark that a firewall sets',
    finds: 'route-diverted',
    evidence: /ip -4 rule: \d+: from all fwmark 0x1 lookup 100; route: blackhole default/,
    breaks:
      'iptables -t mangle -A PREROUTING -i br0 -j MARK --set-mark 1; ip rule add fwmark 1 lookup 100; ip route add blackhole default table 100',
    cleans: `iptables -t mangle -F; ${NO_RULES}`,
  },
  {
    name: 'a policy rule that drops by the subnet',
    finds: 'route-diverted',
    evidence: /ip -4 rule: \d+: from SUBNET blackhole/,
    breaks: 'ip rule add from SUBNET blackhole',
    cleans: NO_RULES,
  },
  {
    name: 'a policy of IPsec blocks',
    finds: 'xfrm-block',
    evidence: /src 10\.5\.0\.0\/16 dst 10\.5\.0\.0\/16 dir fwd action block/,
    breaks: 'ip xfrm policy add src 10.5.0.0/16 dst 10.5.0.0/16 dir fwd action block',
    cleans: 'true',
  },
  {
    name: 'a static neighbour with a wrong MAC',
    finds: 'static-neighbour',
    evidence: /ip neigh: PEER dev eth0 lladdr 02:00:00:00:00:99 PERMANENT/,
    breaks: 'ip neigh replace PEER lladdr 02:00:00:00:00:99 dev eth0 nud permanent',
    cleans: 'true',
  },
];
