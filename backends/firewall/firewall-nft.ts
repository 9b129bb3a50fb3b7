// Rules of one family as a table of nftables, in the format of `nft list table`. Pure.
import { MULTICAST, SERVICE_MARK } from './firewall-policy.ts';
import type { FirewallFamily, FirewallPolicy } from './firewall-policy.ts';
import type { FirewallObject } from '../kernel-state.ts';

/** Names of the tables that weft owns; flannel's names. */
export const NFT_TABLES = { 4: 'flannel-ipv4', 6: 'flannel-ipv6' } as const;

/** The table of one family. */
export function nftTable(each: FirewallFamily, policy: FirewallPolicy): FirewallObject {
  const name = NFT_TABLES[each.family];
  const keyword = each.family === 4 ? 'ip' : 'ip6';
  const chains = [
    ...(policy.isMasquerading ? [masquerade(each, keyword, policy.isFullyRandom)] : []),
    ...(policy.isForwardAccepted ? [forward(each, keyword)] : []),
  ];
  const rules = `table ${keyword} ${name} {\n${chains.join('\n')}}\n`;
  return { kind: 'firewall', engine: 'nft', family: each.family, name, rules };
}

function masquerade({ family, network, subnet }: FirewallFamily, ip: string, isFullyRandom: boolean): string {
  const statement = `masquerade${isFullyRandom ? ' fully-random' : ''}`;
  const mark = `0x${SERVICE_MARK.toString(16).padStart(8, '0')}`;
  return chain('postrtg', 'type nat hook postrouting priority srcnat; policy accept;', [
    `meta mark & ${mark} == ${mark} return`,
    `${ip} saddr ${subnet} ${ip} daddr ${network} return`,
    `${ip} saddr ${network} ${ip} daddr ${subnet} return`,
    `${ip} saddr != ${network} ${ip} daddr ${subnet} return`,
    `${ip} saddr ${network} ${ip} daddr != ${MULTICAST[family]} ${statement}`,
    `${ip} saddr != ${network} ${ip} daddr ${network} ${statement}`,
  ]);
}

function forward({ network }: FirewallFamily, ip: string): string {
  return chain('forward', 'type filter hook forward priority filter; policy accept;', [
    `${ip} saddr ${network} accept`,
    `${ip} daddr ${network} accept`,
  ]);
}

function chain(name: string, hook: string, rules: readonly string[]): string {
  return `\tchain ${name} {\n${[hook, ...rules].map((line) => `\t\t${line}\n`).join('')}\t}\n`;
}
