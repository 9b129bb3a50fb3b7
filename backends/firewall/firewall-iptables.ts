// Rules of one family as chains of iptables, in the format of `iptables-save`. Pure.
import type { Family } from '../../lib/address.ts';
import { MULTICAST, SERVICE_MARK } from './firewall-policy.ts';
import type { FirewallFamily, FirewallPolicy } from './firewall-policy.ts';
import type { FirewallObject } from '../kernel-state.ts';

/** A chain that weft owns. */
export interface OwnChain {
  readonly table: 'nat' | 'filter';
  /** Built-in chain that leads to it. */
  readonly from: string;
  readonly chain: string;
  /** Comment of all its rules; flannel finds them by it. */
  readonly comment: string;
}

export const MASQUERADE_CHAIN: OwnChain = {
  table: 'nat',
  from: 'POSTROUTING',
  chain: 'FLANNEL-POSTRTG',
  comment: 'flanneld masq',
};
export const FORWARD_CHAIN: OwnChain = {
  table: 'filter',
  from: 'FORWARD',
  chain: 'FLANNEL-FWD',
  comment: 'flanneld forward',
};
export const OWN_CHAINS: readonly OwnChain[] = [MASQUERADE_CHAIN, FORWARD_CHAIN];

/** Name of a chain's object, for example `nat FLANNEL-POSTRTG`. */
export function chainName({ table, chain }: OwnChain): string {
  return `${table} ${chain}`;
}

/** The rule that jumps to a chain. */
export function jumpTo({ from, chain, comment }: OwnChain): string {
  return `-A ${from} -m comment --comment "${comment}" -j ${chain}`;
}

export function masqueradeChain(
  { family, network, subnet }: FirewallFamily,
  { isFullyRandom }: FirewallPolicy,
): FirewallObject {
  const target = `MASQUERADE${isFullyRandom ? ' --random-fully' : ''}`;
  const mark = `0x${SERVICE_MARK.toString(16)}`;
  return chainObject(family, MASQUERADE_CHAIN, [
    [`-m mark --mark ${mark}/${mark}`, 'RETURN'],
    [`-s ${subnet} -d ${network}`, 'RETURN'],
    [`-s ${network} -d ${subnet}`, 'RETURN'],
    [`! -s ${network} -d ${subnet}`, 'RETURN'],
    [`-s ${network} ! -d ${MULTICAST[family]}`, target],
    [`! -s ${network} -d ${network}`, target],
  ]);
}

export function forwardChain({ family, network }: FirewallFamily): FirewallObject {
  return chainObject(family, FORWARD_CHAIN, [
    [`-s ${network}`, 'ACCEPT'],
    [`-d ${network}`, 'ACCEPT'],
  ]);
}

type Rule = readonly [match: string, target: string];

function chainObject(family: Family, own: OwnChain, rules: readonly Rule[]): FirewallObject {
  const lines = [
    `:${own.chain} -`,
    jumpTo(own),
    ...rules.map(
      ([match, target]) => `-A ${own.chain} ${match} -m comment --comment "${own.comment}" -j ${target}`,
    ),
  ];
  const text = lines.map((line) => `${line}\n`).join('');
  return { kind: 'firewall', engine: 'iptables', family, name: chainName(own), rules: text };
}
