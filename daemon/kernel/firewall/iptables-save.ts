// Our part of what `iptables-save` prints, and scripts for `iptables-restore --noflush` that change nothing else. Pure.
import { OWN_CHAINS, chainName, jumpTo, type OwnChain } from '../../../backends/firewall-iptables.ts';

export interface SavedChains {
  /** Text of each chain of ours that exists, with the rules that lead to it, by name of its object. */
  readonly chains: ReadonlyMap<string, string>;
  /** The FORWARD chain drops what no rule accepts. */
  readonly isForwardDropping: boolean;
}

/** Takes what is ours out of the output of `iptables-save`. */
export function parseSave(text: string): SavedChains {
  const tables = splitTables(text);
  const chains = new Map<string, string>();
  for (const own of OWN_CHAINS) {
    const lines = takeOwn(own, tables.get(own.table) ?? []);
    if (lines.length > 0) chains.set(chainName(own), lines.map((line) => `${line}\n`).join(''));
  }
  const isForwardDropping = (tables.get('filter') ?? []).some((line) => line.startsWith(':FORWARD DROP'));
  return { chains, isForwardDropping };
}

function splitTables(text: string): ReadonlyMap<string, readonly string[]> {
  const tables = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of text.split('\n'))
    if (line.startsWith('*')) tables.set(line.slice(1).trim(), (lines = []));
    else lines.push(line);
  return tables;
}

/** The chain itself, what leads to it, its rules; in this order, whatever the order of the chains. */
function takeOwn(own: OwnChain, lines: readonly string[]): readonly string[] {
  const { chain } = own;
  const declared = lines.some((line) => line.startsWith(`:${chain} `)) ? [`:${chain} -`] : [];
  const jumps = lines.filter((line) => leadsTo(own, line));
  return [...declared, ...jumps, ...lines.filter((line) => line.startsWith(`-A ${chain} `))];
}

/** Rules of the built-in chain that are ours; flannel once wrote its rules there directly. Those of others chains are not. */
function leadsTo({ from, chain, comment }: OwnChain, line: string): boolean {
  if (!line.startsWith(`-A ${from} `)) return false;
  return line.endsWith(` -j ${chain}`) || line.includes(` --comment "${comment}" `);
}

/** Makes `wanted` of a chain whose text is `found` (empty if there is none). The rule that leads there stays in its place. */
export function setScript(own: OwnChain, wanted: string, found: string): string {
  const jumps = found.split('\n').filter((line) => leadsTo(own, line));
  const kept = jumps.indexOf(jumpTo(own));
  const rules = wanted.split('\n').filter((line) => line.startsWith(`-A ${own.chain} `));
  return script(own, [
    ...rules,
    ...jumps.filter((_, index) => index !== kept).map(deletion),
    ...(kept < 0 ? [jumpTo(own)] : []),
  ]);
}

/** Removes a chain whose text is `found`, and what leads there. */
export function removeScript(own: OwnChain, found: string): string {
  const jumps = found.split('\n').filter((line) => leadsTo(own, line));
  return script(own, [...jumps.map(deletion), `-X ${own.chain}`]);
}

/** One transaction. To declare a chain empties it, or makes it. */
function script({ table, chain }: OwnChain, commands: readonly string[]): string {
  return [`*${table}`, `:${chain} - [0:0]`, ...commands, 'COMMIT', ''].join('\n');
}

function deletion(rule: string): string {
  return rule.replace(/^-A /, '-D ');
}
