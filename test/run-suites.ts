// Runs suites, each spec file in namespaces of its own, and the other phases of `make test`, each a target of the Makefile.
// They wait for something half of their time, so twice as many run side by side as there are processors. The longest of the
// last run starts first, so that no processor idles at the end.
// What fails beside others runs once more alone, and the summary names it. What fails alone fails the run; on an emulated
// processor all run alone.
// A suite that has passed here with the same inputs does not run again, as with `go test`; CHECK_ALL=1 repeats all.
// Usage: TOOLS='NAME…' node dist/test/run-suites.js FILE|make:TARGET…
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { TIME_SCALE } from '../lab/time-scale.ts';
import { PassedTasks } from './passed-tasks.ts';
import { orderTasks, processorSeconds, taskOf, type Task } from './suite-tasks.ts';

/** A suite that takes longer hangs: it is killed, and its namespaces with it. In milliseconds. */
const LIMIT_MS = 10 * 60_000 * TIME_SCALE;

/** Seconds of each task in earlier runs. */
const DURATIONS_FILE = '.build/suite-seconds.json';

interface Outcome {
  readonly task: Task;
  readonly isPassed: boolean;
  readonly output: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** An emulated processor has no time to spare for another suite, and a suite there takes so long that each test is shown. */
const isAlone = TIME_SCALE > 1;

function run(task: Task): Promise<Outcome> {
  const start = performance.now();
  const [file, ...args] = task.argv;
  const child = spawn(file!, args, {
    env: { ...process.env, ...task.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(task.isSuite && { timeout: LIMIT_MS, killSignal: 'SIGKILL' }),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (isAlone) process.stderr.write(text);
    });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      if (signal !== null) output += `\nended by ${signal} after ${LIMIT_MS / 60_000} minutes`;
      const seconds = (performance.now() - start) / 1000;
      resolve({ task, isPassed: code === 0, seconds, ...processorSeconds(output) });
    });
  });
}

function report({ task, isPassed, output, seconds, cpuSeconds }: Outcome, remark = ''): void {
  console.log(`--- ${task.name}: ${seconds.toFixed(1)} s, processors ${cpuSeconds.toFixed(1)} s${remark}`);
  // Of what passed only the number of tests is printed.
  const passing = /^ *\d+ passing.*$/m.exec(output)?.[0];
  const shown = isPassed ? (passing ?? output) : isAlone ? '' : output;
  if (shown !== '') console.log(shown);
}

/** Runs all tasks, `width` at a time, in the order given. */
async function runAll(tasks: readonly Task[], width: number, remark = ''): Promise<readonly Outcome[]> {
  const waiting = [...tasks];
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      const outcome = await run(task);
      outcomes.push(outcome);
      report(outcome, remark);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return outcomes;
}

function readDurations(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(DURATIONS_FILE, 'utf8')) as Record<string, number>;
  } catch {
    return {};
  }
}

/** Best effort: without it the next run has another order. */
function writeDurations(outcomes: readonly Outcome[]): void {
  const latest = outcomes.map(({ task, seconds }) => [task.name, Math.round(seconds)] as const);
  const text = JSON.stringify({ ...readDurations(), ...Object.fromEntries(latest) });
  try {
    mkdirSync(dirname(DURATIONS_FILE), { recursive: true });
    writeFileSync(DURATIONS_FILE, text);
  } catch (error) {
    console.log(`Cannot write ${DURATIONS_FILE}: ${String(error)}`);
  }
}

const failed = (outcomes: readonly Outcome[]) =>
  outcomes.filter(({ isPassed }) => !isPassed).map(({ task }) => task);
const namesOf = (tasks: readonly Task[]) => tasks.map(({ name }) => name).join(' ');

const tasks = [...new Set(process.argv.slice(2))].map(taskOf);
if (tasks.length === 0)
  throw new Error(`No suite named: node ${basename(process.argv[1]!)} FILE|make:TARGET…`);
const width = isAlone ? 1 : 2 * availableParallelism();
const passed = new PassedTasks((process.env['TOOLS'] ?? '').split(' '));
const due = tasks.filter((task) => !passed.has(task) || process.env['CHECK_ALL'] === '1');
for (const { name } of tasks.filter((task) => !due.includes(task)))
  console.log(`--- ${name}: unchanged since it passed`);
const outcomes = await runAll(orderTasks(due, readDurations()), width);
writeDurations(outcomes);
for (const { task, isPassed } of outcomes) passed.set(task, isPassed);
const together = failed(outcomes);
const alone = isAlone ? together : failed(await runAll(together, 1, ', once more, alone'));
const unsteady = together.filter((task) => !alone.includes(task));
const cpuSeconds = outcomes.reduce((sum, outcome) => sum + outcome.cpuSeconds, 0);
console.log(`All: ${(performance.now() / 1000).toFixed(0)} s, processors ${cpuSeconds.toFixed(0)} s`);
if (unsteady.length > 0) console.log(`Passed only alone: ${namesOf(unsteady)}`);
const unchanged =
  tasks.length > due.length ? `; ${tasks.length - due.length} unchanged since they passed` : '';
console.log(
  alone.length > 0 ? `Failed: ${namesOf(alone)}` : `${due.length} suites and phases passed${unchanged}`,
);
process.exitCode = alone.length > 0 ? 1 : 0;
