// `weft bench`: hands its words to bench/main.ts, which is no part of an installed weft, in namespaces of their own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_FAILURE, EXIT_OK } from '../daemon/exit.ts';
import { packageRoot } from '../lab/package-root.ts';
import type { Command, CommandWords } from './command.ts';
import { formatHelp } from './help.ts';

const WORDS: CommandWords = {
  synopsis: ['[PART...] [--rounds N] [--out FILE] [options of the part]'],
  about: `Measures weft beside others on this machine: from the sources, where bench/ and its tools are. Labs and tunnels are
made in namespaces of their own. A table comes last; all rounds are kept as JSON. docs/benchmarks/README.md tells more.`,
  options: {
    rounds: {
      type: 'string',
      value: 'N',
      help: 'rounds of each part, 1 to 1000 (default: as many as it takes)',
    },
    out: {
      type: 'string',
      value: 'FILE',
      help: 'where to keep all parts together (each goes to bench/out/PART.json)',
    },
  },
  examples: [
    ['weft bench', 'all parts'],
    ['weft bench path --only kernel-vxlan,weft-vxlan --measures tcp-cubic', 'one question'],
  ],
};

/** Words are checked by the benchmark itself. */
export const benchCommand: Command = { ...WORDS, run };

async function run(argv: readonly string[]): Promise<number> {
  const folder = sources();
  if (folder !== undefined) return inNamespaces(folder, argv);
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(formatHelp('bench', WORDS));
    return EXIT_OK;
  }
  process.stderr.write('weft bench: this weft came without its benchmarks: run make bench in its sources\n');
  return EXIT_FAILURE;
}

/** The project's folder, if this is the project, built. */
function sources(): string | undefined {
  try {
    const folder = packageRoot();
    return existsSync(join(folder, 'dist/bench/main.js')) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** @returns the exit code of the benchmark. */
function inNamespaces(folder: string, argv: readonly string[]): Promise<number> {
  const words = [
    join(folder, 'test/in-namespaces.sh'),
    process.execPath,
    join(folder, 'dist/bench/main.js'),
    ...argv,
  ];
  const env = { ...process.env, AS_ROOT: '1', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const child = spawn('sh', words, { stdio: 'inherit', env });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? EXIT_FAILURE));
  });
}
