// Finds rules in the text of nftables that drop a UDP port from every sender, for a nft that prints
// no JSON, in the order in which the kernel takes them: what an earlier rule accepts, a later one of
// the same chain does not drop. Pure.

interface NftChain {
  readonly rules: string[];
  /** Whether the kernel calls it, and not only other chains. */
  isBase: boolean;
}

/** Chains by table and name, of the output of `nft list ruleset`. Lines outside of any are one chain. */
function parseChains(nft: string): ReadonlyMap<string, NftChain> {
  const chains = new Map<string, NftChain>();
  let [table, name] = ['', ''];
  for (const line of nft.split('\n').map((each) => each.trim())) {
    table = /^table (.+) \{/.exec(line)?.[1] ?? table;
    name = /^chain (\S+) \{/.exec(line)?.[1] ?? name;
    const key = `${table} ${name}`;
    const chain = chains.get(key) ?? { rules: [], isBase: name === '' };
    if (/^type \S+ hook /.test(line)) chain.isBase = true;
    chain.rules.push(line);
    chains.set(key, chain);
  }
  return chains;
}

/** Rules of `nft list ruleset` that drop UDP port `port` from every sender. */
export function findDrops(port: number, nft: string): readonly string[] {
  const chains = parseChains(nft);
  const counter = String.raw`(?:counter[^a-z]*(?:packets \d+ bytes \d+ )?)?`;
  const match = String.raw`udp dport (?:${port}|\{[^}]*\b${port}\b[^}]*\}) ${counter}`;
  const isDrop = new RegExp(String.raw`^(?:iifname \S+ )?${match}(?:drop|reject)`);
  const isAccept = new RegExp(
    `^(?:(?:meta l4proto |ip protocol |ip6 nexthdr )udp )?(?:${match}|${counter})(?:accept|return)(?: comment|$)`,
  );
  const drops: string[] = [];
  /** Whether the chain, or one that it jumps to, decides about the port. */
  const walk = (table: string, { rules }: NftChain, path: readonly NftChain[]): boolean => {
    for (const rule of rules) {
      if (isDrop.test(rule)) return drops.push(rule) > 0;
      if (isAccept.test(rule)) return !/return/.test(rule);
      const target = chains.get(`${table} ${/\b(?:jump|goto) (\S+)/.exec(rule)?.[1]}`);
      if (target !== undefined && !path.includes(target) && walk(table, target, [...path, target]))
        return true;
    }
    return false;
  };
  for (const [key, chain] of chains)
    if (chain.isBase) walk(key.slice(0, key.lastIndexOf(' ')), chain, [chain]);
  return drops.map((line) => `nft: ${line}`);
}
