// Peers as rows of the table: state, numbers to sort by, search. Pure.
import type { LivenessStateV1, PeerV1, SyncV1 } from '../../api/index.ts';

/** What the kernel has, and once that is right, what answers. */
export type RowState = SyncV1 | LivenessStateV1 | 'idle';

/** Best first. */
const RANKS: readonly RowState[] = [
  'idle',
  'in-sync',
  'reachable',
  'pending',
  'overlay-broken',
  'silent',
  'error',
];

export const STATE_TEXTS: Readonly<Record<RowState, string>> = {
  reachable: 'reachable',
  silent: 'silent',
  'overlay-broken': 'on the underlay alone',
  'in-sync': 'programmed, not probed',
  pending: 'pending',
  error: 'in error',
  idle: 'nothing to program',
};

export const TRANSPORTS: Readonly<Record<PeerV1['mode'], string>> = {
  kernel: 'kernel',
  direct: 'direct route',
  userspace: 'userspace',
  command: 'commands',
  none: 'none',
  error: '–',
};

/** Bytes a second. */
export interface Rate {
  readonly tx: number;
  readonly rx: number;
}

export interface Row {
  readonly key: string;
  readonly peer: PeerV1;
  readonly state: RowState;
  readonly name: string;
  readonly address: string;
  /** What is wrong, in one line; empty if nothing is. */
  readonly reason: string;
  /** Round trip of the last answer. */
  readonly rttMs: number | undefined;
  readonly rate: Rate | undefined;
}

export type Column = 'name' | 'address' | 'state' | 'rtt' | 'traffic' | 'transport' | 'since';

export interface Order {
  readonly column: Column;
  readonly isDescending: boolean;
}

/** Worst first. */
export const FIRST_ORDER: Order = { column: 'state', isDescending: true };

export function rankOf(state: RowState): number {
  return RANKS.indexOf(state);
}

export function isBad(state: RowState): boolean {
  return rankOf(state) > rankOf('reachable');
}

export function rowOf(peer: PeerV1, rate: Rate | undefined): Row {
  const { key, ipv4, ipv6, publicIp, publicIpv6, liveness } = peer;
  const state = stateOf(peer);
  const address = publicIp ?? publicIpv6 ?? '';
  return {
    key,
    peer,
    state,
    name: [ipv4, ipv6].filter(Boolean).join(' '),
    address,
    reason: reasonOf(peer, state),
    rttMs: state === 'silent' || state === 'overlay-broken' ? undefined : liveness?.rttMs,
    rate,
  };
}

function stateOf({ state, mode, liveness }: PeerV1): RowState {
  if (state !== 'in-sync') return state;
  return mode === 'none' ? 'idle' : (liveness?.state ?? state);
}

function reasonOf(peer: PeerV1, state: RowState): string {
  if (peer.reason !== undefined) return peer.reason;
  if (peer.missing.length > 0) return `missing in the kernel: ${peer.missing.join(', ')}`;
  if (state === 'silent') return 'neither its overlay address nor its public IP answers';
  if (state === 'overlay-broken') return 'its public IP answers, its overlay address does not: weft doctor';
  return '';
}

/** Bytes a second of each peer since `before`, by key; peers without counters are missing. */
export function ratesOf(peers: readonly PeerV1[], before: ReadonlyMap<string, Rate>, sec: number) {
  const [rates, totals] = [new Map<string, Rate>(), new Map<string, Rate>()];
  for (const { key, traffic, wireguard } of peers) {
    const counted = traffic ?? wireguard;
    if (counted === undefined) continue;
    const [total, former] = [{ tx: counted.txBytes, rx: counted.rxBytes }, before.get(key)];
    totals.set(key, total);
    if (former === undefined || total.tx < former.tx || total.rx < former.rx) continue;
    rates.set(key, { tx: (total.tx - former.tx) / sec, rx: (total.rx - former.rx) / sec });
  }
  return { rates, totals };
}

export function matches(row: Row, query: string, isBadOnly: boolean): boolean {
  if (isBadOnly && !isBad(row.state)) return false;
  if (query === '') return true;
  return `${row.name} ${row.address} ${row.peer.mac ?? ''} ${row.reason}`.toLowerCase().includes(query);
}

/** Sorted copy; equal rows by their subnets. */
export function sorted(rows: readonly Row[], { column, isDescending }: Order): Row[] {
  const sign = isDescending ? -1 : 1;
  const keyed = rows.map((row) => ({ row, value: valueOf(row, column), name: numberOf(row.name) }));
  return keyed
    .toSorted((a, b) => sign * compare(a.value, b.value) || compare(a.name, b.name))
    .map(({ row }) => row);
}

function compare(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function valueOf(row: Row, column: Column): number | string {
  switch (column) {
    case 'name':
      return numberOf(row.name);
    case 'address':
      return numberOf(row.address);
    case 'state':
      return rankOf(row.state);
    case 'rtt':
      return row.rttMs ?? -1;
    case 'traffic':
      return row.rate === undefined ? -1 : row.rate.tx + row.rate.rx;
    case 'transport':
      return row.peer.mode;
    case 'since':
      return -Date.parse(row.peer.since);
  }
}

/** IPv4 addresses by number; others by text, after them. */
function numberOf(address: string): string {
  const parts = /^(\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(address)?.slice(1);
  return parts === undefined ? `~${address}` : parts.map((part) => part.padStart(3, '0')).join('.');
}
