// `weft COMMAND`: finds the command and turns its outcome into an exit code. Does no work itself.
import { basename } from 'node:path';
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../daemon/exit.ts';
import { describeError } from '../daemon/log-format.ts';
import { COMMANDS } from './commands.ts';
import { EXIT_NO_DAEMON } from './exit-codes.ts';
import { UsageError } from './usage-error.ts';

/** Other spellings, after the habits of other tools. */
const ALIASES: Readonly<Record<string, string>> = {
  '--version': 'version',
  '-version': 'version',
  '--help': 'help',
  '-help': 'help',
  '-h': 'help',
};

/** Runs the words of a command line, `argv[0]` being the path that the program was started by, and exits. */
export async function main(argv: readonly string[]): Promise<never> {
  process.stdout.on('error', exitOnBrokenPipe);
  let code = EXIT_FAILURE;
  try {
    code = await dispatch(argv);
  } catch (error) {
    process.stderr.write(`weft: ${describeError(error)}\n`);
    code = exitCodeOf(error as Error);
  }
  process.exit(code);
}

/** Finds and runs the command. @returns the exit code. */
async function dispatch(argv: readonly string[]): Promise<number> {
  const [program = 'weft', ...words] = argv;
  if (basename(program) === 'flanneld') return runCommand('daemon', words);
  const [word, ...rest] = words;
  if (word === undefined) return (await import('./greeting.ts')).greet();
  return runCommand(Object.hasOwn(ALIASES, word) ? (ALIASES[word] ?? word) : word, rest);
}

async function runCommand(name: string, argv: readonly string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw (await import('./unknown-command.ts')).unknownCommand(name);
  return (await command.load()).run(argv);
}

/** By name, as the classes need not be loaded for commands that ask no daemon. */
function exitCodeOf(error: Error): number {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (error.name === 'NoDaemonError') return EXIT_NO_DAEMON;
  const isWrongWord = 'refusal' in error && String(error.refusal).startsWith('bad-');
  return isWrongWord ? EXIT_USAGE : EXIT_FAILURE;
}

/** `weft schema | head` is no failure. */
function exitOnBrokenPipe(error: NodeJS.ErrnoException): void {
  process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE);
}
