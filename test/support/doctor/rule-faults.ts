// Firewall rules between containers for `weft doctor` to find, with a fix that is a command.
import type { PathFault } from './path-fault-suite.ts';

const chain = (hook: string, ...rules: readonly string[]): string =>
  [
    'nft add table inet fw',
    `nft 'add chain inet fw x { type filter hook ${hook} priority 10; policy ${rules.length > 0 ? 'accept' : 'drop'}; }'`,
    ...rules.map((rule) => `nft 'add rule inet fw x ${rule}'`),
  ].join('; ');
const NO_CHAIN = 'nft delete table inet fw';
const FLUSH = 'iptables -F; iptables -X';

export const RULE_FAULTS: readonly PathFault[] = [
  {
    name: 'nftables drops by source',
    finds: 'forward-drop',
    evidence: /nft, table inet fw, chain x, handle \d+: ip saddr SUBNET drop/,
    breaks: chain('forward', 'ip saddr SUBNET drop'),
    cleans: NO_CHAIN,
  },
  {
    name: 'the policy of a table drops',
    finds: 'forward-drop',
    evidence: /nft, table inet fw, chain x: policy drop/,
    breaks: chain('forward'),
    cleans: NO_CHAIN,
  },
  {
    name: 'the policies of a bridge drop',
    finds: 'forward-drop',
    evidence: /nft, table bridge fw, chain [io]: policy drop/,
    breaks:
      "nft 'table bridge fw { chain i { type filter hook input priority 0; policy drop; }; chain o { type filter hook output priority 0; policy drop; }; }'",
    cleans: 'nft delete table bridge fw',
  },
  {
    name: 'arptables drops',
    finds: 'forward-drop',
    evidence: /nft, table arp filter, chain INPUT, handle \d+: arp .*drop/,
    breaks: 'arptables -A INPUT -j DROP; ip netns exec c1 ip neigh flush all',
    cleans: 'arptables -F',
  },
  {
    name: 'a rule drops the tunnel as it leaves the device',
    finds: 'port-dropped',
    evidence: /nft, table netdev fw, chain x, handle \d+: udp dport 8472 drop/,
    breaks:
      "nft 'table netdev fw { chain x { type filter hook egress device eth0 priority 0; udp dport 8472 drop; }; }'",
    cleans: 'nft delete table netdev fw',
  },
  {
    name: 'a rule of Docker masquerades between containers',
    finds: 'overlay-translated',
    evidence:
      /iptables, table nat, chain POSTROUTING, rule 1: -A POSTROUTING -s SUBNET ! -o br0 -j MASQUERADE/,
    breaks: 'iptables -t nat -A POSTROUTING -s SUBNET ! -o br0 -j MASQUERADE',
    cleans: 'iptables -t nat -F POSTROUTING',
    isHarmless: true,
  },
  {
    name: 'firewalld rejects what it forwards',
    finds: 'forward-drop',
    evidence: /nft, table inet firewalld, chain filter_FORWARD, handle \d+: reject with icmpx/,
    breaks: `nft -f - <<'END'
table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    jump filter_FORWARD_IN_ZONES
    ct state invalid drop
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD_IN_ZONES {
    iifname "eth0" goto filter_FWDI_public
  }
  chain filter_FWDI_public {
    meta l4proto icmp accept
  }
  chain filter_INPUT {
    type filter hook input priority 10; policy accept;
    udp dport 8472 accept
  }
}
END`,
    cleans: 'nft delete table inet firewalld',
  },
  {
    name: 'iptables rejects before the rules of the daemon',
    finds: 'forward-drop',
    evidence: /iptables, table filter, chain FORWARD, rule 1: -A FORWARD -j REJECT/,
    breaks: 'iptables -A FORWARD -j REJECT',
    cleans: FLUSH,
  },
  {
    name: 'iptables drops by the overlay device',
    finds: 'forward-drop',
    evidence: /chain FORWARD, rule 1: -A FORWARD -i flannel\.1 -j DROP/,
    breaks: 'iptables -I FORWARD -i flannel.1 -j DROP',
    cleans: FLUSH,
  },
  {
    name: 'DOCKER-USER drops',
    finds: 'forward-drop',
    evidence: /chain DOCKER-USER, rule 1: -A DOCKER-USER -j DROP/,
    breaks: 'iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER; iptables -A DOCKER-USER -j DROP',
    cleans: FLUSH,
  },
  {
    name: 'the policy of legacy iptables drops',
    finds: 'forward-drop',
    evidence: /iptables-legacy-save: -P FORWARD DROP, table filter/,
    breaks: 'iptables-legacy -P FORWARD DROP',
    cleans: 'iptables-legacy -F; iptables-legacy -P FORWARD ACCEPT',
  },
  {
    name: 'ufw rejects what is routed',
    finds: 'forward-drop',
    evidence: /chain ufw-reject-forward, rule 1: -A ufw-reject-forward -j REJECT/,
    breaks: `iptables-restore --noflush <<'END'
*filter
:ufw-before-forward - [0:0]
:ufw-after-logging-forward - [0:0]
:ufw-logging-deny - [0:0]
:ufw-reject-forward - [0:0]
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-logging-forward
-A FORWARD -j ufw-reject-forward
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp -m icmp --icmp-type 3 -j ACCEPT
-A ufw-after-logging-forward -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-logging-deny -m conntrack --ctstate INVALID -j RETURN
-A ufw-reject-forward -j REJECT
COMMIT
END`,
    cleans: FLUSH,
  },
  {
    name: 'the policy of INPUT drops',
    finds: 'port-dropped',
    evidence: /iptables-save: -P INPUT DROP, table filter/,
    breaks:
      'iptables -A INPUT -p icmp -j ACCEPT; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -P INPUT DROP',
    cleans: `iptables -P INPUT ACCEPT; ${FLUSH}`,
  },
  {
    name: 'a set of ports with that of the tunnel',
    finds: 'port-dropped',
    evidence: /nft, table inet fw, chain x, handle \d+: udp dport \{ 4789, 8472 \} drop/,
    breaks: chain('input', 'udp dport { 4789, 8472 } drop'),
    cleans: NO_CHAIN,
  },
  {
    name: 'legacy iptables drops the port of the tunnel',
    finds: 'port-dropped',
    evidence: /iptables-legacy, table filter, chain INPUT, rule 1: .*--dport 8472 -j DROP/,
    breaks: 'iptables-legacy -A INPUT -p udp --dport 8472 -j DROP',
    cleans: 'iptables-legacy -F',
  },
  {
    name: 'table raw drops',
    finds: 'port-dropped',
    evidence: /iptables, table raw, chain PREROUTING, rule 1: -A PREROUTING -p udp/,
    breaks: 'iptables -t raw -A PREROUTING -p udp -j DROP',
    cleans: 'iptables -t raw -F',
  },
  {
    name: 'OUTPUT drops to one peer',
    finds: 'port-dropped',
    evidence: /chain OUTPUT, rule 1: -A OUTPUT -d PEER\/32 -j DROP/,
    breaks: 'iptables -A OUTPUT -d PEER -j DROP',
    cleans: FLUSH,
  },
];
