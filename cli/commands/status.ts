// `weft status`: how this host is. The exit code says it to scripts.
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

const EXIT_CODES: Readonly<Record<HealthV1, number>> = {
  ok: EXIT_OK,
  degraded: EXIT_FINDINGS,
  'not-ready': EXIT_NOT_READY,
};

export const statusCommand = defineCommand({
  name: 'status',
  synopsis: ['[--brief | --json] [--socket PATH]'],
  about: `One screen: whether this host carries traffic, its subnet and until when, the network, the underlay interface,
the registry, the kernel, the peers in numbers; then one line for each thing that is wrong.`,
  options: {
    brief: { type: 'boolean', help: 'one word: ok, degraded, not-ready, or down if no daemon answers' },
    json: JSON_OPTION,
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft status', 'how is this host?'],
    ['weft status --brief', 'the same in one word'],
    ['weft status --json | jq -r .lease.ipv4', 'the subnet of this host'],
  ],
  exitCodes: {
    0: 'ok',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_FINDINGS]: 'degraded: traffic flows, but something is wrong',
    [EXIT_NOT_READY]: 'not ready: this host does not carry traffic to all peers',
  },
  run: async ({ brief, json, socket }) => {
    try {
      const status = await new ControlClient(socketPath(socket)).request<StatusV1>('status');
      const text = brief ? `${status.health}\n` : formatStatus(status, styleOf());
      process.stdout.write(json ? `${JSON.stringify(status, null, 2)}\n` : text);
      return EXIT_CODES[status.health];
    } catch (error) {
      if (!brief || !(error instanceof NoDaemonError)) throw error;
      process.stdout.write('down\n');
      return EXIT_NO_DAEMON;
    }
  },
});
