// Our part of the output of `iptables-save`, and scripts for `iptables-restore --noflush` that
// change nothing else. Pure.
import {
  OWN_CHAINS,
  chainName,
  jumpTo,
  type OwnChain,
} from '../../../backends/firewall/firewall-iptables.ts';

export interface SavedChains {
  /**
   * Text of each chain of ours that exists, with the rules that jump to it, by name of its object.
   */
  readonly chains: ReadonlyMap<string, string>;
  /** The FORWARD chain drops packets that no rule accepts. */
  readonly isForwardDropping: boolean;
}

/** Parses our chains out of the output of `iptables-save`. */
export function parseSave(text: string): SavedChains {
  const tables = splitTables(text);
  const chains = new Map<string, string>();
  for (const own of OWN_CHAINS) {
    const lines = selectOwn(own, tables.get(own.table) ?? []);
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

/**
 * The chain itself, the jumps to it, its rules; in this order, independent of the order of the
 * chains.
 */
function selectOwn(own: OwnChain, lines: readonly string[]): readonly string[] {
  const { chain } = own;
  const declared = lines.some((line) => line.startsWith(`:${chain} `)) ? [`:${chain} -`] : [];
  const jumps = lines.filter((line) => isOurJump(own, line));
  return [...declared, ...jumps, ...lines.filter((line) => line.startsWith(`-A ${chain} `))];
}

/**
 * Whether a rule of the built-in chain is ours: a jump to our chain, or one of the rules that older
 * flannel wrote into the built-in chain. Jumps from other chains are not ours.
 */
function isOurJump({ from, chain, comment }: OwnChain, line: string): boolean {
  if (!line.startsWith(`-A ${from} `)) return false;
  return line.endsWith(` -j ${chain}`) || line.includes(` --comment "${comment}" `);
}

/**
 * Script that turns a chain with the text `found` (empty if there is none) into `wanted`. The jump
 * to it keeps its place.
 */
export function setScript(own: OwnChain, wanted: string, found: string): string {
  const jumps = found.split('\n').filter((line) => isOurJump(own, line));
  const kept = jumps.indexOf(jumpTo(own));
  const rules = wanted.split('\n').filter((line) => line.startsWith(`-A ${own.chain} `));
  return script(own, [
    ...rules,
    ...jumps.filter((_, index) => index !== kept).map(deletion),
    ...(kept < 0 ? [jumpTo(own)] : []),
  ]);
}

/** Script that removes a chain with the text `found`, and the jumps to it. */
export function removeScript(own: OwnChain, found: string): string {
  const jumps = found.split('\n').filter((line) => isOurJump(own, line));
  return script(own, [...jumps.map(deletion), `-X ${own.chain}`]);
}

/** One transaction. The declaration of a chain creates or empties it. */
function script({ table, chain }: OwnChain, commands: readonly string[]): string {
  return [`*${table}`, `:${chain} - [0:0]`, ...commands, 'COMMIT', ''].join('\n');
}

function deletion(rule: string): string {
  return rule.replace(/^-A /, '-D ');
}

/** The chain of ours that an object's `name` names. @throws Error for any other name */
export function chainNamed(name: string): OwnChain {
  const own = OWN_CHAINS.find((each) => chainName(each) === name);
  if (own === undefined) throw new Error(`Unknown chain ${name}`);
  return own;
}
