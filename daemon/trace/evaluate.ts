// What firewall rules do to one packet: the first rule or policy that drops it, in the kernel's
// order. Pure. A rule that cannot be evaluated makes what follows uncertain: it may have accepted the
// packet before.
import { perhapsChanged, type Hook, type Packet } from './packet.ts';
import { concerns, type Chain, type Rule, type Table } from './ruleset.ts';

/** A rule or a policy. */
export interface Place {
  readonly table: Table;
  /** Chain of the rule. */
  readonly chain: Chain;
  /** Chain that the kernel called. */
  readonly base: Chain;
  /** Unset: the policy of `base`. */
  readonly rule?: Rule;
}

export interface Outcome {
  /** What drops the packet; unset if it passes. */
  readonly drop?: Place;
  /** Rules that may drop it, or may accept it before `drop` does. */
  readonly doubts: readonly Place[];
  /** As the hook leaves it: the next one meets its mark. */
  readonly packet: Packet;
}

interface Walk {
  readonly table: Table;
  readonly base: Chain;
  readonly doubts: Place[];
  /** Whether a rule may have accepted the packet. */
  isUncertain: boolean;
}

type End = { readonly kind: 'accept' | 'end' } | { readonly kind: 'drop'; readonly place: Place };

/** nftables allows 16 levels of jumps (NFT_JUMP_STACK_SIZE), iptables checks for loops. */
const MAX_DEPTH = 16;

/** Whether `tables` let a packet pass at a hook. */
export function evaluate(tables: readonly Table[], hook: Hook, packet: Packet): Outcome {
  const doubts: Place[] = [];
  let current = packet;
  for (const { table, chain } of chainsOf(tables, hook, packet)) {
    const walk: Walk = { table, base: chain, doubts: [], isUncertain: false };
    const { end, packet: after } = walkChain(walk, chain, current, 0);
    current = walk.isUncertain ? perhapsChanged(current, after) : after;
    doubts.push(...walk.doubts);
    const isPolicy = end.kind === 'end' && chain.base?.isDropping === true;
    if (end.kind !== 'drop' && !isPolicy) continue;
    const drop = end.kind === 'drop' ? end.place : { table, chain, base: chain };
    return walk.isUncertain
      ? { doubts: [...doubts, drop], packet: current }
      : { drop, doubts, packet: current };
  }
  return { doubts, packet: current };
}

function chainsOf(
  tables: readonly Table[],
  hook: Hook,
  packet: Packet,
): readonly { readonly table: Table; readonly chain: Chain }[] {
  return tables
    .filter((table) => concerns(table, packet))
    .flatMap((table) => [...table.chains.values()].map((chain) => ({ table, chain })))
    .filter(
      ({ chain: { base } }) =>
        base?.hook === hook && isOnDevice(base.devices, hook === 'egress' ? packet.oif : packet.iif),
    )
    .toSorted((a, b) => a.chain.base!.priority - b.chain.base!.priority);
}

function isOnDevice(devices: readonly string[] | undefined, name: string | undefined): boolean {
  return devices === undefined || (name !== undefined && devices.includes(name));
}

function walkChain(walk: Walk, chain: Chain, start: Packet, depth: number): { end: End; packet: Packet } {
  let packet = start;
  for (const rule of chain.rules) {
    const decision = rule.decide(packet);
    if (decision === undefined) continue;
    const { verdict, isSure } = decision;
    packet = decision.packet ?? packet;
    const place: Place = { table: walk.table, chain, base: walk.base, rule };
    if (verdict.kind === 'jump' || verdict.kind === 'goto') {
      const called = depth < MAX_DEPTH ? walk.table.chains.get(verdict.chain) : undefined;
      if (called === undefined || !isSure) {
        packet = perhapsCall({ walk, place, isGoto: verdict.kind === 'goto', called, packet, depth });
        continue;
      }
      const inner = walkChain(walk, called, packet, depth + 1);
      packet = inner.packet;
      if (inner.end.kind !== 'end') return inner;
      if (verdict.kind === 'goto') return { end: { kind: 'end' }, packet };
      continue;
    }
    if (!isSure || verdict.kind === 'unknown') {
      doubt(walk, place, verdict.kind);
      if (verdict.kind === 'unknown') packet = { ...packet, mark: undefined };
      continue;
    }
    if (verdict.kind === 'drop') return { end: { kind: 'drop', place }, packet };
    if (verdict.kind === 'accept') return { end: { kind: 'accept' }, packet };
    if (verdict.kind === 'return') break;
  }
  return { end: { kind: 'end' }, packet };
}

interface Call {
  readonly walk: Walk;
  readonly place: Place;
  readonly isGoto: boolean;
  /** Unset: nothing is known of what the rule calls. */
  readonly called: Chain | undefined;
  readonly packet: Packet;
  readonly depth: number;
}

/** Calls a chain that the kernel perhaps calls: whatever it decides is in doubt. */
function perhapsCall({ walk, place, isGoto, called, packet, depth }: Call): Packet {
  if (called === undefined) {
    doubt(walk, place, 'unknown');
    return { ...packet, mark: undefined };
  }
  const copy: Walk = { ...walk, doubts: [] };
  const inner = walkChain(copy, called, packet, depth + 1);
  walk.doubts.push(...copy.doubts);
  walk.isUncertain ||= copy.isUncertain;
  // The rules behind a goto follow only without a match.
  doubt(walk, place, isGoto && inner.end.kind === 'end' ? 'return' : inner.end.kind);
  if (isGoto) walk.isUncertain = true;
  return perhapsChanged(packet, inner.packet);
}

/** Notes a rule that matches perhaps. */
function doubt(
  walk: Walk,
  place: Place,
  kind: 'accept' | 'drop' | 'return' | 'unknown' | 'continue' | 'end',
): void {
  if (kind === 'continue' || kind === 'end') return;
  walk.doubts.push(place);
  if (kind !== 'drop') walk.isUncertain = true;
}
