// `weft daemon`: handles help, version and wrong usage, and loads the daemon only to run it.
import type { Duplex } from 'node:stream';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { DAEMON_FLAGS } from '../../daemon/options/flags.ts';
import type { FlagDefinition } from '../../daemon/options/flag-definition.ts';
import { parseCommandLine } from '../../daemon/options/options.ts';
import { printUsage } from '../../daemon/node/usage.ts';
import type { Command, CommandSpec } from '../command-spec.ts';
import { printError, printText } from '../output.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export const daemonCommand: Command = {
  synopsis: ['[flags]'],
  about: `Leases a subnet for this host from etcd and connects it with the subnets of the other hosts until SIGTERM or SIGINT.
The default of a flag comes from its environment variable, FLANNELD_ and its name.`,
  options: flagOptions(),
  examples: [
    ['weft daemon --etcd-endpoints http://10.0.0.1:2379', 'run a host of the cluster'],
    ['flanneld --iface eth1', 'the same under the name in units of flannel'],
  ],
  run: runDaemonCommand,
};

/** The flags as options of a command, for completion and the man page. */
function flagOptions(): CommandSpec['options'] {
  const flags: readonly (readonly [string, FlagDefinition])[] = Object.entries(DAEMON_FLAGS);
  return Object.fromEntries(
    flags.map(([name, flag]) => [
      name,
      {
        type: flag.type === 'bool' ? 'boolean' : 'string',
        help: flag.help,
        ...('choices' in flag && flag.choices !== undefined && { choices: flag.choices }),
      },
    ]),
  );
}

/** Loads the plugin with the first container. Where it is gone, weft-cni runs the plugin itself. */
function serveCni(connection: Duplex, head: Buffer): void {
  void import('../../containers/cni/session.ts').then(
    (cni) => cni.serveCni(connection, head),
    () => connection.destroy(),
  );
}

/** Runs until a signal. Resolves with the exit code. */
async function runDaemonCommand(argv: readonly string[]): Promise<number> {
  const commandLine = parseCommandLine(argv, process.env);
  if (commandLine.kind !== 'run')
    return printUsage(commandLine, {
      out: printText,
      error: printError,
    });
  // While the code loads there is nothing to stop but the process.
  const end = (): never => process.exit(EXIT_OK);
  for (const signal of STOP_SIGNALS) process.on(signal, end);
  const { runDaemon } = await import('../../daemon/main.ts');
  const running = runDaemon(commandLine.options, commandLine.warnings, serveCni);
  // After the daemon installs its own listeners: without a listener a pending signal kills the
  // process.
  for (const signal of STOP_SIGNALS) process.off(signal, end);
  return running;
}
