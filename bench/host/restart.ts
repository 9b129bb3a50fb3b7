// Cost for containers of a daemon that restarts or gets another config. A container sends requests to another, a
// thousand times a second (traffic/steady.c); the daemon of its host is restarted, killed or upgraded, or the network's config
// changes on both hosts. Not ping: one that gets no reply waits 10 ms before its next request, and so hides most losses.
import { setTimeout } from 'node:timers/promises';
import { join } from 'node:path';
import { Lab } from '../../lab/lab.ts';
import type { DaemonSignal } from '../../lab/processes.ts';
import { toolFile } from '../../lab/tools.ts';
import { LabProcess } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import type { StatusV1 } from '../../api/index.ts';
import { insteadOf, Installations } from './installed.ts';
import { buildGenerators } from '../path/path-traffic.ts';
import { progress } from '../progress.ts';
import type { Measure, BenchmarkRecord, Subject } from '../record.ts';
import { parseRestartOptions, type Fault, type RestartOptions } from './restart-options.ts';
import type { ChangeName, RestartScenario } from './restart-scenarios.ts';

const LIMIT_MS = 60_000;
/** Of traffic before and after; the whole length of `nothing`. */
const QUIET_MS = 200;
const RATE = 1000;
const ECHO_PORT = '5302';
const HOSTS = ['h1', 'h2'] as const;

/** What came of one fault. */
interface Interruption {
  readonly sent: number;
  readonly lost: number;
  readonly longestGapMs: number;
}

/** A lab whose hosts run one scenario, with the echo in the second host's container. */
interface Stage {
  readonly lab: Lab;
  readonly scenario: RestartScenario;
  readonly generators: string;
  readonly installations: Installations;
}

/** Results of one scenario: the rounds of each applicable fault, and the failure that ended it. */
interface Found {
  readonly scenario: RestartScenario;
  readonly rounds: Map<Fault, Interruption[]>;
  failure?: string;
}

export async function benchRestart(args: readonly string[], rounds = 1): Promise<BenchmarkRecord> {
  const options = parseRestartOptions(args);
  const generators = await buildGenerators();
  const found: Found[] = [];
  for (const scenario of options.scenarios) {
    progress(`  ${scenario.name}`);
    found.push(await measureScenario(scenario, generators, options, rounds));
  }
  return {
    benchmark: 'restart',
    invalidatedBy: 'a packet is lost in the kernel while a daemon is away',
    conditions: { hosts: HOSTS.length, 'requests a second': RATE },
    measures: options.faults.flatMap((fault) => measuresOf(fault, found)),
  };
}

async function measureScenario(
  scenario: RestartScenario,
  generators: string,
  { faults }: RestartOptions,
  rounds: number,
): Promise<Found> {
  const found: Found = { scenario, rounds: new Map() };
  const installations = new Installations();
  const lab = await Lab.create({
    name: `bench-${process.pid}`,
    hosts: HOSTS.length,
    bare: HOSTS,
    config: documentOf(scenario.backend),
  });
  try {
    const stage: Stage = { lab, scenario, generators, installations };
    await Promise.all(HOSTS.map((name) => startHost(stage, name)));
    const echo = new LabProcess(lab, 'c2', [join(generators, 'pingpong'), ECHO_PORT]);
    await waitFor('the echo', () => echo.output.includes('ready'), LIMIT_MS);
    for (let round = 0; round < rounds; round++)
      for (const fault of faults.filter((one) => isKnown(scenario, one)))
        found.rounds.set(fault, [...(found.rounds.get(fault) ?? []), await measureOnce(stage, fault)]);
  } catch (error) {
    found.failure = `${(error as Error).message}; the log of h1 ends with:\n${await lab.logTail('h1', 5)}`;
  } finally {
    await lab.down();
    installations.remove();
  }
  return found;
}

function documentOf(backend: RestartScenario['backend']): string {
  return JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
}

/** host-gw, for example, has no port that could change. */
function isKnown({ changes }: RestartScenario, fault: Fault): boolean {
  return Object.hasOwn(ACTS, fault) || Object.hasOwn(changes, fault);
}

function startDaemon({ lab, scenario, installations }: Stage, name: string): Promise<void> {
  const under = scenario.hasFdStore ? [toolFile('fd-store')] : [];
  return lab.startDaemon(name, [], [...under, ...insteadOf(installations.program)]);
}

async function startHost(stage: Stage, name: string): Promise<void> {
  await startDaemon(stage, name);
  await stage.lab.attachContainer(name);
  await waitFor(`${name} to be ready`, () => stage.lab.isReady(name), LIMIT_MS, 50);
}

/** Requests before, during and after one fault. */
async function measureOnce(stage: Stage, fault: Fault): Promise<Interruption> {
  const { lab, generators, scenario } = stage;
  const address = await lab.containerAddress('h2');
  const requests = new LabProcess(lab, 'c1', [join(generators, 'steady'), address, ECHO_PORT, String(RATE)]);
  const isChange = Object.hasOwn(scenario.changes, fault);
  try {
    await waitFor('an answer', () => requests.output.includes('ready'), LIMIT_MS);
    await setTimeout(QUIET_MS);
    await (isChange ? changeConfig(stage, scenario.changes[fault as ChangeName]!) : ACTS[fault]!(stage));
    await setTimeout(QUIET_MS);
  } finally {
    await requests.interrupt();
  }
  if (isChange) await changeConfig(stage, scenario.backend);
  return JSON.parse(requests.output.slice(requests.output.indexOf('{'))) as Interruption;
}

const ACTS: Readonly<Partial<Record<Fault, (stage: Stage) => Promise<void>>>> = {
  nothing: () => Promise.resolve(),
  restart: (stage) => startAgain(stage, 'TERM', 'HUP'),
  crash: (stage) => startAgain(stage, 'KILL', 'USR1'),
  upgrade: (stage) => {
    stage.installations.upgrade();
    return startAgain(stage, 'TERM', 'HUP');
  },
};

/** Sends `signal` and starts the daemon, or sends `toStore` to the descriptor store, which restarts it. */
async function startAgain(stage: Stage, signal: 'TERM' | 'KILL', toStore: DaemonSignal): Promise<void> {
  const { lab, scenario } = stage;
  const before = await statusOf(lab, 'h1');
  await lab.stopDaemon('h1', scenario.hasFdStore ? toStore : signal);
  if (!scenario.hasFdStore) await startDaemon(stage, 'h1');
  await waitFor(
    'the restarted daemon to be ready',
    async () => {
      const now = await statusOf(lab, 'h1');
      return now?.daemon.pid !== before?.daemon.pid && now?.health === 'ok';
    },
    LIMIT_MS,
  );
}

/** Resolves once both hosts have applied it, and nothing of the old transport is left. */
async function changeConfig({ lab }: Stage, backend: RestartScenario['backend']): Promise<void> {
  const applied = async (name: string) => (await statusOf(lab, name))?.config?.counts.applied ?? 0;
  const before = await Promise.all(HOSTS.map(applied));
  await lab.putConfig(documentOf(backend));
  for (const [index, name] of HOSTS.entries())
    await waitFor(
      `${name} to follow to ${JSON.stringify(backend)}`,
      async () => {
        const status = await statusOf(lab, name);
        const { config, network, health } = status ?? {};
        return (
          config !== undefined &&
          config.counts.applied > before[index]! &&
          network?.migration === undefined &&
          health === 'ok'
        );
      },
      LIMIT_MS,
    );
}

/** Status of a daemon; undefined without an answer. */
async function statusOf(lab: Lab, name: string): Promise<StatusV1 | undefined> {
  const args = ['curl', '-sf', '-m', '5', '--unix-socket', lab.controlSocket(name), 'http://weft/v1/status'];
  const { code, stdout } = await lab.exec(name, args);
  return code === 0 ? (JSON.parse(stdout) as StatusV1) : undefined;
}

function measuresOf(fault: Fault, found: readonly Found[]): Measure[] {
  const those = found.filter(({ scenario }) => isKnown(scenario, fault));
  const subjectsOf = (field: keyof Interruption, hasThreshold: boolean): Subject[] =>
    those.map(({ scenario, rounds, failure }) => ({
      name: scenario.name,
      rounds: (rounds.get(fault) ?? []).map((round) => round[field]),
      details: (rounds.get(fault) ?? []).map(({ sent }) => ({ sent })),
      ...(hasThreshold && scenario.isInKernel && { isExact: true, threshold: { of: 'value', atMost: 0 } }),
      ...(failure !== undefined && { failure }),
    }));
  const isStart = Object.hasOwn(ACTS, fault);
  return [
    { name: `${fault}: lost`, unit: 'packets', better: 'less', subjects: subjectsOf('lost', isStart) },
    {
      name: `${fault}: longest gap`,
      unit: 'ms',
      better: 'less',
      subjects: subjectsOf('longestGapMs', false),
    },
  ];
}
