// `weft diff`: the kernel beside what it should hold.
import type { DiffV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, JSON_OPTION, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { formatDiff } from '../format/format-diff.ts';
import { EXIT_FINDINGS, EXIT_NO_DAEMON } from '../exit-codes.ts';
import { styleOf } from '../format/style.ts';

/** The whole kernel is read for it. */
const TIMEOUT_MS = 15_000;

export const diffCommand = defineCommand({
  name: 'diff',
  synopsis: ['[--json] [--socket PATH]'],
  about: `Reads the kernel now and shows where it is not what the leases ask for: "-" is what should be there, "+" what is. Usually
nothing, as the daemon repairs within milliseconds: what shows is what it cannot put right, and why.`,
  options: { json: JSON_OPTION, socket: SOCKET_OPTION },
  examples: [['weft diff', 'is the kernel as it should be?']],
  exitCodes: {
    0: 'no difference',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_FINDINGS]: 'there are differences',
  },
  run: async ({ json, socket }) => {
    const answer = await new ControlClient(socketPath(socket)).request<DiffV1>('diff', {
      timeoutMs: TIMEOUT_MS,
    });
    process.stdout.write(json ? `${JSON.stringify(answer, null, 2)}\n` : formatDiff(answer, styleOf()));
    return answer.differences.length === 0 ? EXIT_OK : EXIT_FINDINGS;
  },
});
