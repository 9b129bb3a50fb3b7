// The JSON value of a lease's key, written byte for byte as flannel (Go's encoding/json) writes it
// and read as tolerantly. Knows nothing of what a backend puts into its data.
import { parseIpv4, parseIpv6 } from '../../lib/address.ts';
import type { Ipv4, Ipv6 } from '../../lib/address.ts';
import { defined } from '../../lib/defined.ts';
import type { LeaseAttributes, LegacyTransport, WeftAttributes } from '../lease.ts';

export type LeaseValueResult =
  | { readonly ok: true; readonly attributes: LeaseAttributes }
  | { readonly ok: false; readonly reason: string };

/**
 * Bound on a value, in UTF-16 units. Real ones have some 150; a hostile one must not slow every
 * host down.
 */
export const MAX_VALUE_CHARACTERS = 65_536;
/** Bound on nesting, so that no later walk over backend data can exhaust the stack. */
const MAX_DEPTH = 32;
/** A host does not migrate more often than that before all others have followed. */
const MAX_LEAVING = 4;
const MAX_SHOWN_CHARACTERS = 60;
const UNSET_IPV4 = '0.0.0.0';
const UNSET_IPV6 = '::' as Ipv6;

/**
 * Reads a value. Field names match in any letter case, the last of several wins, unknown ones are
 * ignored. `0.0.0.0` and `::` mean unset, as do a missing address, a null `PublicIPv6` and null
 * backend data; a null `PublicIP` is an error.
 */
export function decodeLeaseValue(text: string): LeaseValueResult {
  if (text.length > MAX_VALUE_CHARACTERS)
    return bad(`the value has ${text.length} characters; a lease value has at most ${MAX_VALUE_CHARACTERS}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return bad(`the value ${show(text)} is not JSON`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return bad(`the value ${show(json)} is no JSON object`);
  if (isDeeperThan(json, MAX_DEPTH)) return bad(`the value nests more than ${MAX_DEPTH} levels`);
  return decodeFields(fieldsOf(json));
}

/** Members of a value by their names in lower case; undefined where missing, which JSON itself cannot express. */
interface Fields {
  publicip: unknown;
  publicipv6: unknown;
  backendtype: unknown;
  backenddata: unknown;
  backendv6data: unknown;
  weft: unknown;
}

function fieldsOf(json: object): Readonly<Fields> {
  const fields: Fields = {
    publicip: undefined,
    publicipv6: undefined,
    backendtype: undefined,
    backenddata: undefined,
    backendv6data: undefined,
    weft: undefined,
  };
  for (const [name, value] of Object.entries(json)) {
    const lowerCase = name.toLowerCase();
    if (Object.hasOwn(fields, lowerCase)) fields[lowerCase as keyof Fields] = value;
  }
  return fields;
}

/**
 * Writes a value: compact, fields in flannel's order, `<`, `>`, `&` and line separators escaped.
 */
export function encodeLeaseValue(attributes: LeaseAttributes): string {
  const { publicIp, publicIpv6, backendType, backendData, backendV6Data } = attributes;
  const fields = {
    PublicIP: publicIp ?? UNSET_IPV4,
    PublicIPv6: publicIpv6 ?? null,
    ...(backendType !== '' && { BackendType: backendType }),
    ...(backendData !== undefined && backendData !== null && { BackendData: backendData }),
    ...(backendV6Data !== undefined && backendV6Data !== null && { BackendV6Data: backendV6Data }),
    ...encodeWeft(attributes.weft),
  };
  return JSON.stringify(fields).replaceAll(/[<>&\u2028\u2029]/g, escapeAsGoDoes);
}

function encodeWeft(weft: WeftAttributes = {}): object {
  const { port, leaving = [], isDrained, acceptsGso, acceptsZeroChecksum, keyEpoch } = weft;
  const hasMarks = acceptsGso === true || acceptsZeroChecksum === true || keyEpoch !== undefined;
  if (port === undefined && leaving.length === 0 && !hasMarks) return {};
  const transports = leaving.map(
    ({ backendType, backendData, backendV6Data, port: ownPort, keyEpoch: epoch }) => ({
      ...(backendType !== '' && { BackendType: backendType }),
      ...(backendData !== undefined && { BackendData: backendData }),
      ...(backendV6Data !== undefined && { BackendV6Data: backendV6Data }),
      ...(ownPort !== undefined && { Port: ownPort }),
      ...(epoch !== undefined && { KeyEpoch: epoch }),
    }),
  );
  return {
    Weft: {
      ...(port !== undefined && { Port: port }),
      ...(transports.length > 0 && { Leaving: transports }),
      ...(isDrained === true && { Drained: true }),
      ...(acceptsGso === true && { Gso: true }),
      ...(acceptsZeroChecksum === true && { ZeroChecksum: true }),
      ...(keyEpoch !== undefined && { KeyEpoch: keyEpoch }),
    },
  };
}

/** Whether two hosts' attributes are the same on the wire. */
export function sameAttributes(a: LeaseAttributes, b: LeaseAttributes): boolean {
  return a === b || encodeLeaseValue(a) === encodeLeaseValue(b);
}

/** Garbage here counts as absent: the rest of the value has the host's address. */
function decodeWeft(value: unknown): WeftAttributes | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const {
    Port: port,
    Leaving: leaving,
    Drained: drained,
    Gso: gso,
    ZeroChecksum: zero,
    KeyEpoch: epoch,
  } = fields;
  const transports = (Array.isArray(leaving) ? leaving.slice(0, MAX_LEAVING) : []).flatMap(decodeLeaving);
  const hasMarks = gso === true || zero === true || isEpoch(epoch);
  if (!isPort(port) && transports.length === 0 && !hasMarks) return undefined;
  return {
    ...(isPort(port) && { port }),
    ...(transports.length > 0 && { leaving: transports }),
    ...(drained === true && { isDrained: true }),
    ...(gso === true && { acceptsGso: true }),
    ...(zero === true && { acceptsZeroChecksum: true }),
    ...(isEpoch(epoch) && { keyEpoch: epoch }),
  };
}

function decodeLeaving(value: unknown): LegacyTransport[] {
  if (typeof value !== 'object' || value === null) return [];
  const {
    BackendType: backendType = '',
    BackendData: backendData,
    BackendV6Data: backendV6Data,
    Port: port,
    KeyEpoch: epoch,
  } = value as Readonly<Record<string, unknown>>;
  if (typeof backendType !== 'string') return [];
  return [
    {
      backendType,
      ...(backendData !== undefined && backendData !== null && { backendData }),
      ...(backendV6Data !== undefined && backendV6Data !== null && { backendV6Data }),
      ...(isPort(port) && { port }),
      ...(isEpoch(epoch) && { keyEpoch: epoch }),
    },
  ];
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}

function isEpoch(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function decodeFields(fields: Readonly<Fields>): LeaseValueResult {
  const publicIp = decodeIpv4(fields.publicip === undefined ? UNSET_IPV4 : fields.publicip);
  if (publicIp === undefined)
    return bad(`PublicIP ${show(fields.publicip)} is no IPv4 address: expected four numbers 0..255`);
  const publicIpv6 = decodeIpv6(fields.publicipv6);
  if (publicIpv6 === undefined)
    return bad(`PublicIPv6 ${show(fields.publicipv6)} is no IPv6 address: expected one, or null for none`);
  const backendType = fields.backendtype ?? '';
  if (typeof backendType !== 'string') return bad(`BackendType ${show(backendType)} is no string`);
  const backendData = fields.backenddata ?? undefined;
  const backendV6Data = fields.backendv6data ?? undefined;
  const weft = decodeWeft(fields.weft);
  const attributes: LeaseAttributes = defined({
    publicIp: publicIp === UNSET_IPV4 ? undefined : publicIp,
    publicIpv6: publicIpv6 === UNSET_IPV6 ? undefined : publicIpv6,
    backendType,
    backendData,
    backendV6Data,
    weft,
  });
  return { ok: true, attributes };
}

function decodeIpv4(value: unknown): Ipv4 | undefined {
  return typeof value === 'string' ? parseIpv4(value) : undefined;
}

/** Go reads an IPv4 text here as the IPv4-mapped address. */
function decodeIpv6(value: unknown): Ipv6 | undefined {
  if (value === undefined || value === null) return UNSET_IPV6;
  if (typeof value !== 'string') return undefined;
  return parseIpv6(parseIpv4(value) === undefined ? value : `::ffff:${value}`);
}

/** Descends one level at a time and stops at the bound, so it needs no deep stack itself. */
function isDeeperThan(value: object, levels: number): boolean {
  if (levels === 0) return true;
  for (const child of Object.values(value) as readonly unknown[])
    if (typeof child === 'object' && child !== null && isDeeperThan(child, levels - 1)) return true;
  return false;
}

function escapeAsGoDoes(character: string): string {
  return String.raw`\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function bad(reason: string): LeaseValueResult {
  return { ok: false, reason };
}

/** Printable and short: the value comes from an untrusted author. */
function show(value: unknown): string {
  if (Array.isArray(value)) return '[…]';
  if (typeof value === 'object' && value !== null) return '{…}';
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, MAX_SHOWN_CHARACTERS + 1) : value);
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}
