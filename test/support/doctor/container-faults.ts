// Faults between containers and their bridge for `weft doctor` to find, with a fix that is a command.
import type { PathFault } from './path-fault-suite.ts';

export const CONTAINER_FAULTS: readonly PathFault[] = [
  {
    name: 'a container has no default route',
    finds: 'container-route',
    evidence: /container PREFIX2: nsenter --net=\S+ ip route get .*: unreachable/,
    breaks: 'ip netns exec c1 ip route del default',
    cleans: 'true',
  },
  {
    name: 'a container has another gateway',
    finds: 'container-route',
    evidence: /container PREFIX2: .*: via PREFIX9, which is no address of this host/,
    breaks: 'ip netns exec c1 ip route replace default via PREFIX9',
    cleans: 'ip netns exec c1 ip route replace default via PREFIX1',
  },
  {
    name: 'a container drops packets to the network by a policy rule',
    finds: 'container-route',
    evidence: /: no route, or blackhole, by ip rule \d+: from all to 10\.5\.0\.0\/16 blackhole/,
    breaks: 'ip netns exec c1 ip rule add to 10.5.0.0/16 blackhole',
    cleans: 'true',
  },
  {
    name: 'the port of a container is down',
    finds: 'container-port',
    evidence: /ip link show veth0, of container PREFIX2: <BROADCAST,MULTICAST>/,
    breaks: 'ip link set veth0 down',
    cleans: 'true',
  },
  {
    name: 'the device of a container is in no bridge',
    finds: 'container-port',
    evidence: /ip link show veth0, of container PREFIX2: port of no bridge/,
    breaks: 'ip link set veth0 nomaster',
    cleans: 'ip link set veth0 master br0',
  },
  {
    name: 'the link of a container has a small MTU',
    finds: 'container-mtu',
    evidence: /container PREFIX2: eth0 has MTU 1450, the other end veth0 has 1300/,
    breaks: 'ip link set veth0 mtu 1300',
    cleans: 'true',
    isHarmless: true,
  },
  {
    name: 'a static neighbour inside a container has a wrong MAC',
    finds: 'container-neighbour',
    evidence: /ip neigh: PREFIX1 dev eth0 lladdr 02:00:00:00:00:77 PERMANENT; br0 has /,
    breaks: 'ip netns exec c1 ip neigh replace PREFIX1 lladdr 02:00:00:00:00:77 dev eth0 nud permanent',
    cleans: 'true',
  },
  {
    name: 'a bridge answers no ARP',
    finds: 'container-path',
    evidence: /no answer of its gateway PREFIX1[^]*net\/ipv4\/conf\/br0\/arp_ignore = 8/,
    breaks: 'echo 8 >/proc/sys/net/ipv4/conf/br0/arp_ignore; ip netns exec c1 ip neigh flush all',
    cleans: 'true',
  },
  {
    name: 'a filter of tc on the port of a container',
    finds: 'container-path',
    evidence: /no answer of its gateway PREFIX1[^]*tc filter show dev veth0 ingress: pref \d+ bpf/,
    breaks: "tc qdisc add dev veth0 clsact; tc filter add dev veth0 ingress bpf da bytecode '1,6 0 0 2'",
    cleans: 'tc qdisc del dev veth0 clsact',
  },
];
