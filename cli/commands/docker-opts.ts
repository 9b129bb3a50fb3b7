// `weft docker-opts`, also as mk-docker-opts.sh: words, usage and exit codes of flannel's script of that name.
import { writeDockerOptions } from '../../containers/docker-options-file.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import type { Command, CommandSpec } from '../command-spec.ts';
import { formatHelp } from '../format/help.ts';

const SPEC: CommandSpec = {
  synopsis: ['[-f FILE] [-d FILE] [-i] [-c] [-k KEY] [-m]     (also as: mk-docker-opts.sh)'],
  about:
    "Writes the options that a Docker engine needs to use this host's subnet, as variables for a unit or a shell.",
  options: {
    f: {
      type: 'string',
      value: 'FILE',
      help: 'subnet.env to read (default: /run/flannel/subnet.env); none is no error',
    },
    d: { type: 'string', value: 'FILE', help: 'file to write (default: /run/docker_opts.env)' },
    i: {
      type: 'boolean',
      help: 'one variable an option: DOCKER_OPT_BIP, DOCKER_OPT_IPMASQ, DOCKER_OPT_MTU',
    },
    c: {
      type: 'boolean',
      help: 'one variable that has all options, after what the environment has in it; without -i and -c: both',
    },
    k: { type: 'string', value: 'KEY', help: 'name of that variable (default: DOCKER_OPTS)' },
    m: { type: 'boolean', help: 'leave out --ip-masq, for engines that do not have it' },
  },
  examples: [['weft docker-opts -c -d /run/flannel/docker', 'as units for Docker beside flannel do']],
};

interface DockerOptsArgs {
  input: string;
  output: string;
  key: string;
  isIndividual: boolean;
  isCombined: boolean;
  hasIpMasq: boolean;
}

/** Exits with 1 for every failure, wrong args and help, as scripts expect. */
export const dockerOptsCommand: Command = { ...SPEC, run };

function run(argv: readonly string[]): Promise<number> {
  const args = parseDockerOptsArgs(argv);
  if (args === undefined) {
    process.stderr.write(formatHelp('docker-opts', SPEC));
    return Promise.resolve(EXIT_FAILURE);
  }
  const isBoth = !args.isIndividual && !args.isCombined;
  const error = writeDockerOptions(args, {
    ...args,
    isIndividual: args.isIndividual || isBoth,
    isCombined: args.isCombined || isBoth,
  });
  if (error !== undefined) process.stderr.write(`weft docker-opts: ${error}\n`);
  return Promise.resolve(error === undefined ? EXIT_OK : EXIT_FAILURE);
}

/** DockerOptsArgs as getopts(1) takes them: options may share a dash, a value may follow its letter, the first other word ends it. */
function parseDockerOptsArgs(argv: readonly string[]): DockerOptsArgs | undefined {
  const args: DockerOptsArgs = {
    input: '/run/flannel/subnet.env',
    output: '/run/docker_opts.env',
    key: 'DOCKER_OPTS',
    isIndividual: false,
    isCombined: false,
    hasIpMasq: true,
  };
  for (let index = 0; index < argv.length; index++) {
    const arg = argv[index]!;
    if (arg === '--' || arg === '-' || !arg.startsWith('-')) break;
    for (let at = 1; at < arg.length; at++) {
      const letter = arg[at]!;
      if (letter === 'i') args.isIndividual = true;
      else if (letter === 'c') args.isCombined = true;
      else if (letter === 'm') args.hasIpMasq = false;
      else {
        const value = arg.slice(at + 1) || argv[++index];
        if (value === undefined || !setValue(args, letter, value)) return undefined;
        break;
      }
    }
  }
  return args;
}

/** Whether the letter is an option with a value, and the value can be one. */
function setValue(args: DockerOptsArgs, letter: string, value: string): boolean {
  if (letter === 'f') args.input = value;
  else if (letter === 'd') args.output = value;
  else if (letter === 'k' && /^[A-Za-z_]\w*$/.test(value)) args.key = value;
  else return false;
  return true;
}
