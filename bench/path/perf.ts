// Watches the whole machine with perf(1) while something is measured: where all processors spend their time, kernel included.
// By a timer (cpu-clock), since virtual machines have no hardware counters.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { formatMachine, readMachine } from '../machine.ts';
import { Program, run } from './path-process.ts';
import { progress } from '../progress.ts';
import { drawFlames } from '../report/flame.ts';
import { formatCosts, parsePerfScript } from '../stacks.ts';

/** No divisor of what else happens regularly. */
const SAMPLES_PER_SEC = 997;
const SHOWN_FUNCTIONS = 15;
const REPORT_MS = 60_000;

/** Does `work`; bench/out/NAME.svg gets its flame graph, progress the largest costs. */
export async function withPerf<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const folder = join(packageRoot(), 'bench/out');
  await mkdir(folder, { recursive: true });
  const data = join(folder, `${name}.perf`);
  const args = ['-a', '-g', '-e', 'cpu-clock', '-F', String(SAMPLES_PER_SEC), '-o', data];
  const perf = new Program(['perf', 'record', ...args]);
  let result: Result;
  try {
    result = await work();
  } finally {
    await perf.stop('SIGINT');
  }
  const text = await run(['perf', 'script', '-i', data, '-F', 'comm,ip,sym'], { timeoutMs: REPORT_MS });
  await rm(data);
  const stacks = parsePerfScript(text);
  const svg = join(folder, `${name}.svg`);
  const note = `${stacks.length} samples, ${SAMPLES_PER_SEC} a second and processor, idle ones left out. ${formatMachine(readMachine())}`;
  await writeFile(svg, drawFlames(stacks, { title: name, note }));
  for (const line of formatCosts(stacks, SHOWN_FUNCTIONS)) progress(`    ${line}`);
  progress(`    flame graph: ${svg}`);
  return result;
}
