// What medians of the path benchmark must keep, by topology, underlay and metric. Data, and how to find it.
import type { Threshold } from '../record.ts';
import type { UnderlayKind } from './tunnels/path-offloads.ts';
import type { TopologyName } from './tunnels/path-testbed.ts';

/** weft by its defaults. */
export const ASKED_OF: readonly string[] = ['weft-udp', 'weft-vxlan'];
const WORKERS: readonly string[] = ['weft-udp-workers', 'weft-vxlan-workers'];

type Bounds = Readonly<Record<string, Threshold>>;

function ratio(atLeast: number): Threshold {
  return { of: 'ratio', atLeast };
}

function ratioAtMost(atMost: number): Threshold {
  return { of: 'ratio', atMost };
}

/** Streams beside those of the kernel's VXLAN: one, and 8 or both directions at once. */
function streams(one: number, many: number): Bounds {
  return {
    'tcp-cubic': ratio(one),
    'tcp-bbr': ratio(one),
    'tcp-8-cubic': ratio(many),
    'tcp-8-bbr': ratio(many),
  };
}

function bothDirections(atLeast: number): Bounds {
  const names = ['tcp-cubic', 'tcp-bbr', 'tcp-8-cubic', 'tcp-8-bbr'];
  return Object.fromEntries(names.map((name) => [`${name}-both`, ratio(atLeast)]));
}

/** On any underlay. A segment that is late without having been lost was overtaken in the path. */
const PACKETS: Bounds = {
  'udp-64-batch': ratio(1),
  'rr-1': ratio(0.95),
  'rr-64': ratio(0.95),
  ping: ratioAtMost(1.15),
  'tcp-cubic reordered': { of: 'value', atMost: 0 },
  'tcp-bbr reordered': { of: 'value', atMost: 0 },
};

const WIRE_STREAMS = streams(1, 0.95);
const UNCUT_STREAMS = streams(0.6, 0.55);

const CONTAINERS: Partial<Record<UnderlayKind, Bounds>> = {
  wire: {
    ...PACKETS,
    ...WIRE_STREAMS,
    ...bothDirections(0.95),
    'tcp-cubic CPU': ratioAtMost(1.15),
    'tcp-bbr CPU': ratioAtMost(1.15),
  },
  uncut: {
    ...PACKETS,
    ...UNCUT_STREAMS,
    ...bothDirections(0.55),
    'tcp-cubic CPU': ratioAtMost(1.8),
    'tcp-bbr CPU': ratioAtMost(1.8),
  },
};

/** Between containers, without BPF. */
const OF_WORKERS: Partial<Record<UnderlayKind, Bounds>> = { wire: WIRE_STREAMS, uncut: UNCUT_STREAMS };

const HOSTS: Partial<Record<UnderlayKind, Bounds>> = {
  uncut: {
    'tcp-cubic': ratio(0.85),
    'tcp-bbr': ratio(0.65),
    'tcp-8-cubic': ratio(0.8),
    'udp-64': ratio(0.6),
    // Packet by packet the bare veth is 1.5 times as fast as the kernel's tunnel: the upper bound of any tunnel.
    'udp-64-batch': ratio(1),
    ping: ratioAtMost(6),
    memory: { of: 'value', atMost: 4 },
  },
  'slow-wire': { 'tcp-cubic': ratio(0.55) },
};

export interface Circumstances {
  readonly topology: TopologyName;
  readonly underlay: UnderlayKind;
}

/** Undefined: only shown. */
export function thresholdOf(
  { topology, underlay }: Circumstances,
  metric: string,
  candidate: string,
): Threshold | undefined {
  if (ASKED_OF.includes(candidate))
    return { containers: CONTAINERS, hosts: HOSTS }[topology][underlay]?.[metric];
  const isOfWorkers = topology === 'containers' && WORKERS.includes(candidate);
  return isOfWorkers ? OF_WORKERS[underlay]?.[metric] : undefined;
}

export interface Quotient {
  readonly metric: string;
  /** What it is divided by: another candidate's value, or another metric of the same one. */
  readonly by: { readonly candidate: string } | { readonly metric: string };
  readonly atLeast: number;
}

/** Ratios to something else than the reference of all measures. */
export const QUOTIENTS: readonly Quotient[] = [
  { metric: 'tcp-cubic', by: { candidate: 'fastd' }, atLeast: 6 },
  { metric: 'tcp-cubic', by: { candidate: 'socat' }, atLeast: 6 },
  { metric: 'peers-10k', by: { metric: 'peers-1' }, atLeast: 0.9 },
  { metric: 'peers-10k-own', by: { metric: 'peers-1-own' }, atLeast: 0.9 },
  { metric: 'peers-10k-raw', by: { metric: 'peers-1-raw' }, atLeast: 0.9 },
];
