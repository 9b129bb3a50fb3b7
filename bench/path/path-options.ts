// Command line of the path benchmark, and the list of its candidates.
import { parseArgs } from 'node:util';
import type { Family } from '../../lib/address.ts';
import { BETWEEN_CONTAINERS } from './tunnels/path-container-competitors.ts';
import { BETWEEN_HOSTS } from './tunnels/path-hosts.ts';
import type { Measure } from './path-measure.ts';
import { DEFAULT_TUNING } from '../../native/packet-path.ts';
import { MEASURES } from './path-measures.ts';
import { UNDERLAYS, type UnderlayKind } from './tunnels/path-offloads.ts';
import { TOPOLOGIES, type PathCandidate, type TopologyName } from './tunnels/path-testbed.ts';
import type { Tuning } from './tunnels/path-tunnel.ts';

const CANDIDATES: Readonly<Record<TopologyName, readonly PathCandidate[]>> = {
  containers: BETWEEN_CONTAINERS,
  hosts: BETWEEN_HOSTS,
};
const FAMILIES: readonly { readonly name: string; readonly family: Family }[] = [
  { name: 'ipv4', family: 4 },
  { name: 'ipv6', family: 6 },
];

export interface PathOptions {
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  readonly topology: TopologyName;
  readonly underlays: readonly UnderlayKind[];
  readonly families: readonly Family[];
  readonly candidates: readonly PathCandidate[];
  readonly measures: readonly Measure[];
  /** Of the underlay, in bytes. */
  readonly mtu: number;
  readonly tuning: Tuning;
  /** Whether perf(1) watches each measurement. */
  readonly isProfiled: boolean;
}

const OPTIONS = {
  rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '2' },
  topology: { type: 'string', default: 'containers' },
  underlay: { type: 'string' },
  families: { type: 'string' },
  only: { type: 'string' },
  measures: { type: 'string' },
  mtu: { type: 'string', default: '1500' },
  workers: { type: 'string', default: String(DEFAULT_TUNING.workers) },
  'source-ports': { type: 'string', default: String(DEFAULT_TUNING.sourcePorts) },
  perf: { type: 'boolean', default: false },
} as const;

const TOOLS = ['ip', 'ethtool', 'iperf3', 'ping', 'cc'];

/** Commands that the benchmark and its candidates need. @throws Error as {@link parsePathOptions}. */
export function pathTools(args: readonly string[]): string[] {
  const { candidates, isProfiled } = parsePathOptions(args);
  return [...TOOLS, ...(isProfiled ? ['perf'] : []), ...candidates.flatMap(({ needs }) => needs)];
}

/** @throws Error naming the option, its value and what it may be. */
export function parsePathOptions(args: readonly string[]): PathOptions {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const topology = oneOf('topology', values.topology, TOPOLOGIES);
  const families = chosen('families', values.families, FAMILIES, FAMILIES.slice(0, 1));
  const underlays = UNDERLAYS.map((name) => ({ name }));
  const candidates = CANDIDATES[topology];
  const measures = MEASURES.filter((measure) => (measure.topology ?? topology) === topology);
  const chosenCandidates = chosen('only', values.only, candidates, candidates.filter(isDefault));
  requireFamilies(families, chosenCandidates);
  return {
    rounds: numberIn('rounds', values.rounds, 1, 1000),
    seconds: numberIn('seconds', values.seconds, 1, 60),
    topology,
    underlays: chosen('underlay', values.underlay, underlays, underlays.slice(0, 2)).map(({ name }) => name),
    families: families.map(({ family }) => family),
    candidates: chosenCandidates,
    measures: chosen('measures', values.measures, measures, measures.filter(isDefault)),
    mtu: numberIn('mtu', values.mtu, 600, 65_535),
    tuning: {
      workers: numberIn('workers', values.workers, 1, 64),
      sourcePorts: numberIn('source-ports', values['source-ports'], 0, 64),
    },
    isProfiled: values.perf,
  };
}

function requireFamilies(families: typeof FAMILIES, candidates: readonly PathCandidate[]): void {
  for (const { name, family } of families)
    if (!candidates.some((candidate) => candidate.families.includes(family)))
      throw new Error(
        `--families '${name}': none of ${candidates.map((one) => one.name).join(',')} carries it: give ipv4, or --topology containers with weft's or the kernel's`,
      );
}

function isDefault({ isOptional }: { readonly isOptional?: true }): boolean {
  return isOptional !== true;
}

function oneOf<Value extends string>(name: string, text: string, all: readonly Value[]): Value {
  const found = all.find((value) => value === text);
  if (found === undefined) throw new Error(`--${name} '${text}': give one of ${all.join(', ')}`);
  return found;
}

function numberIn(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`--${name} '${text}': give a whole number from ${least} to ${most}`);
  return value;
}

/** The named items, in the order of `all`: measures that change a tunnel run after the others. */
function chosen<Item extends { readonly name: string }>(
  option: string,
  text: string | undefined,
  all: readonly Item[],
  unless: readonly Item[],
): readonly Item[] {
  if (text === undefined) return unless;
  const names = text.split(',');
  const unknown = names.find((name) => !all.some((item) => item.name === name));
  if (unknown !== undefined)
    throw new Error(`--${option} '${unknown}': give some of ${all.map(({ name }) => name).join(',')}`);
  return all.filter(({ name }) => names.includes(name));
}
