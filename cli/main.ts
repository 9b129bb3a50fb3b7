// `weft COMMAND`: finds the command and runs it.
import { COMMANDS } from './commands.ts';
import { runMain } from './run-main.ts';

/** Spellings of other tools. */
const ALIASES: Readonly<Record<string, string>> = {
  '--version': 'version',
  '-version': 'version',
  '--help': 'help',
  '-help': 'help',
  '-h': 'help',
};

/** Runs a command line and exits; `argv[0]` is the name of the program. */
export function main(argv: readonly string[]): Promise<never> {
  return runMain(() => dispatch(argv));
}

/** Finds and runs the command. @returns the exit code. */
async function dispatch(argv: readonly string[]): Promise<number> {
  const [, name, ...rest] = argv;
  if (name === undefined) return (await import('./default-command.ts')).printHint();
  return runCommand(Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name, rest);
}

async function runCommand(name: string, argv: readonly string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw (await import('./unknown-command.ts')).unknownCommand(name, COMMANDS);
  return (await command.load()).run(argv);
}
