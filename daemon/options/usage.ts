// What the daemon prints instead of running: usage, version, or what is wrong with the command line.
import { EXIT_OK, EXIT_USAGE } from '../node/exit.ts';
import { formatFlagUsage } from './flag-usage.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from './flags.ts';
import type { CommandLine } from './options.ts';
import { weftVersion } from '../node/version.ts';

export interface Printer {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Answers a command line that is not to be run. @returns the exit code. */
export function printUsage(commandLine: Exclude<CommandLine, { kind: 'run' }>, print: Printer): number {
  switch (commandLine.kind) {
    case 'help':
      print.out(daemonUsage());
      return EXIT_OK;
    case 'version':
      // flannel prints its version there, and scripts read it from there.
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

Leases a subnet for this host from etcd and connects it with the subnets of the other hosts.
A flag that is not given is taken from its environment variable. Durations are in seconds, or like 90s, 10m, 24h.

Examples:
  weft daemon --etcd-endpoints http://10.0.0.1:2379
  weft daemon --iface eth1 --public-ip 203.0.113.7      behind a NAT
  FLANNELD_ETCD_ENDPOINTS=http://10.0.0.1:2379 flanneld

Flags:
${formatFlagUsage(DAEMON_FLAGS, ENV_PREFIX)}`;
}
