// `nft -j list ruleset` as tables of the evaluator. The text of a rule comes from `nft -a list
// ruleset`, as the JSON has none. Pure.
import {
  elementsOf,
  matchElement,
  matchExpression,
  numberOf,
  part,
  text,
  valueOf,
  type Json,
  type MatchExpression,
  type NamedSets,
} from './nft-match.ts';
import { every, type Match } from './match.ts';
import { perhapsChanged, type Hook, type Packet } from './packet.ts';
import type { BaseChain, Chain, Decision, Rule, Table, Verdict } from './ruleset.ts';

const FAMILIES = new Set(['ip', 'ip6', 'inet', 'netdev', 'bridge', 'arp']);
/** Statements that change nothing about where a packet goes. */
const HARMLESS = new Set([
  'counter',
  'log',
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
  const devices = chainDevices(listing);
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
            devices.get(`${family} ${name} ${text(chain, 'name')}`),
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

function toChain(chain: Json, devices: readonly string[] | undefined, rules: readonly Rule[]): Chain {
  const name = text(chain, 'name');
  const base = baseOf(chain, devices);
  return { name, rules, ...(base && { base }) };
}

function baseOf(chain: Json, listed?: readonly string[]): BaseChain | undefined {
  const hook = text(chain, 'hook');
  if (hook === '') return undefined;
  const devices = part(chain, 'dev') ?? listed;
  return {
    hook: hookOf(chain, hook),
    priority: Number(part(chain, 'prio') ?? 0),
    isDropping: text(chain, 'policy') === 'drop',
    ...(devices !== undefined && { devices: [devices].flat().map(String) }),
  };
}

/** Chains of type `nat` see the first packet of a connection alone. */
function hookOf(chain: Json, hook: string): Hook {
  const family = text(chain, 'family');
  if (text(chain, 'type') === 'nat') return `nat-${hook}` as Hook;
  return (family === 'bridge' || family === 'arp' ? `${family}-${hook}` : hook) as Hook;
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

function decide(start: Packet, statements: readonly Json[], sets: NamedSets): Decision | undefined {
  let packet = start;
  let match: Match = 'yes';
  for (const statement of statements) {
    const [kind = ''] = Object.keys(statement as object);
    const body = part(statement, kind) ?? null;
    const isSure: boolean = match === 'yes';
    const changed = changeOf(packet, kind, body);
    if (changed !== undefined) packet = isSure ? changed : perhapsChanged(packet, changed);
    else if (kind === 'match')
      match = every([match, matchExpression(packet, body as unknown as MatchExpression, sets)]);
    else if (isCondition(kind, body)) match = 'unknown';
    else if (kind === 'vmap') return decideByMap({ packet, sets, isSure }, body) ?? passing(start, packet);
    else if (!HARMLESS.has(kind)) return { isSure, verdict: verdictOf(kind, body), packet };
    if (match === 'no') break;
  }
  return passing(start, packet);
}

/** A rule without a verdict, or without a match, that changes the packet perhaps. */
function passing(before: Packet, packet: Packet): Decision | undefined {
  return packet === before ? undefined : { isSure: true, verdict: { kind: 'continue' }, packet };
}

/** Statements that let a packet pass to the next one perhaps. */
const CONDITIONS = new Set(['limit', 'quota', 'ct count', 'meter']);

const isCondition = (kind: string, body: Json): boolean =>
  CONDITIONS.has(kind) || (kind === 'xt' && text(body, 'type') === 'match');

function verdictOf(kind: string, body: Json): Verdict {
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      return { kind };
    case 'reject':
    // What translates a packet ends it at the hooks of NAT, which drop nothing else.
    case 'masquerade':
    case 'snat':
    case 'dnat':
    case 'redirect':
      return { kind: 'drop' };
    case 'jump':
    case 'goto':
      return { kind, chain: text(body, 'target') };
    default:
      return { kind: 'unknown' };
  }
}

/**
 * `meta mark set 1`, `notrack`; other fields that a rule changes decide nothing. `undefined` for other
 * statements.
 */
function changeOf(packet: Packet, kind: string, body: Json): Packet | undefined {
  if (kind === 'notrack') return { ...packet, isUntracked: true };
  if (kind !== 'mangle') return undefined;
  if (text(part(part(body, 'key'), 'meta'), 'key') !== 'mark') return packet;
  return { ...packet, mark: numberOf(packet, part(body, 'value') ?? null) };
}

interface Reached {
  readonly packet: Packet;
  readonly sets: NamedSets;
  readonly isSure: boolean;
}

/** The verdict of the element that has the packet's key: one at most has it, and `*` is for the rest. */
function decideByMap({ packet, sets, isSure }: Reached, body: Json): Decision | undefined {
  const key = part(body, 'key') ?? null;
  const undecided: Decision = {
    isSure: false,
    verdict: { kind: 'unknown' },
    packet: { ...packet, mark: undefined },
  };
  const pairs = elementsOf(part(body, 'data') ?? null, sets);
  if (pairs === undefined) return undecided;
  const elements = pairs.map((pair) => {
    const [element = null, verdict = null] = pair as readonly Json[];
    const isRest = valueOf(element) === '*';
    return { verdict, isRest, match: isRest ? 'yes' : matchElement(packet, key, element, sets) };
  });
  const [rest, listed] = [elements.filter(({ isRest }) => isRest), elements.filter(({ isRest }) => !isRest)];
  const certain = listed.filter(({ match }) => match === 'yes');
  const possible =
    certain.length > 0 ? certain : [...listed.filter(({ match }) => match === 'unknown'), ...rest];
  const [one] = possible;
  if (one === undefined) return undefined;
  if (possible.length > 1) return undecided;
  const [kind = ''] = Object.keys(one.verdict ?? {});
  const verdict = verdictOf(kind, part(one.verdict, kind) ?? null);
  return { isSure: isSure && one.match === 'yes', verdict, packet };
}

/** Devices of chains, by family, table and chain: nft 1.0.6 has them in its text alone. */
function chainDevices(listing: string): ReadonlyMap<string, readonly string[]> {
  const devices = new Map<string, readonly string[]>();
  let [table, chain] = ['', ''];
  for (const line of listing.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\tchain (\S+) \{/.exec(line)?.[1] ?? chain;
    const names = /^\t\ttype \S+ hook \S+ devices? (?:= \{ )?(.+?)(?: \})? priority /.exec(line)?.[1];
    if (names !== undefined) devices.set(`${table} ${chain}`, names.replaceAll('"', '').split(', '));
  }
  return devices;
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
