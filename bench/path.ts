// Throughput, packet rate and latency of tunnels, side by side. In every round each candidate gets an underlay of its
// own, is set up, measured and torn down; their order is rotated from round to round, and ratios are formed within one
// round only, since what a machine can do drifts. Sender and receiver run on the same cores as both ends of a tunnel.
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { waitFor } from '../lab/wait.ts';
import { run } from './path-process.ts';
import { buildGenerators, type Turn } from './path-traffic.ts';
import { parsePathOptions, type PathOptions } from './path-options.ts';
import { figuresOf, printTable, type PathRun } from './path-report.ts';
import type { Candidate, Tunnel } from './path-tunnel.ts';
import { Underlay, type Switch } from './path-underlay.ts';
import type { Measure } from './path-measures.ts';
import type { BenchResult } from './report.ts';

const TOOLS = ['ip', 'ethtool', 'iperf3', 'ping', 'cc'];

export interface PathResult extends BenchResult {
  readonly conditions: Readonly<Record<string, unknown>>;
  readonly runs: readonly PathRun[];
}

/** `args`: see {@link parsePathOptions}. @throws Error at once if a tool is missing. */
export async function benchPath(args: readonly string[] = []): Promise<PathResult> {
  const options = parsePathOptions(args);
  if (process.env['WEFT_TEST_NETNS'] !== '1')
    throw new Error('The path benchmark makes namespaces by name: run it through test/in-namespaces.sh');
  for (const tool of [...TOOLS, ...options.candidates.flatMap(({ needs }) => needs)]) await requireTool(tool);
  const generators = await buildGenerators();
  const runs: PathRun[] = [];
  for (let round = 0; round < options.rounds; round++)
    for (const offloads of options.offloads)
      for (const candidate of rotated(options.candidates, round))
        runs.push(...(await takeTurn({ options, generators, round, offloads, candidate })));
  const { rounds, seconds, gro, mtu, tuning } = options;
  const congestion = (await readFile('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8')).trim();
  const conditions = { rounds, seconds, gro, mtu, ...tuning, defaultCongestion: congestion };
  console.log(`\nConditions: ${JSON.stringify(conditions)}`);
  printTable(runs, options.measures);
  if (runs.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
  return {
    bench: 'path',
    falsifiedBy: 'on a machine that does nothing else, the median of a ratio above is not what was asked',
    figures: figuresOf(runs),
    conditions,
    runs,
  };
}

function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const from = by % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}

async function requireTool(name: string): Promise<void> {
  await run(['sh', '-c', 'command -v "$1"', 'sh', name]).catch(() => {
    throw new Error(`There is no '${name}': install it with deploy/install-tools.sh ${name}`);
  });
}

interface TurnPlan {
  readonly options: PathOptions;
  readonly generators: string;
  readonly round: number;
  readonly offloads: Switch;
  readonly candidate: Candidate;
}

/** One candidate, set up anew, through all measures. One that cannot be started is shown as such with the cause. */
async function takeTurn(plan: TurnPlan): Promise<PathRun[]> {
  const { options, candidate, offloads, round } = plan;
  progress(`round ${round + 1} of ${options.rounds}, offloads ${offloads}: ${candidate.name}`);
  const underlay = await Underlay.create({ offloads, gro: options.gro, mtu: options.mtu });
  try {
    const tunnel = await openTunnel(candidate, underlay, options);
    const turn: Turn = { underlay, tunnel, seconds: options.seconds, generators: plan.generators };
    const runs: PathRun[] = [];
    for (const measure of options.measures.filter((one) => isAsked(one, plan)))
      runs.push(...(await measureOnce(plan, turn, measure)));
    const end = await describeEnd(turn).catch((error: unknown) => ({ failure: String(error) }));
    return runs.map((one) => ({ ...one, turn: end }));
  } catch (error) {
    return [failed(plan, 'start', options.mtu, error)];
  } finally {
    await underlay.down();
  }
}

async function openTunnel(candidate: Candidate, underlay: Underlay, options: PathOptions): Promise<Tunnel> {
  const tunnel = await candidate.open(underlay, options.tuning);
  const ping = async () => (await underlay.a.run(['ping', '-c', '1', '-W', '1', tunnel.to])) !== '';
  await waitFor('an answer to ping', ping, 15_000).catch((error: unknown) => {
    const said = tunnel.ends.map((end) => `; ${end.name} said: ${end.said}`);
    throw new Error(`${String(error)}${said.join('')}`, { cause: error });
  });
  return tunnel;
}

/** What is known at the end of a turn only. */
async function describeEnd({ underlay, tunnel }: Turn): Promise<Readonly<Record<string, unknown>>> {
  const fragments = await underlay.fragments();
  if (fragments > 0) progress(`  Host a made ${fragments} IPv4 fragments: the tunnel's MTU is wrong`);
  const anonymousBytes = await Promise.all(tunnel.ends.map((one) => one.anonymousBytes()));
  return { fragments, anonymousBytes, ends: await tunnel.describe?.() };
}

function isAsked(measure: Measure, { options, offloads, candidate }: TurnPlan): boolean {
  if (measure.peers === 'same-remote' && candidate.peers === 'none') return false;
  if (measure.peers === 'own-remotes' && candidate.peers !== 'own-remotes') return false;
  return offloads === 'on' || options.offloads.length === 1 || measure.isForBothOffloads === true;
}

/** A measurement that fails is a result, too: it is shown with its cause and the others go on. */
async function measureOnce(plan: TurnPlan, turn: Turn, measure: Measure): Promise<PathRun[]> {
  const { tunnel } = turn;
  try {
    if (measure.peers) await tunnel.addPeers!(measure.peers === 'own-remotes');
    const before = await cpuSeconds(tunnel);
    const readings = await measure.run(turn);
    const after = await cpuSeconds(tunnel);
    const cpu = after.map((seconds, index) => Number((seconds - before[index]!).toFixed(2)));
    for (const { figure, value, unit } of readings) progress(`  ${figure} ${value.toPrecision(4)} ${unit}`);
    return readings.map((reading) => ({ ...circumstances(plan, tunnel.mtu), ...reading, cpuSeconds: cpu }));
  } catch (error) {
    return [failed(plan, measure.name, tunnel.mtu, error)];
  }
}

function failed(plan: TurnPlan, figure: string, mtu: number, error: unknown): PathRun {
  progress(`  ${figure} FAILED: ${String(error)}`);
  return { ...circumstances(plan, mtu), figure, failure: String(error) };
}

function circumstances({ round, candidate, offloads }: TurnPlan, mtu: number) {
  return { round, candidate: candidate.name, offloads, mtu, load: loadavg()[0]! };
}

function cpuSeconds({ ends }: Tunnel): Promise<number[]> {
  return Promise.all(ends.map((end) => end.cpuSeconds()));
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
