// `weft bench`: passes its arguments to bench/main.ts, which an installed weft lacks.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../../daemon/node/exit.ts';
import { packageRoot } from '../../lab/package-root.ts';
import type { Command, CommandSpec } from '../command-spec.ts';
import { formatHelp } from '../format/help.ts';
import { printError, printText } from '../output.ts';

const SPEC: CommandSpec = {
  synopsis: [
    'all|BENCHMARK... [--rounds N] [--out FILE] [options of the benchmark]',
    '--plan check|short|full|path [--out FILE]',
    'report FILE... -o FILE.html [--picture FILE.svg] [--tables FILE.md]...',
    'compare BEFORE AFTER [--tolerance 0.1] [--alpha 0.01]',
  ],
  about: `Measures weft beside competitors on this machine, from the sources, where bench/ and its tools are. Labs and tunnels
run in their own namespaces. Prints a table and keeps all rounds as JSON. See docs/benchmarks/README.md.`,
  options: {
    rounds: {
      type: 'string',
      value: 'N',
      help: 'rounds of each benchmark, 1 to 1000 (default: as many as the result needs)',
    },
    out: {
      type: 'string',
      value: 'FILE',
      help: 'file for all results (each benchmark also writes bench/out/BENCHMARK.json)',
    },
  },
  examples: [
    ['weft bench all', 'all benchmarks'],
    ['weft bench path --only kernel-vxlan,weft-vxlan --measures tcp-cubic', 'one question'],
  ],
};

/** The benchmark checks its arguments. */
export const benchCommand: Command = { ...SPEC, run };

async function run(argv: readonly string[]): Promise<number> {
  // All benchmarks take an hour: nothing starts by accident.
  if (argv.length === 0) {
    printText(formatHelp('bench', SPEC));
    return EXIT_USAGE;
  }
  const folder = sources();
  if (folder !== undefined) return start(folder, argv[0] === 'all' ? argv.slice(1) : argv);
  if (argv.includes('--help') || argv.includes('-h')) {
    printText(formatHelp('bench', SPEC));
    return EXIT_OK;
  }
  printError('weft bench: this installation has no benchmarks: run make bench in the sources\n');
  return EXIT_FAILURE;
}

/** The project's folder; `undefined` outside of a built checkout. */
function sources(): string | undefined {
  try {
    const folder = packageRoot();
    return existsSync(join(folder, 'dist/bench/main.js')) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Verbs that only read files. They run outside of the namespaces, which have folders of their own.
 */
const READ_ONLY_VERBS: readonly (string | undefined)[] = ['report', 'compare', '--help', '-h'];

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof SIGNALS)[number];

/** @returns the exit code of the benchmark, or that of a shell for a signal, which ends all processes of the benchmark. */
function start(folder: string, argv: readonly string[]): Promise<number> {
  const program = [process.execPath, join(folder, 'dist/bench/main.js'), ...argv];
  const isReadOnly = READ_ONLY_VERBS.includes(argv[0]);
  const [file, ...args] = isReadOnly ? program : ['sh', join(folder, 'test/in-namespaces.sh'), ...program];
  const env = { ...process.env, AS_ROOT: '1', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const child = spawn(file!, args, { stdio: 'inherit', env });
  let ending: Signal | undefined;
  const end = (signal: Signal): void => {
    ending ??= signal;
    // unshare blocks other signals; its namespaces, with all processes in them, end with it.
    child.kill('SIGKILL');
  };
  for (const signal of SIGNALS) process.on(signal, end);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      resolve(ending === undefined ? (code ?? EXIT_FAILURE) : 128 + constants.signals[ending]),
    );
  });
}
