// `weft status`: the health of this host, which the exit code repeats for scripts.
import type { HealthV1, StatusV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import {
  ControlClient,
  JSON_OPTION,
  NoDaemonError,
  SOCKET_OPTION,
  socketPath,
} from '../client/control-client.ts';
import { EXIT_FINDINGS, EXIT_NO_DAEMON, EXIT_NOT_READY } from '../exit-codes.ts';
import { formatStatus } from '../format/format-status.ts';
import { styleOf } from '../format/style.ts';
import { printData, printText } from '../output.ts';

const EXIT_CODES: Readonly<Record<HealthV1, number>> = {
  ok: EXIT_OK,
  degraded: EXIT_FINDINGS,
  'not-ready': EXIT_NOT_READY,
};

export const statusCommand = defineCommand({
  name: 'status',
  synopsis: ['[--brief | --json] [--socket PATH]'],
  about: `Prints the health of this host on one screen: lease, network, underlay interface, registry, kernel, number of peers;
then one line per problem.`,
  options: {
    brief: { type: 'boolean', help: 'print only ok, degraded, not-ready, or down if no daemon answers' },
    json: JSON_OPTION,
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft status', 'show the health of this host'],
    ['weft status --brief', 'the same in one word'],
    ['weft status --json | jq -r .lease.ipv4', 'print the subnet of this host'],
  ],
  exitCodes: {
    0: 'ok',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_FINDINGS]: 'degraded: traffic flows, with problems',
    [EXIT_NOT_READY]: 'not ready: this host does not carry traffic to all peers',
  },
  run: async ({ brief, json, socket }) => {
    try {
      const status = await new ControlClient(socketPath(socket)).request<StatusV1>('status');
      printData(status, {
        json,
        text: (safe) => (brief ? `${safe.health}\n` : formatStatus(safe, styleOf())),
      });
      return EXIT_CODES[status.health];
    } catch (error) {
      if (!brief || !(error instanceof NoDaemonError)) throw error;
      printText('down\n');
      return EXIT_NO_DAEMON;
    }
  },
});
