// `weft` alone: what to do next.
import { existsSync } from 'node:fs';
import { EXIT_USAGE } from '../daemon/node/exit.ts';
import { socketPath } from './client/control-client.ts';

/** @returns the exit code. */
export function printHint(): number {
  process.stderr.write(formatHint(existsSync(socketPath(undefined))));
  return EXIT_USAGE;
}

/** The next steps on a host where a daemon runs, or none does. */
export function formatHint(hasDaemon: boolean): string {
  const here = hasDaemon
    ? '  weft status               how this host is\n'
    : '  weft daemon --help        run it on a host\n';
  return `weft connects the containers of many hosts. What next?
${here}  weft lab run --hosts 3    see it work on this machine
  weft help                 all commands
`;
}
