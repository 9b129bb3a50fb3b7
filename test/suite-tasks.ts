// What run-suites.ts runs: command lines, their order, and the processor time in their output. Pure.
import { basename, dirname } from 'node:path';
import { TIME_SCALE } from '../lab/time-scale.ts';

/** Of one test, in milliseconds: suites boot clusters. */
const TEST_TIMEOUT_MS = String(180_000 * TIME_SCALE);

/** Unit specs have a time limit of 2 s each: they take precedence. */
const URGENT = 'make:test-specs';
const NICE = ['nice', '-n', '5'];

export interface Task {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** A spec file in namespaces of its own. */
  readonly isSuite: boolean;
}

/** The task of a compiled spec file or of `make:TARGET`. */
export function taskOf(text: string): Task {
  const nice = text === URGENT ? [] : NICE;
  if (text.startsWith('make:')) {
    const command = ['make', '--no-print-directory', text.slice('make:'.length)];
    const argv = [...nice, 'sh', '-c', '"$@"; status=$?; times; exit $status', 'sh', ...command];
    return { name: text, argv, env: {}, isSuite: false };
  }
  // On an emulated processor each test takes so long that its name and time are shown.
  const reporter = TIME_SCALE > 1 ? ['--reporter', 'spec'] : [];
  const mocha = ['node_modules/.bin/mocha', '--timeout', TEST_TIMEOUT_MS, ...reporter, text];
  const isRoot = basename(dirname(text)) === 'root';
  return {
    name: basename(text, '.spec.js'),
    argv: [...nice, 'sh', 'test/in-namespaces.sh', ...mocha],
    env: { PRINT_TIMES: '1', ...(isRoot && { AS_ROOT: '1' }) },
    isSuite: true,
  };
}

/** The longest first; before them, in the order given, those of unknown length. */
export function orderTasks(tasks: readonly Task[], seconds: Readonly<Record<string, number>>): Task[] {
  const length = ({ name }: Task): number => seconds[name] ?? Number.MAX_VALUE;
  return tasks.toSorted((a, b) => length(b) - length(a));
}

/** What the shell's `times` prints: user and system time of itself, then of all processes that it started. */
const TIMES = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/m;

/** Splits the output of a task into what it wrote and its processor time, NaN if it was killed before. */
export function processorSeconds(output: string): { readonly output: string; readonly cpuSeconds: number } {
  const times = TIMES.exec(output)?.slice(1).map(Number);
  const cpuSeconds = times?.reduce((sum, value, index) => sum + value * (index % 2 === 0 ? 60 : 1), 0);
  return { output: output.replace(TIMES, '').trim(), cpuSeconds: cpuSeconds ?? NaN };
}
