// `weft COMMAND`: finds the command and turns its outcome into an exit code. Each command is loaded only when it is
// asked for, so that `weft version` does not pay for etcd. Does no work itself.
import { basename } from 'node:path';
import { didYouMean } from '../allocator/did-you-mean.ts';
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../daemon/exit.ts';
import { describeError } from '../daemon/log-format.ts';
import { UsageError } from './usage-error.ts';

type Command = (argv: readonly string[]) => Promise<number>;

const COMMANDS: Readonly<Record<string, { readonly summary: string; readonly run: Command }>> = {
  daemon: {
    summary: 'lease a subnet and connect this host (also as: flanneld)',
    run: async (argv) => (await import('./daemon.ts')).daemonCommand(argv),
  },
  'docker-opts': {
    summary: "write a Docker engine's options (also as: mk-docker-opts.sh)",
    run: async (argv) => (await import('./docker-opts.ts')).dockerOptsCommand(argv),
  },
  lab: {
    summary: 'try a cluster of hosts on this machine',
    run: async (argv) => (await import('./lab.ts')).labCommand(argv),
  },
  schema: {
    summary: 'print the JSON Schema of the network config',
    run: async (argv) => (await import('./schema.ts')).schemaCommand(argv),
  },
  version: {
    summary: 'print the version',
    run: async () => {
      const { versionLine } = await import('../daemon/usage.ts');
      process.stdout.write(`${versionLine()}\n`);
      return EXIT_OK;
    },
  },
  help: { summary: 'print this', run: () => Promise.resolve(help()) },
};

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
    if (error instanceof UsageError) code = EXIT_USAGE;
  }
  process.exit(code);
}

/** Finds and runs the command. @returns the exit code. */
async function dispatch(argv: readonly string[]): Promise<number> {
  const [program = 'weft', ...words] = argv;
  if (basename(program) === 'flanneld') return runCommand('daemon', words);
  const [word, ...rest] = words;
  if (word === undefined) return greet();
  const name = Object.hasOwn(ALIASES, word) ? (ALIASES[word] ?? word) : word;
  if (Object.hasOwn(COMMANDS, name)) return runCommand(name, rest);
  throw new UsageError(unknownCommand(word));
}

function runCommand(name: string, argv: readonly string[]): Promise<number> {
  const command = COMMANDS[name];
  if (command === undefined) throw new Error(`Command ${name} is not in the table`);
  return command.run(argv);
}

function unknownCommand(word: string): string {
  const near = didYouMean(word, Object.keys(COMMANDS));
  const isFlag = word.startsWith('-');
  if (isFlag)
    return `${word.split('=')[0]} stands before a command; for the daemon's flags write: weft daemon ${word.split('=')[0]}`;
  const hint = near === undefined ? 'weft help lists the commands' : `did you mean weft ${near}?`;
  return `${JSON.stringify(word)} is no command; ${hint}`;
}

function greet(): number {
  process.stderr.write(`weft connects the containers of many hosts. What next?
  weft lab run --hosts 3    see it work on this machine
  weft daemon --help        run it on a host
  weft help                 all commands
`);
  return EXIT_USAGE;
}

function help(): number {
  const rows = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  weft ${name.padEnd(12)} ${summary}\n`,
  );
  process.stdout.write(`Usage: weft COMMAND [words]; weft COMMAND --help tells more\n\n${rows.join('')}`);
  return EXIT_OK;
}

/** `weft schema | head` is no failure. */
function exitOnBrokenPipe(error: NodeJS.ErrnoException): void {
  process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE);
}
