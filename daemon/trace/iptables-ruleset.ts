// The output of `iptables-save`, of nftables' or the legacy variant, as tables of the evaluator. Pure.
import { matchOptions, splitArguments } from './iptables-match.ts';
import { perhapsChanged, type Hook, type Packet } from './packet.ts';
import type { BaseChain, Chain, FirewallProgram, Rule, Table, Verdict } from './ruleset.ts';

/** The kernel's priorities of tables (NF_IP_PRI_*). */
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  nat: -100,
  filter: 0,
  security: 50,
};
const HOOKS: Readonly<Record<string, Hook>> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};
/** Targets after which the next rule follows. */
const PASSING = new Set(
  'LOG NFLOG ULOG SECMARK CONNSECMARK TCPMSS TCPOPTSTRIP CLASSIFY DSCP TOS TTL HL SET CHECKSUM TRACE AUDIT LED RATEEST TEE IDLETIMER ECN'.split(
    ' ',
  ),
);
const BUILT_IN: Readonly<Record<string, Verdict>> = {
  ACCEPT: { kind: 'accept' },
  DROP: { kind: 'drop' },
  REJECT: { kind: 'drop' },
  RETURN: { kind: 'return' },
  // What translates a packet ends it at the hooks of NAT, which drop nothing else.
  MASQUERADE: { kind: 'drop' },
  SNAT: { kind: 'drop' },
  DNAT: { kind: 'drop' },
  REDIRECT: { kind: 'drop' },
  NETMAP: { kind: 'drop' },
};

/** Tables, with rules of `program`, which `command` changes. */
export function parseIptablesSave(
  save: string,
  program: FirewallProgram,
  command: string = program,
): readonly Table[] {
  const family = program.startsWith('ip6') ? 'ip6' : 'ip';
  return save
    .split(/^\*/m)
    .slice(1)
    .map((section) => section.split('\n'))
    .filter(([name = '']) => name.trim() in PRIORITIES)
    .map(([name = '', ...lines]) => ({
      program,
      command,
      family,
      name: name.trim(),
      chains: chainsOf(name.trim(), lines),
    }));
}

function chainsOf(table: string, lines: readonly string[]): ReadonlyMap<string, Chain> {
  const names = new Map<string, string>();
  const rules = new Map<string, Rule[]>();
  for (const line of lines) {
    const [, declared, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (declared !== undefined) names.set(declared, policy ?? '-');
    const chain = /^-A (\S+)/.exec(line)?.[1];
    if (chain === undefined) continue;
    const known = rules.get(chain) ?? [];
    rules.set(chain, [...known, toRule(line, known.length + 1)]);
  }
  return new Map(
    [...names].map(([name, policy]) => {
      const base = baseOf(table, name, policy);
      return [name, { name, rules: rules.get(name) ?? [], ...(base && { base }) }];
    }),
  );
}

/** Chains of rules have no policy, and print `-`. */
function baseOf(table: string, name: string, policy: string): BaseChain | undefined {
  const hook = HOOKS[name];
  if (hook === undefined || policy === '-') return undefined;
  // Table `nat` sees the first packet of a connection alone.
  const own: Hook = table === 'nat' ? (`nat-${hook}` as Hook) : hook;
  return { hook: own, priority: PRIORITIES[table] ?? 0, isDropping: policy === 'DROP' };
}

function toRule(line: string, handle: number): Rule {
  const [, , ...args] = splitArguments(line);
  const at = args.findIndex((arg) => arg === '-j' || arg === '-g' || arg === '--jump' || arg === '--goto');
  const conditions = at < 0 ? args : args.slice(0, at);
  const [option = '', target = '', ...options] = at < 0 ? [] : args.slice(at);
  const change = changeOf(target, options);
  const verdict = change === undefined ? verdictOf(option, target) : CONTINUE;
  return {
    text: line,
    handle,
    decide: (packet) => {
      if (verdict === undefined) return undefined;
      const match = matchOptions(packet, conditions);
      if (match === 'no') return undefined;
      const isSure = match === 'yes';
      if (change === undefined) return { isSure, verdict };
      const changed = change(packet);
      return { isSure, verdict, packet: isSure ? changed : perhapsChanged(packet, changed) };
    },
  };
}

const CONTINUE: Verdict = { kind: 'continue' };

function verdictOf(option: string, target: string): Verdict | undefined {
  if (target === '' || PASSING.has(target)) return undefined;
  if (option.startsWith('-g') || option === '--goto') return { kind: 'goto', chain: target };
  if (target in BUILT_IN) return BUILT_IN[target];
  // Targets of modules are in capitals as well as many chains; what a chain that does not exist decides
  // is unknown to the evaluator.
  return UNKNOWN_TARGETS.has(target) ? { kind: 'unknown' } : { kind: 'jump', chain: target };
}

const UNKNOWN_TARGETS = new Set('QUEUE NFQUEUE TPROXY SYNPROXY CLUSTERIP'.split(' '));

/** What a target changes before the next rule follows. */
function changeOf(target: string, options: readonly string[]): ((packet: Packet) => Packet) | undefined {
  if (target === 'MARK') {
    const change = markOf(options);
    return (packet) => ({ ...packet, mark: markAfter(packet.mark, change) });
  }
  const isMark = target === 'HMARK' || (target === 'CONNMARK' && options.includes('--restore-mark'));
  if (isMark) return (packet) => ({ ...packet, mark: undefined });
  const isNotrack = target === 'NOTRACK' || (target === 'CT' && options.includes('--notrack'));
  if (isNotrack) return (packet) => ({ ...packet, isUntracked: true });
  return target === 'CONNMARK' || target === 'CT' ? (packet) => packet : undefined;
}

/** A change of single bits that has one result for no and for all bits has it for any. */
function markAfter(before: number | undefined, change: (before: number) => number): number | undefined {
  const [low, high] = before === undefined ? [0, 0xffff_ffff] : [before, before];
  const after = change(low);
  return after === change(high) ? after : undefined;
}

/** `--set-xmark VALUE/MASK`: the bits of the mask are cleared, then those of the value are flipped. */
function markOf([option = '', argument = '']: readonly string[]): (before: number) => number {
  const [value = 0, mask = 0xffff_ffff] = argument.split('/').map(Number);
  if (Number.isNaN(value + mask)) return () => Number.NaN;
  switch (option) {
    case '--set-mark':
      return (before) => ((before & ~mask) | value) >>> 0;
    case '--set-xmark':
      return (before) => ((before & ~mask) ^ value) >>> 0;
    case '--or-mark':
      return (before) => (before | value) >>> 0;
    case '--and-mark':
      return (before) => (before & value) >>> 0;
    case '--xor-mark':
      return (before) => (before ^ value) >>> 0;
    default:
      return () => Number.NaN;
  }
}
