// Command line of the path benchmark, and the list of its candidates.
import { parseArgs } from 'node:util';
import { kernelVxlan, veth } from './path-kernel.ts';
import { MEASURES, type Measure } from './path-measures.ts';
import { fastd, socat, wireguardGo } from './path-competitors.ts';
import type { Candidate, Tuning } from './path-tunnel.ts';
import { openVswitch, tinc, vtun } from './path-tunnelers.ts';
import type { Switch } from './path-underlay.ts';
import { weftUdp, weftUdpWorkers, weftVxlan, weftVxlanKernel, weftVxlanWorkers } from './path-weft.ts';

const CANDIDATES = [
  veth,
  kernelVxlan,
  weftUdp,
  weftVxlan,
  weftVxlanKernel,
  weftUdpWorkers,
  weftVxlanWorkers,
  fastd,
  socat,
  openVswitch,
  tinc,
  vtun,
  wireguardGo,
];
/** Without wireguard-go, which encrypts: it runs only if named. */
const DEFAULT_CANDIDATES = CANDIDATES.filter((candidate) => candidate !== wireguardGo);

export interface PathOptions {
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  readonly candidates: readonly Candidate[];
  readonly measures: readonly Measure[];
  readonly offloads: readonly Switch[];
  readonly gro: Switch;
  /** Of the underlay, in bytes. */
  readonly mtu: number;
  readonly tuning: Tuning;
  /** Whether perf(1) watches each measurement. */
  readonly isProfiled: boolean;
}

const OPTIONS = {
  rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '2' },
  only: { type: 'string' },
  measures: { type: 'string' },
  offloads: { type: 'string', default: 'both' },
  gro: { type: 'string', default: 'off' },
  mtu: { type: 'string', default: '1500' },
  workers: { type: 'string', default: '1' },
  'source-ports': { type: 'string', default: '0' },
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
  return {
    rounds: numberIn('rounds', values.rounds, 1, 1000),
    seconds: numberIn('seconds', values.seconds, 1, 60),
    candidates: chosen('only', values.only, CANDIDATES, DEFAULT_CANDIDATES),
    measures: chosen(
      'measures',
      values.measures,
      MEASURES,
      MEASURES.filter(({ isOptional }) => !isOptional),
    ),
    offloads: values.offloads === 'both' ? ['on', 'off'] : [switchOf('offloads', values.offloads)],
    gro: switchOf('gro', values.gro),
    mtu: numberIn('mtu', values.mtu, 600, 65_535),
    tuning: {
      workers: numberIn('workers', values.workers, 1, 64),
      sourcePorts: numberIn('source-ports', values['source-ports'], 0, 64),
    },
    isProfiled: values.perf,
  };
}

function numberIn(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`--${name} '${text}': give a whole number from ${least} to ${most}`);
  return value;
}

function switchOf(name: string, text: string): Switch {
  if (text !== 'on' && text !== 'off') throw new Error(`--${name} '${text}': give on or off`);
  return text;
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
