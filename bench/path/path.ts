// Throughput, packet rate and latency of tunnels, side by side. In every round each candidate is set up on an underlay
// of its own, measured and torn down, once for each kind of underlay and each family; their order is rotated from round
// to round, and ratios are formed within one round only, since what a machine can do drifts. Sender and receiver run on
// the same cores as both ends of a tunnel.
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import type { Family } from '../../lib/address.ts';
import { waitFor } from '../../lab/wait.ts';
import { buildGenerators, type Trial } from './path-traffic.ts';
import type { PathOptions } from './path-options.ts';
import { busySeconds, costsOf } from './path-cost.ts';
import { measuresOfRuns, type PathRun } from './path-record.ts';
import { withPerf } from './perf.ts';
import { progress } from '../progress.ts';
import type { BenchmarkRecord } from '../record.ts';
import type { UnderlayKind } from './tunnels/path-offloads.ts';
import type { PathCandidate, Testbed } from './tunnels/path-testbed.ts';
import type { Tunnel } from './tunnels/path-tunnel.ts';
import type { Measure } from './path-measure.ts';

/** @throws Error if it does not run where namespaces are its own. */
export async function benchPath(options: PathOptions): Promise<BenchmarkRecord> {
  if (process.env['WEFT_TEST_NETNS'] !== '1')
    throw new Error(
      'The path benchmark makes namespaces by name: run it by weft bench path, or through test/in-namespaces.sh',
    );
  const generators = await buildGenerators();
  const runs: PathRun[] = [];
  for (let round = 0; round < options.rounds; round++)
    for (const underlay of options.underlays)
      for (const family of options.families)
        for (const candidate of rotated(options.candidates, round))
          if (isCarried(candidate, underlay, family))
            runs.push(...(await runTrial({ options, generators, round, underlay, family, candidate })));
  const { seconds, topology, mtu, tuning } = options;
  const congestion = (await readFile('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8')).trim();
  return {
    benchmark: topology === 'hosts' ? 'path-hosts' : 'path',
    invalidatedBy: 'on an otherwise idle machine, the median of a ratio above misses its threshold',
    conditions: { seconds, mtu, ...tuning, defaultCongestion: congestion },
    measures: measuresOfRuns(runs),
  };
}

function isCarried(candidate: PathCandidate, underlay: UnderlayKind, family: Family): boolean {
  return candidate.families.includes(family) && candidate.underlays?.includes(underlay) !== false;
}

function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const from = by % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}

interface TrialPlan {
  readonly options: PathOptions;
  readonly generators: string;
  readonly round: number;
  readonly underlay: UnderlayKind;
  readonly family: Family;
  readonly candidate: PathCandidate;
}

/** Runs all measures on a fresh setup of one candidate. A candidate that fails to start is recorded with the cause. */
async function runTrial(plan: TrialPlan): Promise<PathRun[]> {
  const { options, candidate, underlay, family, round } = plan;
  const { rounds, topology, mtu, tuning, seconds } = options;
  progress(
    `path: round ${round + 1} of ${rounds}, ${topology}, ${underlay}, IPv${family}: ${candidate.name}`,
  );
  let testbed: Testbed | undefined;
  try {
    testbed = await candidate.open({ underlay, family, mtu, tuning });
    await waitForAnswer(testbed);
    const trial: Trial = { testbed, family, seconds, generators: plan.generators };
    const runs: PathRun[] = [];
    for (const measure of options.measures.filter((one) => isAsked(one, plan)))
      runs.push(...(await measureOnce(plan, trial, measure)));
    const end = await describeEnd(trial).catch((error: unknown) => ({ failure: String(error) }));
    return runs.map((one, index) => (index === runs.length - 1 ? { ...one, trial: end } : one));
  } catch (error) {
    return [failed(plan, 'start', options.mtu, error)];
  } finally {
    await testbed?.down();
  }
}

async function waitForAnswer({ a, tunnel }: Testbed): Promise<void> {
  const ping = async () => (await a.run(['ping', '-c', '1', '-W', '1', tunnel.to])) !== '';
  await waitFor('an answer to ping', ping, 15_000).catch((error: unknown) => {
    const outputs = tunnel.ends.map((end) => `; output of ${end.name}: ${end.output}`);
    throw new Error(`${String(error)}${outputs.join('')}`, { cause: error });
  });
}

/** What is known at the end of a trial only. */
async function describeEnd({ testbed }: Trial): Promise<Readonly<Record<string, unknown>>> {
  const { tunnel } = testbed;
  const fragments = await testbed.fragments();
  if (fragments > 0) progress(`  The sending host made ${fragments} fragments: the tunnel's MTU is wrong`);
  const anonymousBytes = await Promise.all(tunnel.ends.map((one) => one.anonymousBytes()));
  return { fragments, anonymousBytes, ends: await tunnel.describe?.() };
}

function isAsked(measure: Measure, { candidate }: TrialPlan): boolean {
  if (measure.peers === 'same-remote' && candidate.peers === 'none') return false;
  return measure.peers !== 'own-remotes' || candidate.peers === 'own-remotes';
}

/** A measurement that fails is a result, too: it is shown with its cause and the others go on. */
async function measureOnce(plan: TrialPlan, trial: Trial, measure: Measure): Promise<PathRun[]> {
  const { tunnel } = trial.testbed;
  try {
    if (measure.peers) await tunnel.addPeers!(measure.peers === 'own-remotes');
    const before = await cpuSeconds(tunnel);
    const busyBefore = await busySeconds();
    const run = () => measure.run(trial);
    const name = `${plan.candidate.name}-${measure.name}`;
    const measured = await (plan.options.isProfiled ? withPerf(name, run) : run());
    const readings = [...measured, ...costsOf(measured, (await busySeconds()) - busyBefore, trial.seconds)];
    const after = await cpuSeconds(tunnel);
    const cpu = after.map((seconds, index) => Number((seconds - before[index]!).toFixed(2)));
    for (const { metric, value, unit } of readings) progress(`  ${metric} ${value.toPrecision(4)} ${unit}`);
    return readings.map((reading) => ({ ...circumstances(plan, tunnel.mtu), ...reading, cpuSeconds: cpu }));
  } catch (error) {
    return [failed(plan, measure.name, tunnel.mtu, error)];
  }
}

function failed(plan: TrialPlan, metric: string, mtu: number, error: unknown): PathRun {
  progress(`  ${metric} FAILED: ${String(error)}`);
  return { ...circumstances(plan, mtu), metric, failure: String(error) };
}

function circumstances({ round, candidate, underlay, family, options }: TrialPlan, mtu: number) {
  const { topology } = options;
  return { round, candidate: candidate.name, topology, underlay, family, mtu, load: loadavg()[0]! };
}

function cpuSeconds({ ends }: Tunnel): Promise<number[]> {
  return Promise.all(ends.map((end) => end.cpuSeconds()));
}
