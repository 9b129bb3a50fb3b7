// The firewall rules of this host, whichever program wrote them, and which could not be read.
import { parseIptablesSave } from '../../../daemon/trace/iptables-ruleset.ts';
import { parseNftRuleset } from '../../../daemon/trace/nft-ruleset.ts';
import type { FirewallProgram, Table } from '../../../daemon/trace/ruleset.ts';
import type { Facts } from '../facts.ts';

export interface FirewallRules {
  readonly tables: readonly Table[];
  /** What was not read, one line each. */
  readonly unread: readonly string[];
  /** Whether nftables' tables are among them, or would be if there were any. */
  readonly hasNft: boolean;
}

const MISSING = 127;

/** Read once. */
export function readFirewall(facts: Facts): Promise<FirewallRules> {
  return facts.once('firewall', async () => {
    const [nft, ...saved] = await Promise.all([
      readNft(facts),
      readSaved(facts, 'iptables'),
      readSaved(facts, 'ip6tables'),
      readSaved(facts, 'iptables-legacy'),
      readSaved(facts, 'ip6tables-legacy'),
    ]);
    const tables = saved.flatMap((each) => each.tables);
    // Rules that iptables wrote into nftables have conditions that only iptables prints.
    const isKnown = ({ family, name }: Table): boolean =>
      tables.some((table) => !isLegacy(table.program) && table.family === family && table.name === name);
    return {
      tables: [...nft.tables.filter((table) => !isKnown(table)), ...tables],
      unread: [...nft.unread, ...saved.flatMap((each) => each.unread)],
      hasNft: nft.unread.length === 0,
    };
  });
}

interface Read {
  readonly tables: readonly Table[];
  readonly unread: readonly string[];
}

const isLegacy = (program: FirewallProgram): boolean => program.endsWith('legacy');

async function readNft(facts: Facts): Promise<Read> {
  const [json, listing] = await Promise.all([
    facts.run('nft', '-j', 'list', 'ruleset'),
    facts.run('nft', '-a', 'list', 'ruleset'),
  ]);
  if (json.code === MISSING) return { tables: [], unread: ['rules of nftables: nft is not installed'] };
  if (json.code !== 0)
    return { tables: [], unread: [`rules of nftables: nft -j: ${firstLine(json.stderr)}`] };
  return { tables: parseNftRuleset(json.stdout, listing.stdout), unread: [] };
}

/**
 * `iptables-save` is of either variant, by the host's choice; the name with the variant says which.
 * Where nothing legacy was ever used, the legacy program may be missing.
 */
async function readSaved(facts: Facts, program: FirewallProgram): Promise<Read> {
  const names = isLegacy(program)
    ? [`${program}-save`, `${program.replace('-legacy', '')}-save`]
    : [`${program}-nft-save`, `${program}-save`];
  for (const name of names) {
    const { code, stdout, stderr } = await facts.run(name);
    if (code === MISSING) continue;
    if (code !== 0) return { tables: [], unread: [`rules of ${program}: ${name}: ${firstLine(stderr)}`] };
    const isOfNft = name.includes('nft') || stdout.includes('(nf_tables)');
    if (name.includes('legacy') || isOfNft !== isLegacy(program))
      return { tables: parseIptablesSave(stdout, program, name.replace('-save', '')), unread: [] };
  }
  return isLegacy(program) ? readLegacyNames(facts, program) : { tables: [], unread: [] };
}

/** The kernel lists tables of legacy iptables that exist, without their rules. */
async function readLegacyNames(facts: Facts, program: FirewallProgram): Promise<Read> {
  const file = program.startsWith('ip6') ? 'ip6_tables_names' : 'ip_tables_names';
  const names = (await facts.file(`proc/net/${file}`))?.trim().split('\n').filter(Boolean) ?? [];
  return {
    tables: [],
    unread:
      names.length === 0
        ? []
        : [`rules of ${program} (tables ${names.join(', ')}): ${program}-save is not installed`],
  };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
