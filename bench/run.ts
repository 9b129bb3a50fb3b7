// Runs the named benchmarks one after another. All required tools are checked before the first one starts.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lab/package-root.ts';
import { formatMachine, readMachine } from './machine.ts';
import { violations } from './invariants.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { requireBuilds } from './host/installed.ts';
import { formatEstimate } from './estimate.ts';
import { progress } from './progress.ts';
import { writeRecord, type BenchmarkRecord } from './record.ts';
import { formatBenchmark } from './summary.ts';
import type { RunArgs } from './args.ts';

const exec = promisify(execFile);

/**
 * @returns the exit code: 1 if a subject failed, an invariant is violated, or the time limit left a benchmark out.
 * @throws Error at once if a tool is missing.
 */
export async function runBenchmarks(args: RunArgs): Promise<number> {
  const { jobs, withinSec = Infinity, invariants, out } = args;
  for (const { benchmark, args: options } of jobs) {
    await requireTools(benchmark, await BENCHMARKS[benchmark]!.needs(options));
    requireBuilds(benchmark, BENCHMARKS[benchmark]!.builds ?? []);
  }
  progress(`… ${jobs.length} ${jobs.length === 1 ? 'benchmark' : 'benchmarks'}: ${formatEstimate(args)}`);
  const records: BenchmarkRecord[] = [];
  const startMs = performance.now();
  for (const [index, job] of jobs.entries()) {
    const { benchmark } = job;
    const sec = (performance.now() - startMs) / 1000;
    if (sec > withinSec) {
      progress(
        `… ${benchmark} and the rest are skipped: ${sec.toFixed(0)} s have passed, the limit is ${withinSec} s`,
      );
      break;
    }
    progress(
      `… ${benchmark} (${index + 1} of ${jobs.length}, ${sec.toFixed(0)} s): ${BENCHMARKS[benchmark]!.question}`,
    );
    records.push(await BENCHMARKS[benchmark]!.run(job));
    await keep(records, out);
  }
  console.log(formatAll(records));
  const broken = violations(invariants, records);
  for (const line of broken) console.log(`VIOLATED: ${line}`);
  return broken.length > 0 || records.length < jobs.length || records.some(hasFailure) ? 1 : 0;
}

/** Called after each benchmark: an interrupted run keeps its finished results. */
async function keep(records: readonly BenchmarkRecord[], out: string | undefined): Promise<void> {
  const last = records.at(-1)!;
  await writeRecord(join(packageRoot(), 'bench/out', `${last.benchmark}.json`), [last]);
  if (out !== undefined) await writeRecord(out, records);
}

function formatAll(records: readonly BenchmarkRecord[]): string {
  return [
    formatMachine(readMachine()),
    ...records.flatMap((record) => ['', ...formatBenchmark(record)]),
  ].join('\n');
}

function hasFailure({ measures }: BenchmarkRecord): boolean {
  return measures.some(({ subjects }) => subjects.some(({ failure }) => failure !== undefined));
}

/** @throws Error naming all that is missing, and the packages that have it. */
async function requireTools(benchmark: string, tools: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const tool of tools) if (!(await isThere(tool))) missing.push(tool);
  if (missing.length === 0) return;
  const { stdout } = await exec('sh', [
    join(packageRoot(), 'deploy/install-tools.sh'),
    '--print',
    ...missing,
  ]);
  throw new Error(
    `${benchmark} needs ${missing.join(', ')}, which this machine lacks: run make bench-tools, or as root apt-get install ${stdout.trim()}`,
  );
}

function isThere(tool: string): Promise<boolean> {
  return exec('sh', ['-c', 'command -v "$1"', 'sh', tool]).then(
    () => true,
    () => false,
  );
}
