// `nft -j list ruleset` as tables of the evaluator. The text of a rule comes from `nft -a list
// ruleset`, as the JSON has none. Pure.
import {
  elementsOf,
  matchElement,
  matchExpression,
  part,
  text,
  type Json,
  type MatchExpression,
  type NamedSets,
} from './nft-match.ts';
import { every, type Match } from './match.ts';
import type { Hook, Packet } from './packet.ts';
import type { BaseChain, Chain, Decision, Rule, Table, Verdict } from './ruleset.ts';

const FAMILIES = new Set(['ip', 'ip6', 'inet', 'netdev']);
/** Statements that change nothing about where a packet goes. */
const HARMLESS = new Set([
  'counter',
  'log',
  'notrack',
  'set',
  'map',
  'flow',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'dup',
  'last',
]);

/** Tables in the answers of `nft -j list ruleset` and `nft -a list ruleset`. @throws SyntaxError */
export function parseNftRuleset(json: string, listing: string): readonly Table[] {
  const { nftables = [] } = JSON.parse(json) as { nftables?: readonly Json[] };
  const texts = ruleTexts(listing);
  const of = (kind: string): readonly Json[] => nftables.flatMap((each) => part(each, kind) ?? []);
  const inTable = (table: Json) => (each: Json) =>
    text(each, 'family') === text(table, 'family') && text(each, 'table') === text(table, 'name');
  return of('table')
    .filter((table) => FAMILIES.has(text(table, 'family')))
    .map((table) => {
      const sets = namedSets([...of('set'), ...of('map')].filter(inTable(table)));
      const rules = of('rule').filter(inTable(table));
      const [family, name] = [text(table, 'family'), text(table, 'name')];
      const chains = of('chain')
        .filter(inTable(table))
        .map((chain) => {
          const own = rules.filter((rule) => text(rule, 'chain') === text(chain, 'name'));
          return toChain(
            chain,
            own.map((rule) => toRule(rule, sets, texts.get(`${family} ${name} ${handleOf(rule)}`))),
          );
        });
      return { program: 'nft', family, name, chains: new Map(chains.map((chain) => [chain.name, chain])) };
    });
}

function namedSets(rows: readonly Json[]): NamedSets {
  return new Map(
    rows.map((row) => {
      const elements = part(row, 'elem');
      return [text(row, 'name'), Array.isArray(elements) ? (elements as readonly Json[]) : []];
    }),
  );
}

function toChain(chain: Json, rules: readonly Rule[]): Chain {
  const name = text(chain, 'name');
  const base = baseOf(chain);
  return { name, rules, ...(base && { base }) };
}

/** Chains of type `nat` see the first packet of a connection alone, and seldom drop. */
function baseOf(chain: Json): BaseChain | undefined {
  const hook = text(chain, 'hook');
  if (hook === '' || text(chain, 'type') === 'nat') return undefined;
  const devices = part(chain, 'dev');
  return {
    hook: hook as Hook,
    priority: Number(part(chain, 'prio') ?? 0),
    isDropping: text(chain, 'policy') === 'drop',
    ...(devices !== undefined && { devices: [devices].flat().map(String) }),
  };
}

const handleOf = (rule: Json): number => Number(part(rule, 'handle') ?? 0);

function toRule(rule: Json, sets: NamedSets, known?: string): Rule {
  const parts = part(rule, 'expr');
  const statements = Array.isArray(parts) ? (parts as readonly Json[]) : [];
  return {
    text: known ?? JSON.stringify(statements),
    handle: handleOf(rule),
    decide: (packet) => decide(packet, statements, sets),
  };
}

function decide(packet: Packet, statements: readonly Json[], sets: NamedSets): Decision | undefined {
  const matches: Match[] = [];
  for (const statement of statements) {
    const [kind = ''] = Object.keys(statement as object);
    const body = part(statement, kind) ?? null;
    if (kind === 'match') matches.push(matchExpression(packet, body as unknown as MatchExpression, sets));
    else if (kind === 'vmap') return decideByMap(packet, body, sets, every(matches));
    else if (!HARMLESS.has(kind)) {
      const verdict = verdictOf(kind, body);
      if (verdict === 'condition') matches.push('unknown');
      else if (verdict !== undefined) return toDecision(every(matches), verdict);
    }
    if (every(matches) === 'no') return undefined;
  }
  return undefined;
}

function toDecision(match: Match, verdict: Verdict): Decision | undefined {
  return match === 'no' ? undefined : { isSure: match === 'yes', verdict };
}

/** A statement's verdict, or `condition`: it matches perhaps. */
function verdictOf(kind: string, body: Json): Verdict | 'condition' | undefined {
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      return { kind };
    case 'reject':
      return { kind: 'drop' };
    case 'jump':
    case 'goto':
      return { kind, chain: text(body, 'target') };
    case 'mangle':
      return markOf(body);
    case 'limit':
    case 'quota':
    case 'ct count':
    case 'meter':
      return 'condition';
    case 'xt':
      return text(body, 'type') === 'match' ? 'condition' : { kind: 'unknown' };
    default:
      return { kind: 'unknown' };
  }
}

/** `meta mark set 1`; other fields that a rule changes decide nothing. */
function markOf(body: Json): Verdict | undefined {
  if (text(part(part(body, 'key'), 'meta'), 'key') !== 'mark') return undefined;
  const value = part(body, 'value');
  return typeof value === 'number'
    ? { kind: 'mark', mark: () => value }
    : { kind: 'mark', mark: () => Number.NaN };
}

function decideByMap(packet: Packet, body: Json, sets: NamedSets, before: Match): Decision | undefined {
  if (before === 'no') return undefined;
  const key = part(body, 'key') ?? null;
  for (const pair of elementsOf(part(body, 'data') ?? null, sets) ?? []) {
    const [element = null, verdict = null] = pair as readonly Json[];
    const match = every([before, matchElement(packet, key, element, sets)]);
    const [kind = ''] = Object.keys(verdict ?? {});
    const decided = verdictOf(kind, part(verdict, kind) ?? null);
    if (match !== 'no' && decided !== undefined && decided !== 'condition') return toDecision(match, decided);
  }
  return undefined;
}

/** Texts of rules by family, table and handle. */
function ruleTexts(listing: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  let table = '';
  for (const line of listing.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    const [, rule, handle] = /^\t\t(.+) # handle (\d+)$/.exec(line) ?? [];
    if (rule !== undefined && handle !== undefined) texts.set(`${table} ${handle}`, rule);
  }
  return texts;
}
