// Which policy rule and route decide about a packet, from the rows that iproute2 prints. The kernel's
// own answer says where the packet goes; this says why. Pure.
import {
  bitsOf,
  contains,
  familyOf,
  networkOf,
  parseCidr,
  parseIp,
  type IpAddress,
} from '../../lib/address.ts';

/** A row of `ip -j rule show`. */
export interface RuleRow {
  readonly priority: number;
  readonly src?: string;
  readonly srclen?: number;
  readonly dst?: string;
  readonly dstlen?: number;
  readonly iif?: string;
  readonly oif?: string;
  readonly fwmark?: string;
  readonly fwmask?: string;
  /** Protocol of the packet's payload, by name. */
  readonly ipproto?: string;
  readonly table?: string;
  readonly action?: string;
  readonly not?: null;
  readonly suppress_prefixlen?: number;
  /** Priority of the rule that follows a match. */
  readonly goto?: number;
  /** The rule does nothing. */
  readonly nop?: null;
  /** Priority of a rule that does not exist. */
  readonly unresolved?: null;
}

/** Fields of {@link RuleRow}, and what changes no match. A rule with others may be of other packets. */
const KNOWN_FIELDS = new Set(
  'priority src srclen dst dstlen iif oif fwmark fwmask ipproto table action not suppress_prefixlen goto nop unresolved protocol'.split(
    ' ',
  ),
);

/** A row of `ip -j -d route show table all`. */
export interface RouteRow {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly metric?: number;
}

export interface RoutedPacket {
  readonly from: IpAddress;
  readonly to: IpAddress;
  /** `lo` for a packet of this host. */
  readonly iif: string;
  /** That a firewall set; default 0. */
  readonly mark?: number;
  /** Unset: a rule that asks for one does not match. */
  readonly protocol?: string;
}

export interface RouteCause {
  readonly rule: RuleRow;
  /** Unset if the rule itself drops the packet. */
  readonly route?: RouteRow;
}

/** Actions of rules that drop. */
const DROPPING = new Set(['blackhole', 'unreachable', 'prohibit']);
/** Types of routes that are answers about local addresses alone. */
const NOT_FORWARDING = new Set(['broadcast', 'multicast', 'anycast']);

/** The rule that decides about a packet, with its route; `undefined` if none has a route. */
export function causeOf(
  rules: readonly RuleRow[],
  routes: readonly RouteRow[],
  packet: RoutedPacket,
): RouteCause | undefined {
  let next = 0;
  let thrown: RouteCause | undefined;
  for (const rule of rules.toSorted((a, b) => a.priority - b.priority)) {
    if (rule.priority < next || !matches(rule, packet)) continue;
    if (isPassing(rule)) {
      next = rule.goto ?? next;
      continue;
    }
    if (DROPPING.has(rule.action ?? '')) return { rule };
    const route = bestRoute(routes, rule.table ?? 'main', packet.to);
    const isSuppressed = route !== undefined && lengthOf(route, packet.to) <= (rule.suppress_prefixlen ?? -1);
    if (route === undefined || isSuppressed) continue;
    if (route.type !== 'throw') return { rule, route };
    thrown ??= { rule, route };
  }
  // No other table has a route.
  return thrown;
}

/** Rules that have no route themselves; one that goes nowhere does nothing (fib_rules_lookup). */
function isPassing({ action, goto, nop }: RuleRow): boolean {
  return goto !== undefined || nop !== undefined || action === 'goto' || action === 'nop';
}

function matches(rule: RuleRow, { from, to, iif, mark = 0, protocol }: RoutedPacket): boolean {
  const isKnown = Object.keys(rule).every((field) => KNOWN_FIELDS.has(field));
  if (!isKnown || rule.unresolved !== undefined) return false;
  if (rule.ipproto !== undefined && protocol === undefined) return false;
  const isMatch =
    isWithin(from, rule.src, rule.srclen) &&
    isWithin(to, rule.dst, rule.dstlen) &&
    (rule.iif === undefined || rule.iif === iif) &&
    rule.oif === undefined &&
    (rule.ipproto === undefined || rule.ipproto === protocol) &&
    hasMark(rule, mark);
  return rule.not === undefined ? isMatch : !isMatch;
}

function hasMark({ fwmark, fwmask = '0xffffffff' }: RuleRow, mark: number): boolean {
  return fwmark === undefined || (mark & Number(fwmask)) >>> 0 === Number(fwmark);
}

function isWithin(address: IpAddress, network = 'all', length?: number): boolean {
  if (network === 'all') return true;
  const base = parseIp(network);
  return base !== undefined && contains(networkOf(base, length ?? bitsOf(familyOf(base))), address);
}

/** The most specific route of a table, of the smallest metric. */
function bestRoute(routes: readonly RouteRow[], table: string, to: IpAddress): RouteRow | undefined {
  return routes
    .filter((route) => (route.table ?? 'main') === table && !NOT_FORWARDING.has(route.type ?? ''))
    .filter((route) => lengthOf(route, to) >= 0)
    .toSorted((a, b) => lengthOf(b, to) - lengthOf(a, to) || (a.metric ?? 0) - (b.metric ?? 0))[0];
}

/** Length of a route's prefix if it covers an address, else -1. Routes are of one family. */
function lengthOf({ dst }: RouteRow, to: IpAddress): number {
  if (dst === 'default') return 0;
  const cidr = parseCidr(dst.includes('/') ? dst : `${dst}/${bitsOf(familyOf(to))}`);
  if (cidr === undefined) return -1;
  return contains(networkOf(cidr.address, cidr.prefixLength), to) ? cidr.prefixLength : -1;
}

/** Arguments of `ip route` that name a route. */
export function routeArguments({ dst, type, gateway, dev, table, metric }: RouteRow): string {
  return [
    type === undefined || type === 'unicast' ? '' : type,
    dst,
    gateway === undefined ? '' : `via ${gateway}`,
    dev === undefined || (type !== undefined && DROPPING.has(type)) ? '' : `dev ${dev}`,
    table === undefined || table === 'main' ? '' : `table ${table}`,
    metric === undefined ? '' : `metric ${metric}`,
  ]
    .filter((each) => each !== '')
    .join(' ');
}

/** As `ip rule show` prints it. */
export function renderRule({
  priority,
  src = 'all',
  srclen,
  dst,
  dstlen,
  iif,
  fwmark,
  fwmask,
  ipproto,
  table,
  action,
  not,
}: RuleRow): string {
  const withLength = (address: string, length?: number): string =>
    length === undefined ? address : `${address}/${length}`;
  return [
    `${priority}:${not === undefined ? '' : ' not'} from ${withLength(src, srclen)}`,
    dst === undefined ? '' : `to ${withLength(dst, dstlen)}`,
    iif === undefined ? '' : `iif ${iif}`,
    fwmark === undefined ? '' : `fwmark ${fwmark}${fwmask === undefined ? '' : `/${fwmask}`}`,
    ipproto === undefined ? '' : `ipproto ${ipproto}`,
    action ?? `lookup ${table ?? 'main'}`,
  ]
    .filter((each) => each !== '')
    .join(' ');
}
