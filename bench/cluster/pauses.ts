// How long does the daemon's event loop stand still among N peers? Measured inside the daemon, over its start, one join, one
// leave, a full reading of the kernel with the registry, and a list after all leases were written and etcd was compacted while
// it was away. Meanwhile it answers nothing: no health check, no container, no peer that leaves.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lab } from '../../lab/lab.ts';
import { waitFor } from '../../lab/wait.ts';
import { withInstalled } from '../host/installed.ts';
import type { BenchResult, Metric } from '../metrics.ts';
import { openWriter, startTimed, type Writer } from './lab-programs.ts';
import { openMonitor, type RouteMonitor } from './route-monitor.ts';
import { BENCH_CONFIG, fakePeer } from './seed.ts';

const PROBE = fileURLToPath(new URL('../host/pause-probe.js', import.meta.url));
const PEERS = '10000';
const MOST_PEERS = 30_000;
const REPEATS = 5;
/** What follows a change or a start: status, metrics, the collection of what a start took. */
const REST_MS = 1500;
/** A full reading of both kernel and registry ends well within it. */
const READING_MS = 4000;
const LIMIT_MS = 50;
const LEAVE_LIMIT_MS = 84;

const PHASES = ['start', 'one joins', 'one leaves', 'full reading', 'resync after compaction'] as const;
type Phase = (typeof PHASES)[number];

interface Sample {
  readonly worstMs: Readonly<Record<Phase, readonly number[]>>;
  readonly leaveMs: readonly number[];
  /** Of one that leaves while the kernel is read in full. */
  readonly leaveReadingMs: number;
}

export async function benchPauses(args: readonly string[], rounds = 1): Promise<BenchResult> {
  const metrics: Metric[] = [];
  for (const count of parsePausesOptions(args)) {
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round++)
      samples.push(await withInstalled((program) => measure(program, count)));
    metrics.push(...metricsOf(count, samples));
  }
  return {
    bench: 'pauses',
    invalidatedBy: 'at 10,000 peers the event loop stands still for more than 50 ms in any phase',
    metrics,
  };
}

/** Numbers of peers. @throws Error for others than whole numbers up to {@link MOST_PEERS}. */
export function parsePausesOptions(args: readonly string[]): readonly number[] {
  const options = { peers: { type: 'string', default: PEERS } } as const;
  const { peers } = parseArgs({ args: [...args], options }).values;
  const counts = peers.split(',').map(Number);
  if (counts.every((count) => Number.isInteger(count) && count >= 1 && count <= MOST_PEERS)) return counts;
  throw new Error(`--peers '${peers}': give numbers from 1 to ${MOST_PEERS}, divided by commas`);
}

function metricsOf(count: number, samples: readonly Sample[]): Metric[] {
  const peers = `${count} peers`;
  return [
    ...PHASES.map((phase) => ({
      name: `${peers}: worst pause, ${phase}`,
      unit: 'ms',
      runs: samples.map(({ worstMs }) => Math.max(...worstMs[phase])),
      atMost: LIMIT_MS,
    })),
    {
      name: `${peers}: worst of ${REPEATS} that leave, one after another`,
      unit: 'ms',
      runs: samples.map(({ leaveMs }) => Math.max(...leaveMs)),
      atMost: LEAVE_LIMIT_MS,
    },
    {
      name: `${peers}: one leaves while the kernel is read`,
      unit: 'ms',
      runs: samples.map(({ leaveReadingMs }) => leaveReadingMs),
      atMost: LEAVE_LIMIT_MS,
    },
  ];
}

async function measure(program: string, count: number): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-pauses-'));
  const lab = await Lab.create({ name: `pauses-${process.pid}`, hosts: 1, start: false });
  try {
    await lab.startEtcd();
    await lab.putConfig(BENCH_CONFIG);
    const writer = openWriter(lab);
    await writer.send({ seed: count });
    const daemon = await startTimed(lab, program, [], probed(folder));
    const sample = await new Phases(lab, writer, daemon.times.pid, join(folder, 'pauses'), count).run();
    daemon.end();
    writer.end();
    return sample;
  } finally {
    await lab.down();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Command prefix under which Node loads the probe. */
function probed(folder: string): string[] {
  return ['env', `NODE_OPTIONS=--import=${PROBE}`, `WEFT_PAUSES=${join(folder, 'pauses')}`];
}

class Phases {
  readonly #lab: Lab;
  readonly #writer: Writer;
  readonly #pid: number;
  readonly #file: string;
  readonly #count: number;
  #reports = 0;

  constructor(lab: Lab, writer: Writer, pid: number, file: string, count: number) {
    this.#lab = lab;
    this.#writer = writer;
    this.#pid = pid;
    this.#file = file;
    this.#count = count;
  }

  async run(): Promise<Sample> {
    await sleep(REST_MS);
    const start = await this.#worst();
    const monitor = await openMonitor(this.#lab);
    const [joins, leaves, leaveMs] = [[], [], []] as [number[], number[], number[]];
    for (let index = this.#count; index < this.#count + REPEATS; index++) {
      await monitor.timeOf(this.#writer, { put: index }, `${fakePeer(index).subnet}/24`);
      joins.push(await this.#worst());
    }
    for (let index = this.#count; index < this.#count + REPEATS; index++) {
      leaveMs.push(
        await monitor.timeOf(this.#writer, { delete: index }, `Deleted ${fakePeer(index).subnet}/24`),
      );
      leaves.push(await this.#worst());
    }
    const [reading, leaveReadingMs] = await this.#reading(monitor);
    const resync = await this.#resync(monitor);
    monitor.end();
    const worstMs = {
      start: [start],
      'one joins': joins,
      'one leaves': leaves,
      'full reading': [reading],
      'resync after compaction': [resync],
    };
    return { worstMs, leaveMs, leaveReadingMs };
  }

  async #reading(monitor: RouteMonitor): Promise<readonly [number, number]> {
    const index = this.#count + REPEATS;
    const { subnet } = fakePeer(index);
    await monitor.timeOf(this.#writer, { put: index }, `${subnet}/24`);
    await this.#worst();
    // A change of its own device makes the daemon read everything.
    await this.#lab.check('h1', ['ip', 'link', 'set', 'dev', 'flannel.1', 'alias', 'bench']);
    const leaveMs = await monitor.timeOf(this.#writer, { delete: index }, `Deleted ${subnet}/24`);
    await this.#signal('HUP');
    await sleep(READING_MS);
    return [await this.#worst(), leaveMs];
  }

  /** The host is cut off while all leases are written, one more joins and etcd forgets its history. */
  async #resync(monitor: RouteMonitor): Promise<number> {
    await this.#signal('STOP');
    await this.#writer.send({ seed: this.#count });
    await this.#compact();
    await this.#lab.stopEtcd('TERM');
    await this.#lab.startEtcd();
    const index = this.#count + REPEATS + 1;
    await this.#signal('CONT');
    // The time while it was stopped is no pause of its own.
    await sleep(50);
    await this.#worst();
    await monitor.timeOf(this.#writer, { put: index }, `${fakePeer(index).subnet}/24`);
    await sleep(REST_MS);
    return this.#worst();
  }

  async #compact(): Promise<void> {
    const [status] = JSON.parse(await this.#lab.etcdctl(['endpoint', 'status', '-w', 'json'])) as {
      Status: { header: { revision: number } };
    }[];
    await this.#lab.etcdctl(['compact', '--physical', String(status!.Status.header.revision)]);
  }

  /** The longest pause since the last call, in ms. */
  async #worst(): Promise<number> {
    await this.#signal('USR2');
    const wanted = ++this.#reports;
    let worstMs = NaN;
    const isWritten = (): boolean => {
      const report = readReport(this.#file);
      worstMs = report.worstMs;
      return report.count === wanted;
    };
    await waitFor('the daemon to report its pauses', isWritten, 10_000, 5);
    return worstMs;
  }

  async #signal(name: 'HUP' | 'USR2' | 'STOP' | 'CONT'): Promise<void> {
    await this.#lab.check('h1', ['kill', `-${name}`, String(this.#pid)]);
  }
}

function readReport(file: string): { readonly count: number; readonly worstMs: number } {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { count: number; worstMs: number };
  } catch {
    // Not written yet.
    return { count: 0, worstMs: NaN };
  }
}
