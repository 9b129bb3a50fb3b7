// Which programs of the firewall this host has, and which of them work in this process's network namespace.
import { runProgram, type ProgramOutput, type RunProgram } from './run-program.ts';

export interface IptablesTool {
  /** Its rules are no rules of nftables, so that nobody tells when they change. */
  readonly isLegacy: boolean;
  readonly hasFullyRandom: boolean;
}

export interface FirewallTools {
  readonly hasNft: boolean;
  /** Unset if there is none. */
  readonly iptables?: IptablesTool;
  /** Why what is missing is missing, one line. */
  readonly problem: string;
}

/** A host without any. */
export const NO_TOOLS: FirewallTools = {
  hasNft: false,
  problem: 'nft: not installed; iptables: not installed',
};

/** First version of iptables that knows `--random-fully`. */
const FULLY_RANDOM_SINCE = [1, 6, 2] as const;

/** Asks both. Nothing is changed in the kernel. */
export async function findFirewallTools(run: RunProgram = runProgram): Promise<FirewallTools> {
  const [nft, iptables] = await Promise.all([run('nft', ['list', 'tables']), run('iptables', ['--version'])]);
  const program = parseIptablesVersion(iptables.stdout);
  const problems = [
    ...(nft.code === 0 ? [] : [`nft: ${describe(nft)}`]),
    ...(program ? [] : [`iptables: ${describe(iptables)}`]),
  ];
  return { hasNft: nft.code === 0, ...(program && { iptables: program }), problem: problems.join('; ') };
}

/** What went wrong with a program, one line. */
export function describe({ code, stderr, stdout }: ProgramOutput): string {
  if (code === 127) return 'not installed';
  if (code === 124) return 'did not end in time';
  const lines = (stderr.trim() || stdout.trim()).split('\n');
  return lines.map((line) => line.trim()).find((line) => line !== '') ?? `exit code ${code}`;
}

/** Reads `iptables --version`; `undefined` if it is none. */
export function parseIptablesVersion(text: string): IptablesTool | undefined {
  const match = /^iptables v(\d+)\.(\d+)\.(\d+)(?:.*\((\w+)\))?/.exec(text);
  if (match === null) return undefined;
  const version = match.slice(1, 4).map(Number);
  const differing = FULLY_RANDOM_SINCE.findIndex((part, index) => part !== version[index]);
  const hasFullyRandom = differing < 0 || version[differing]! > FULLY_RANDOM_SINCE[differing]!;
  return { isLegacy: match[4] !== 'nf_tables', hasFullyRandom };
}
