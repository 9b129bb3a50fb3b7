// Firewall rules as the evaluator takes them, whichever program wrote them. Each program has a parser
// to this form.
import type { Hook, Packet } from './packet.ts';

/** The program that lists and changes a table. */
export type FirewallProgram = 'nft' | 'iptables' | 'ip6tables' | 'iptables-legacy' | 'ip6tables-legacy';

export interface Table {
  readonly program: FirewallProgram;
  /** Name under which the program that printed the table changes it; default: `program`. */
  readonly command?: string;
  /** nftables' family: `ip`, `ip6`, `inet`, `netdev`, `bridge`, `arp`. */
  readonly family: string;
  readonly name: string;
  readonly chains: ReadonlyMap<string, Chain>;
}

export interface Chain {
  readonly name: string;
  /** Unset for a chain that only rules call. */
  readonly base?: BaseChain;
  readonly rules: readonly Rule[];
}

export interface BaseChain {
  readonly hook: Hook;
  /** Chains of one hook run in ascending order. */
  readonly priority: number;
  readonly isDropping: boolean;
  /** Of hooks `ingress` and `egress`: the devices. */
  readonly devices?: readonly string[];
}

export interface Rule {
  /** As the program prints it. */
  readonly text: string;
  /** nftables' handle, or the number of the rule in its chain. */
  readonly handle: number;
  /** What it does to a packet; `undefined` if it does not match. */
  readonly decide: (packet: Packet) => Decision | undefined;
}

export interface Decision {
  /** Whether the rule surely matches. */
  readonly isSure: boolean;
  readonly verdict: Verdict;
  /** As the rule leaves it; unset if unchanged. What the rule changes, it may change without a match. */
  readonly packet?: Packet;
}

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** Ends the chain in a manner that is not evaluated. */
  | { readonly kind: 'unknown' };

/** Whether a table holds rules for such packets. */
export function concerns({ family }: Table, packet: Pick<Packet, 'family' | 'protocol'>): boolean {
  if (family === 'netdev' || family === 'bridge') return true;
  if (family === 'arp' || packet.protocol === 'arp') return family === packet.protocol;
  return family === 'inet' || family === (packet.family === 4 ? 'ip' : 'ip6');
}
