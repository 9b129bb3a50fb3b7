// Prints usage, version, or the errors of the command line instead of running the daemon.
import { EXIT_OK, EXIT_USAGE } from './exit.ts';
import { formatFlagUsage } from '../options/flag-usage.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from '../options/flags.ts';
import type { CommandLine } from '../options/options.ts';
import { weftVersion } from './version.ts';

export interface Printer {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Handles a command line that does not run the daemon. @returns the exit code */
export function printUsage(commandLine: Exclude<CommandLine, { kind: 'run' }>, print: Printer): number {
  switch (commandLine.kind) {
    case 'help':
      print.out(daemonUsage());
      return EXIT_OK;
    case 'version':
      // flannel prints its version to standard error, where scripts read it.
      print.error(`${versionLine()}\n`);
      return EXIT_OK;
    case 'wrong':
      for (const error of commandLine.errors) print.error(`weft: ${error}\n`);
      print.error('weft: see --help for all flags\n');
      return EXIT_USAGE;
  }
}

/** For example `weft 0.1.0 (flannel-compatible)`. */
export function versionLine(): string {
  return `weft ${weftVersion()} (flannel-compatible)`;
}

function daemonUsage(): string {
  return `Usage: weft daemon [flags]      (or, under its other name, flanneld [flags])

Leases a subnet for this host from etcd and connects it to the subnets of the other hosts.
A flag that is not set takes the value of its environment variable. Durations are in seconds, or like 90s, 10m, 24h.

Examples:
  weft daemon --etcd-endpoints http://10.0.0.1:2379
  weft daemon --iface eth1 --public-ip 203.0.113.7      behind a NAT
  FLANNELD_ETCD_ENDPOINTS=http://10.0.0.1:2379 flanneld

Flags:
${formatFlagUsage(DAEMON_FLAGS, ENV_PREFIX)}`;
}
