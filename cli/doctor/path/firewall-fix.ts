// How a rule or a policy is named, and the command that lets the overlay's packets pass it and no
// others. Pure.
import type { Cidr, Family } from '../../../lib/address.ts';
import type { Place } from '../../../daemon/trace/evaluate.ts';
import type { Hook } from '../../../daemon/trace/packet.ts';
import type { Tunnel } from './stages.ts';

/** `iptables, table filter, chain INPUT, rule 1: -A INPUT …`. */
export function renderPlace({ table, chain, base, rule }: Place): string {
  const { program, family, name } = table;
  if (program !== 'nft') {
    if (rule === undefined)
      return `${program}-save: -P ${base.name} DROP, table ${name}, and no rule accepts the packet`;
    return `${program}, table ${name}, chain ${chain.name}, rule ${rule.handle}: ${rule.text}`;
  }
  const where = `nft, table ${family} ${name}, chain ${chain.name}`;
  if (rule === undefined) return `${where}: policy drop, and no rule accepts the packet`;
  return `${where}, handle ${rule.handle}: ${rule.text}`;
}

/** Identifies a rule or a policy. */
export function placeKey({ table, chain, rule }: Place): string {
  return `${table.program} ${table.family} ${table.name} ${chain.name} ${rule?.handle ?? 'policy'}`;
}

/** What a firewall must let pass. */
export type Traffic =
  | { readonly layer: 'inner'; readonly family: Family; readonly network: Cidr }
  | { readonly layer: 'arp'; readonly family: 4; readonly bridge: string }
  | { readonly layer: 'tunnel'; readonly family: Family; readonly tunnel: Tunnel };

/**
 * A command that accepts `traffic` at the head of the chain that the kernel calls: a rule in a chain
 * of a firewall's manager would be gone when that writes its rules.
 */
export function acceptCommand({ table, base }: Place, traffic: Traffic): string {
  if (traffic.layer === 'arp')
    return `nft insert rule ${table.family} ${table.name} ${base.name} ${arpMatch(base, table, traffic.bridge)} accept`;
  if (table.program === 'nft')
    return `nft insert rule ${table.family} ${table.name} ${base.name} ${nftMatch(traffic)} accept`;
  const option = table.name === 'filter' ? '' : ` -t ${table.name}`;
  return `${table.command ?? table.program}${option} -I ${base.name} ${iptablesMatch(traffic)} -j ACCEPT`;
}

/** Programs take the name `ipip` for 94, which /etc/protocols gives it. */
const protocolOf = ({ protocol }: Tunnel): string => (protocol === 'ipip' ? '4' : protocol);

function arpMatch({ base }: Place['base'], { family }: Place['table'], bridge: string): string {
  if (family !== 'arp') return 'ether type arp';
  return `${base?.hook === 'arp-output' ? 'oifname' : 'iifname'} ${bridge}`;
}

/** What has a rule of its own, as IP packets and those of the tunnel. */
type IpTraffic = Exclude<Traffic, { layer: 'arp' }>;

function nftMatch(traffic: IpTraffic): string {
  if (traffic.layer === 'inner') {
    const field = traffic.family === 4 ? 'ip' : 'ip6';
    return `${field} saddr ${traffic.network} ${field} daddr ${traffic.network}`;
  }
  const { port } = traffic.tunnel;
  return port === undefined ? `meta l4proto ${protocolOf(traffic.tunnel)}` : `udp dport ${port}`;
}

function iptablesMatch(traffic: IpTraffic): string {
  if (traffic.layer === 'inner') return `-s ${traffic.network} -d ${traffic.network}`;
  const { port } = traffic.tunnel;
  return port === undefined ? `-p ${protocolOf(traffic.tunnel)}` : `-p udp --dport ${port}`;
}

/** Where the rule must be kept, so that the program that wrote the other one does not drop it again. */
export function keepHint(places: readonly Place[], traffic: Traffic): string {
  const names = places.flatMap(({ table, chain, base }) => [table.name, chain.name, base.name]).join(' ');
  if (traffic.layer === 'arp') return KEEP;
  if (/firewalld/.test(names)) return firewalldHint(traffic);
  if (/\bufw6?-/.test(names)) return ufwHint(traffic);
  if (/\bDOCKER/.test(names)) return 'and in the script that fills chain DOCKER-USER';
  return KEEP;
}

const KEEP = 'and in the configuration of that firewall, to keep it; or remove the rule that drops';

function firewalldHint(traffic: IpTraffic): string {
  if (traffic.layer === 'inner')
    return `to keep it: firewall-cmd --permanent --zone=trusted --add-source=${traffic.network}; firewall-cmd --reload`;
  const { port } = traffic.tunnel;
  const option =
    port === undefined ? `--add-protocol=${protocolOf(traffic.tunnel)}` : `--add-port=${port}/udp`;
  return `to keep it: firewall-cmd --permanent ${option}; firewall-cmd --reload`;
}

function ufwHint(traffic: IpTraffic): string {
  if (traffic.layer === 'inner')
    return `to keep it: ufw route allow from ${traffic.network} to ${traffic.network}`;
  const { port } = traffic.tunnel;
  // Rules of ufw have ports, or few protocols.
  return port === undefined
    ? `to keep it: -A ufw-before-input -p ${protocolOf(traffic.tunnel)} -j ACCEPT in /etc/ufw/before.rules, before COMMIT; ufw reload`
    : `to keep it: ufw allow ${port}/udp`;
}

/** Effect of a drop at a hook. */
export function impactOf(hooks: readonly Hook[], layer: Traffic['layer']): string {
  if (layer === 'arp') return 'Containers of this host and their gateway do not find each other';
  if (layer === 'inner') return 'Containers of this host and of other hosts do not reach each other';
  return hooks.some((hook) => hook === 'output' || hook === 'postrouting' || hook === 'egress')
    ? 'No packet of containers of this host leaves for those hosts'
    : 'No packet of containers arrives from other hosts';
}
