// Runs suites, each spec file in namespaces of its own and one file more side by side than there are processors, as each
// waits for something a third of its time.
// A suite that fails beside others runs once more alone, and the summary names it. A suite that fails alone fails the run.
// Usage: node dist/test/run-suites.js FILE…
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { TIME_SCALE } from '../lab/time-scale.ts';

/** A suite that takes longer hangs: it is killed, and its namespaces with it. In milliseconds. */
const LIMIT_MS = 10 * 60_000 * TIME_SCALE;

/** Of one test, in milliseconds: suites boot clusters. */
const TEST_TIMEOUT_MS = String(180_000 * TIME_SCALE);

interface Outcome {
  readonly file: string;
  readonly isPassed: boolean;
  readonly output: string;
  readonly seconds: number;
}

function run(file: string): Promise<Outcome> {
  const start = performance.now();
  const args = ['test/in-namespaces.sh', 'node_modules/.bin/mocha', '--timeout', TEST_TIMEOUT_MS, file];
  const child = spawn('sh', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      if (signal !== null) output += `\nended by ${signal} after ${LIMIT_MS / 60_000} minutes`;
      const seconds = (performance.now() - start) / 1000;
      resolve({ file, isPassed: code === 0, output: output.trim(), seconds });
    });
  });
}

function report({ file, isPassed, output, seconds }: Outcome, remark = ''): void {
  console.log(`--- ${basename(file, '.spec.js')}: ${seconds.toFixed(1)} s${remark}`);
  // Of a passed suite only the number of tests is printed.
  console.log(isPassed ? /^ *\d+ passing.*$/m.exec(output)?.[0] : output);
}

/** Runs all files, `width` at a time, in the order given. */
async function runAll(files: readonly string[], width: number, remark = ''): Promise<readonly Outcome[]> {
  const waiting = [...files];
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const outcome = await run(file);
      outcomes.push(outcome);
      report(outcome, remark);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return outcomes;
}

const failed = (outcomes: readonly Outcome[]) =>
  outcomes.filter(({ isPassed }) => !isPassed).map(({ file }) => file);

const files = process.argv.slice(2);
if (files.length === 0) throw new Error('No suite named: node dist/test/run-suites.js FILE…');
// An emulated processor has no time to spare for another suite.
const width = TIME_SCALE > 1 ? 1 : availableParallelism() + 1;
const together = failed(await runAll(files, width));
const alone = failed(await runAll(together, 1, ', once more, alone'));
const unsteady = together.filter((file) => !alone.includes(file));
if (unsteady.length > 0) console.log(`Passed only alone: ${unsteady.join(' ')}`);
console.log(alone.length > 0 ? `Failed: ${alone.join(' ')}` : `${files.length} suites passed`);
process.exitCode = alone.length > 0 ? 1 : 0;
