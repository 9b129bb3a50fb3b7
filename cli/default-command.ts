// `weft` without arguments: prints the next steps.
import { existsSync } from 'node:fs';
import { EXIT_USAGE } from '../daemon/node/exit.ts';
import { socketPath } from './client/control-client.ts';
import { printError } from './output.ts';

/** @returns the exit code. */
export function printHint(): number {
  printError(formatHint(existsSync(socketPath(undefined))));
  return EXIT_USAGE;
}

/** The next steps on a host with or without a daemon. */
export function formatHint(hasDaemon: boolean): string {
  const here = hasDaemon
    ? '  weft status               show the health of this host\n'
    : '  weft daemon --help        run weft on a host\n';
  return `weft connects the containers of many hosts. What next?
${here}  weft lab run --hosts 3    try it on this machine
  weft help                 list all commands
`;
}
