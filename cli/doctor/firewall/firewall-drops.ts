// Finds rules of iptables and nftables that drop a UDP port from every sender, in the order in which
// the kernel takes them: what an earlier rule accepts, a later one of the same chain does not drop.
// Pure.

/** Input rules, in the syntax of their program, that drop UDP port `port` from every sender. */
export function findDrops(port: number, iptables: string, nft: string): readonly string[] {
  const inTables = iptables.split(/^(?=\*)/m).flatMap((table) => findTableDrops(port, table));
  if (inTables.length > 0) return inTables;
  return findNftDrops(port, nft).map((line) => `nft: ${line}`);
}

/** Each table has an INPUT of its own, and each of them must let the packet pass. */
function findTableDrops(port: number, table: string): readonly string[] {
  const rules = table.split('\n').filter((line) => line.startsWith('-A INPUT '));
  const first = rules.find((rule) => /-j (?:DROP|REJECT|ACCEPT)\b/.test(rule) && matchesPort(rule, port));
  const isClosed = /^:INPUT (?:DROP|REJECT)/m.test(table);
  if (first !== undefined && !first.includes('-j ACCEPT')) return [`iptables: ${first}`];
  if (first === undefined && isClosed && !rules.some((rule) => mayAccept(rule, port)))
    return [`iptables: policy of INPUT drops, and no rule accepts UDP port ${port}`];
  return [];
}

/** Whether a rule matches UDP port `port`, or all packets, from every sender. */
function matchesPort(rule: string, port: number): boolean {
  if (/ (?:-s|-i|!|--state|--ctstate|-m (?:limit|set|mark|owner)) ?/.test(rule)) return false;
  if (!/ -p | --dport/.test(rule)) return true;
  return (
    / -p udp\b/.test(rule) &&
    (!/--dport/.test(rule) || new RegExp(String.raw`--dports? (?:\S*,)?${port}\b`).test(rule))
  );
}

/** Whether a rule with conditions may accept the port from peers, for example by their network. */
function mayAccept(rule: string, port: number): boolean {
  return (
    /-j (?!DROP|REJECT|LOG)/.test(rule) &&
    !/-i lo\b|state/.test(rule) &&
    (!/--dport/.test(rule) || new RegExp(String.raw`\b${port}\b`).test(rule))
  );
}

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

function findNftDrops(port: number, nft: string): readonly string[] {
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
  return drops;
}
