// Expressions of nftables, in the JSON of libnftables-json(5), applied to a packet. Whatever is not
// known here matches perhaps.
import { hasName, inRange, isBetween } from './address-match.ts';
import { every, negate, some, toMatch, type Match } from './match.ts';
import { PROTOCOL_NAMES, type Packet } from './packet.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Elements of the named sets and maps of a table. */
export type NamedSets = ReadonlyMap<string, readonly Json[]>;

/**
 * What a packet has for an expression. `absent`: it has no such field, and no comparison matches.
 */
type Field =
  | { readonly kind: 'address'; readonly value: Packet['source'] }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'names'; readonly values: readonly string[] }
  | { readonly kind: 'device'; readonly value: string | undefined }
  | { readonly kind: 'absent' | 'unknown' };

const UNKNOWN: Field = { kind: 'unknown' };
const ABSENT: Field = { kind: 'absent' };
const names = (...values: readonly string[]): Field => ({ kind: 'names', values });
const number = (value: number | undefined): Field =>
  value === undefined ? UNKNOWN : { kind: 'number', value };

export interface MatchExpression {
  readonly op: string;
  readonly left: Json;
  readonly right: Json;
}

/** Whether a packet matches `left op right`. */
export function matchExpression(
  packet: Packet,
  { op, left, right }: MatchExpression,
  sets: NamedSets,
): Match {
  const concat = part(left, 'concat');
  if (Array.isArray(concat)) return matchConcat(packet, concat, op, right, sets);
  const field = fieldOf(packet, left);
  if (field.kind === 'absent') return 'no';
  if (field.kind === 'unknown') return 'unknown';
  if (op === 'in' && field.kind === 'number' && elementsOf(right, sets) === undefined)
    return haveCommonBits(field.value, numberOf(packet, right));
  if (op === '==' || op === 'in' || op === '') return compare(packet, field, right, sets);
  if (op === '!=') return negate(compare(packet, field, right, sets));
  return field.kind === 'number' && typeof right === 'number' ? inOrder(op, field.value, right) : 'unknown';
}

/** `tcp flags syn,ack`: one of those bits is set. */
function haveCommonBits(value: number, bits: number | undefined): Match {
  return bits === undefined ? 'unknown' : toMatch((value & bits) !== 0);
}

/** Whether a packet has the value `element` for a key: of a verdict map. */
export function matchElement(packet: Packet, key: Json, element: Json, sets: NamedSets): Match {
  return matchExpression(packet, { op: '==', left: key, right: element }, sets);
}

/** The elements that a set expression lists or names; `undefined` if it is none, or names none. */
export function elementsOf(expression: Json, sets: NamedSets): readonly Json[] | undefined {
  if (typeof expression === 'string' && expression.startsWith('@')) return sets.get(expression.slice(1));
  const listed = part(expression, 'set');
  return Array.isArray(listed) ? listed : undefined;
}

function matchConcat(packet: Packet, keys: readonly Json[], op: string, right: Json, sets: NamedSets): Match {
  const elements = elementsOf(right, sets) ?? [right];
  const match = some(
    elements.map((element) => {
      if (valueOf(element) === '*') return 'yes';
      const values = part(valueOf(element), 'concat');
      if (!Array.isArray(values)) return 'unknown';
      return every(keys.map((key, index) => matchElement(packet, key, values[index] ?? null, sets)));
    }),
  );
  return op === '!=' ? negate(match) : match;
}

function fieldOf(packet: Packet, left: Json): Field {
  const payload = part(left, 'payload');
  if (payload !== undefined) return payloadField(packet, text(payload, 'protocol'), text(payload, 'field'));
  const meta = part(left, 'meta');
  if (meta !== undefined) return metaField(packet, text(meta, 'key'));
  const ct = part(left, 'ct');
  if (ct !== undefined) return ctField(packet, ct);
  const fib = part(left, 'fib');
  if (fib !== undefined) return fibField(packet, fib);
  return bitsField(packet, left);
}

function payloadField(packet: Packet, protocol: string, field: string): Field {
  if (protocol === 'ether') return field === 'type' ? names(etherType(packet)) : UNKNOWN;
  if (protocol === 'arp') return arpField(packet, field);
  if (protocol === 'ip' || protocol === 'ip6') return addressField(packet, protocol, field);
  const hasPorts = packet.protocol === 'tcp' || packet.protocol === 'udp';
  const isOf = protocol === 'th' ? hasPorts : protocol === packet.protocol;
  if (['tcp', 'udp', 'th'].includes(protocol)) {
    if (!isOf) return ABSENT;
    if (field === 'flags' && protocol === 'tcp') return number(FLAGS[packet.state === 'new' ? 'syn' : 'ack']);
    if (field === 'dport') return number(packet.targetPort);
    return field === 'sport' ? number(packet.sourcePort) : UNKNOWN;
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    if (!isOf) return ABSENT;
    return field === 'type' ? names(packet.state === 'new' ? 'echo-request' : 'echo-reply') : UNKNOWN;
  }
  return ['sctp', 'dccp', 'udplite', 'esp', 'ah', 'igmp'].includes(protocol) && !isOf ? ABSENT : UNKNOWN;
}

function addressField(packet: Packet, protocol: string, field: string): Field {
  if (packet.protocol === 'arp' || (protocol === 'ip') !== (packet.family === 4)) return ABSENT;
  if (field === 'saddr') return { kind: 'address', value: packet.source };
  if (field === 'daddr') return { kind: 'address', value: packet.target };
  return field === 'protocol' || field === 'nexthdr' ? names(...PROTOCOL_NAMES[packet.protocol]) : UNKNOWN;
}

function metaField(packet: Packet, key: string): Field {
  if (key === 'iifname' || key === 'iif') return { kind: 'device', value: packet.iif };
  if (key === 'oifname' || key === 'oif') return { kind: 'device', value: packet.oif };
  if (key === 'l4proto') return names(...PROTOCOL_NAMES[packet.protocol]);
  if (key === 'nfproto') return names(packet.family === 4 ? 'ipv4' : 'ipv6');
  if (key === 'protocol') return names(etherType(packet));
  if (key === 'pkttype') return names('host', 'unicast');
  return key === 'mark' ? number(packet.mark) : UNKNOWN;
}

function etherType({ protocol, family }: Packet): string {
  if (protocol === 'arp') return 'arp';
  return family === 4 ? 'ip' : 'ip6';
}

/** Of a request or a reply of IPv4 over Ethernet. */
function arpField(packet: Packet, field: string): Field {
  if (packet.protocol !== 'arp') return ABSENT;
  if (field === 'htype') return number(1);
  if (field === 'hlen') return number(6);
  if (field === 'plen') return number(4);
  if (field === 'ptype') return names('ip', '2048');
  if (field === 'saddr ip') return { kind: 'address', value: packet.source };
  if (field === 'daddr ip') return { kind: 'address', value: packet.target };
  return field === 'operation' ? names(packet.state === 'new' ? 'request' : 'reply') : UNKNOWN;
}

function ctField({ state, isUntracked = false }: Packet, ct: Json): Field {
  const key = text(ct, 'key');
  if (isUntracked) return UNKNOWN;
  if (key === 'state') return names(state);
  if (key === 'direction') return names(state === 'new' ? 'original' : 'reply');
  // No address is translated between containers.
  return key === 'status'
    ? names(...(state === 'new' ? [] : ['seen-reply', 'assured', 'confirmed']))
    : UNKNOWN;
}

function fibField({ isToHost }: Packet, fib: Json): Field {
  const flags = part(fib, 'flags');
  const isOf = (flag: string): boolean => flags === flag || (Array.isArray(flags) && flags[0] === flag);
  if (text(fib, 'result') !== 'type') return UNKNOWN;
  if (isOf('daddr')) return names(isToHost ? 'local' : 'unicast');
  return isOf('saddr') ? names('unicast') : UNKNOWN;
}

const FLAGS: Readonly<Record<string, number>> = {
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 16,
  urg: 32,
  ecn: 64,
  cwr: 128,
};
const OPERATORS: Readonly<Record<string, (a: number, b: number) => number>> = {
  '&': (a, b) => (a & b) >>> 0,
  '|': (a, b) => (a | b) >>> 0,
  '^': (a, b) => (a ^ b) >>> 0,
};

/** `meta mark & 0xff`, `tcp flags & (syn | ack)`. */
function bitsField(packet: Packet, left: Json): Field {
  for (const [name, apply] of Object.entries(OPERATORS)) {
    const operands = part(left, name);
    if (Array.isArray(operands)) return combine(packet, operands, apply);
  }
  return UNKNOWN;
}

function combine(packet: Packet, operands: readonly Json[], apply: (a: number, b: number) => number): Field {
  const fields = operands.map((operand) => operandField(packet, operand));
  if (fields.some(({ kind }) => kind === 'absent')) return ABSENT;
  const values = fields.flatMap((field) => (field.kind === 'number' ? [field.value] : []));
  return values.length === fields.length && values.length > 0 ? number(values.reduce(apply)) : UNKNOWN;
}

/** A number, a flag of TCP, flags of which each is set, or a field. */
function operandField(packet: Packet, operand: Json): Field {
  if (typeof operand === 'number') return number(operand);
  if (typeof operand === 'string') return number(FLAGS[operand]);
  if (Array.isArray(operand)) return combine(packet, operand as readonly Json[], OPERATORS['|']!);
  return fieldOf(packet, operand);
}

/** Value of an expression; `undefined` if it is not known. */
export function numberOf(packet: Packet, expression: Json): number | undefined {
  const field = operandField(packet, expression);
  return field.kind === 'number' ? field.value : undefined;
}

/** An array lists alternatives of names, and the bits of one number. */
function compare(packet: Packet, field: Field, right: Json, sets: NamedSets): Match {
  const listed = elementsOf(right, sets);
  // The element for the rest.
  if (listed?.some((element) => valueOf(element) === '*') === true) return 'yes';
  const isList = Array.isArray(right) && field.kind !== 'number';
  const elements = listed ?? (isList ? (right as readonly Json[]) : [right]);
  return some(elements.map((element) => compareOne(packet, field, valueOf(element))));
}

function compareOne(packet: Packet, field: Field, value: Json): Match {
  // A set that is not listed.
  if (typeof value === 'string' && value.startsWith('@')) return 'unknown';
  if (field.kind === 'address') return compareAddress(field.value, value);
  if (field.kind === 'device')
    return typeof value === 'string' ? hasName(field.value, value, '*') : 'unknown';
  if (field.kind === 'names')
    return plain(value) === '' ? 'unknown' : toMatch(field.values.includes(plain(value)));
  return field.kind === 'number' ? compareNumber(packet, field.value, value) : 'unknown';
}

function compareAddress(address: Packet['source'], value: Json): Match {
  if (typeof value === 'string') return inRange(address, value);
  const prefix = part(value, 'prefix');
  if (prefix !== undefined) return inRange(address, `${text(prefix, 'addr')}/${plain(part(prefix, 'len'))}`);
  const range = part(value, 'range');
  return Array.isArray(range) ? isBetween(address, plain(range[0]), plain(range[1])) : 'unknown';
}

function compareNumber(packet: Packet, found: number, value: Json): Match {
  const range = part(value, 'range');
  if (Array.isArray(range)) return toMatch(Number(range[0]) <= found && found <= Number(range[1]));
  const wanted = numberOf(packet, value);
  return wanted === undefined ? 'unknown' : toMatch(found === wanted);
}

function inOrder(op: string, left: number, right: number): Match {
  if (op === '<') return toMatch(left < right);
  if (op === '>') return toMatch(left > right);
  if (op === '<=') return toMatch(left <= right);
  return op === '>=' ? toMatch(left >= right) : 'unknown';
}

/** An element of a set, without its time-out and counter. */
export function valueOf(element: Json): Json {
  const elem = part(element, 'elem');
  return elem === undefined ? element : (part(elem, 'val') ?? null);
}

/** Field `key` of an object; `undefined` if there is none. */
export function part(json: Json | undefined, key: string): Json | undefined {
  if (json === undefined || json === null || typeof json !== 'object' || Array.isArray(json))
    return undefined;
  return (json as { readonly [key: string]: Json })[key];
}

/** The same as text. */
export function text(json: Json | undefined, key: string): string {
  const value = part(json, key);
  return typeof value === 'string' ? value : '';
}

/** A name or a number as text. */
function plain(json: Json | undefined): string {
  return typeof json === 'string' || typeof json === 'number' ? String(json) : '';
}
