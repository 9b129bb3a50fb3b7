// What does the daemon itself cost, and how does that grow? Decoding leases, deriving objects and reconciling them is timed
// without etcd and kernel, in a process of its own under the daemon's flags, for 10 to 10,000 peers; processor time, not time
// on the clock, so that other work on the machine matters less. `--profile` keeps V8's profile of the largest, too.
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { packageRoot } from '../../lab/package-root.ts';
import type { ControlPlaneTimes } from './control-plane-host.ts';
import { measuresOf, type Metric } from '../metrics.ts';
import { fitGrowth, formatGrowth, type Point } from './growth-fit.ts';
import { formatMachine, readMachine } from '../machine.ts';
import { progress } from '../progress.ts';
import type { BenchmarkRecord } from '../record.ts';
import { drawFlames } from '../report/flame.ts';
import { formatCosts, parseCpuProfile } from '../stacks.ts';

const run = promisify(execFile);
const HOST = fileURLToPath(new URL('control-plane-host.js', import.meta.url));
const PEERS = [10, 100, 1000, 10_000] as const;
const PROFILE = 'control.cpuprofile';
const SHOWN_FUNCTIONS = 25;
/** Fixed costs make it less; more would mean that a peer costs more the more there are. */
const MOST_EXPONENT = 1.2;
const NAMES = {
  decodeMs: 'leases decoded',
  deriveMs: 'objects derived',
  reconcileMs: 'reconciled',
  joinMs: 'one more peer',
} as const;

type Timed = keyof typeof NAMES;

export async function benchControlPlane(args: readonly string[], rounds = 3): Promise<BenchmarkRecord> {
  const { profile } = parseArgs({ args: [...args], options: { profile: { type: 'boolean' } } }).values;
  const flags = await daemonFlags();
  const samples = new Map<number, ControlPlaneTimes[]>(PEERS.map((count) => [count, []]));
  for (let round = 0; round < rounds; round++)
    for (const count of PEERS) samples.get(count)!.push(await measure(flags, count));
  if (profile === true) await keepProfile(flags);
  return {
    benchmark: 'control',
    invalidatedBy:
      'deriving and reconciling grow faster than the number of peers, or one more peer costs more among many',
    conditions: { nodeFlags: flags.join(' ') },
    measures: measuresOf([...metricsOf(samples), ...growthOf(samples)]),
  };
}

/** Flags that bin/weft gives to Node. */
async function daemonFlags(): Promise<readonly string[]> {
  const script = await readFile(join(packageRoot(), 'bin/weft'), 'utf8');
  const args = /^ *flags="(--single-threaded .*)"$/m.exec(script)?.[1];
  if (args === undefined)
    throw new Error(
      'bin/weft sets the flags of Node in an unknown form: update the pattern of this benchmark',
    );
  return args.split(' ');
}

async function measure(flags: readonly string[], count: number): Promise<ControlPlaneTimes> {
  const { stdout } = await run(process.execPath, [...flags, HOST, String(count)]);
  return JSON.parse(stdout) as ControlPlaneTimes;
}

function metricsOf(samples: ReadonlyMap<number, readonly ControlPlaneTimes[]>): Metric[] {
  return [...samples].flatMap(([count, times]): Metric[] => [
    ...timedNames().map((name) => ({
      name: `${count} peers: ${NAMES[name]}`,
      unit: 'ms',
      runs: times.map((one) => one[name]),
    })),
    { name: `${count} peers: resident memory`, unit: 'MB', runs: times.map(({ rssMb }) => rssMb) },
  ]);
}

/** The exponent of each; of one more peer that of 100 and more, as with few its time is that of code not yet compiled. */
function growthOf(samples: ReadonlyMap<number, readonly ControlPlaneTimes[]>): Metric[] {
  return timedNames().map((name) => {
    const points = [...samples].flatMap(([hosts, times]) =>
      times.map((one): Point => ({ hosts, value: one[name] })),
    );
    const growth = fitGrowth(points);
    progress(`  ${NAMES[name]} grows as peers ^ ${formatGrowth(growth)}`);
    const atMost = name === 'joinMs' ? MOST_EXPONENT - 1 : MOST_EXPONENT;
    return {
      name: `${NAMES[name]}: exponent of growth`,
      unit: 'exponent',
      runs: [growth.exponent],
      better: 'neither',
      atMost,
    };
  });
}

function timedNames(): readonly Timed[] {
  return Object.keys(NAMES) as Timed[];
}

async function keepProfile(flags: readonly string[]): Promise<void> {
  const folder = join(packageRoot(), 'bench/out');
  await mkdir(folder, { recursive: true });
  const args = [
    '--cpu-prof',
    '--cpu-prof-interval=500',
    `--cpu-prof-dir=${folder}`,
    `--cpu-prof-name=${PROFILE}`,
  ];
  await run(process.execPath, [...flags, ...args, HOST, String(Math.max(...PEERS))]);
  const file = join(folder, PROFILE);
  const stacks = parseCpuProfile(await readFile(file, 'utf8'));
  for (const line of formatCosts(stacks, SHOWN_FUNCTIONS)) progress(`  ${line}`);
  const svg = file.replace(/cpuprofile$/, 'svg');
  const title = `Control plane: ${Math.max(...PEERS)} peers taken in`;
  await writeFile(svg, drawFlames(stacks, { title, note: formatMachine(readMachine()) }));
  progress(`  flame graph: ${svg}; all of it: ${file}, for the performance tab of Chrome or for speedscope`);
}
