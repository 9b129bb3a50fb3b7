// `weft docker-opts`, also as mk-docker-opts.sh: arguments, usage and exit codes of flannel's
// script of that name.
import { writeDockerOptions } from '../../containers/docker-options-file.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { parseDockerOptsArgs } from '../args/docker-opts-args.ts';
import { SUBNET_FILE_DEFAULT, subnetFilePath } from '../client/subnet-file-path.ts';
import type { Command, CommandSpec } from '../command-spec.ts';
import { formatHelp } from '../format/help.ts';
import { printError } from '../output.ts';

const SPEC: CommandSpec = {
  synopsis: ['[-f FILE] [-d FILE] [-i] [-c] [-k KEY] [-m]     (also as: mk-docker-opts.sh)'],
  about:
    "Writes the options by which a Docker engine uses this host's subnet, as variables for a unit or a shell.",
  options: {
    f: {
      type: 'string',
      value: 'FILE',
      help: `subnet.env to read (default: ${SUBNET_FILE_DEFAULT}); a missing file gives empty options`,
    },
    d: { type: 'string', value: 'FILE', help: 'file to write (default: /run/docker_opts.env)' },
    i: {
      type: 'boolean',
      help: 'one variable per option: DOCKER_OPT_BIP, DOCKER_OPT_IPMASQ, DOCKER_OPT_MTU',
    },
    c: {
      type: 'boolean',
      help: 'one variable with all options, behind its value in the environment; without -i and -c: both',
    },
    k: { type: 'string', value: 'KEY', help: 'name of that variable (default: DOCKER_OPTS)' },
    m: { type: 'boolean', help: 'omit --ip-masq, for engines that lack it' },
  },
  examples: [['weft docker-opts -c -d /run/flannel/docker', 'as units for Docker beside flannel do']],
};

/** Exits with 1 on failure, wrong usage and help included, as scripts expect. */
export const dockerOptsCommand: Command = { ...SPEC, run };

function run(argv: readonly string[]): Promise<number> {
  const args = parseDockerOptsArgs(argv, subnetFilePath(undefined));
  if (args === undefined) {
    printError(formatHelp('docker-opts', SPEC));
    return Promise.resolve(EXIT_FAILURE);
  }
  const error = writeDockerOptions(args, args);
  if (error !== undefined) printError(`weft docker-opts: ${error}\n`);
  return Promise.resolve(error === undefined ? EXIT_OK : EXIT_FAILURE);
}
