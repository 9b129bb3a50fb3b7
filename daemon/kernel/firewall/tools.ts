// Which firewall tools this host has, and which of them work in this process's network namespace.
import type { Family } from '../../../lib/address.ts';
import { runTool, type ToolOutput, type RunTool } from './run-tool.ts';

/** What the installed iptables can do. */
export interface IptablesTool {
  /** Its rules are not rules of nftables: the kernel reports no changes of them. */
  readonly isLegacy: boolean;
  /** Knows `--random-fully`. */
  readonly hasFullyRandom: boolean;
}

export interface FirewallTools {
  /** `nft list tables` works. */
  readonly hasNft: boolean;
  /** Unset if iptables does not work. */
  readonly iptables?: IptablesTool;
  /** Why a tool is missing, one line; empty if none is. */
  readonly error: string;
}

/** A host without firewall tools. */
export const NO_TOOLS: FirewallTools = {
  hasNft: false,
  error: 'nft: not installed; iptables: not installed',
};

/** First version of iptables that knows `--random-fully`. */
const FULLY_RANDOM_SINCE = [1, 6, 2] as const;

/** Runs both tools; they change nothing. Never rejects. */
export async function findFirewallTools(run: RunTool = runTool): Promise<FirewallTools> {
  const [nft, iptables] = await Promise.all([run('nft', ['list', 'tables']), run('iptables', ['--version'])]);
  const tool = parseIptablesVersion(iptables.stdout);
  const errors = [
    ...(nft.code === 0 ? [] : [`nft: ${describe(nft)}`]),
    ...(tool ? [] : [`iptables: ${describe(iptables)}`]),
  ];
  return { hasNft: nft.code === 0, ...(tool && { iptables: tool }), error: errors.join('; ') };
}

/** Why a tool failed, one line. */
export function describe({ code, stderr, stdout }: ToolOutput): string {
  if (code === 127) return 'not installed';
  if (code === 124) return 'did not end in time';
  const lines = (stderr.trim() || stdout.trim()).split('\n');
  return lines.map((line) => line.trim()).find((line) => line !== '') ?? `exit code ${code}`;
}

/** Parses the output of `iptables --version`; `undefined` if it has another form. */
export function parseIptablesVersion(text: string): IptablesTool | undefined {
  const match = /^iptables v(\d+)\.(\d+)\.(\d+)(?:.*\((\w+)\))?/.exec(text);
  if (match === null) return undefined;
  const version = match.slice(1, 4).map(Number);
  const differing = FULLY_RANDOM_SINCE.findIndex((part, index) => part !== version[index]);
  const hasFullyRandom = differing < 0 || version[differing]! > FULLY_RANDOM_SINCE[differing]!;
  return { isLegacy: match[4] !== 'nf_tables', hasFullyRandom };
}

/** nft's keyword for the address family. */
export function nftFamily(family: Family): string {
  return family === 4 ? 'ip' : 'ip6';
}

/** Name of the iptables tool for the address family. */
export function xtables(family: Family): string {
  return family === 4 ? 'iptables' : 'ip6tables';
}
