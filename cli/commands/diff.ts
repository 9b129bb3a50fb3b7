// `weft diff`: compares the kernel with the desired state.
import type { DiffV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, JSON_OPTION, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { formatDiff } from '../format/format-diff.ts';
import { EXIT_FINDINGS, EXIT_NO_DAEMON } from '../exit-codes.ts';
import { styleOf } from '../format/style.ts';
import { printData } from '../output.ts';

/** Covers a full read of the kernel. */
const TIMEOUT_MS = 15_000;

export const diffCommand = defineCommand({
  name: 'diff',
  synopsis: ['[--json] [--socket PATH]'],
  about: `Reads the kernel and prints differences from the desired state: "-" is desired, "+" is actual. The daemon repairs
drift within milliseconds, so remaining differences are those it cannot repair, with the reason.`,
  options: { json: JSON_OPTION, socket: SOCKET_OPTION },
  examples: [['weft diff', 'check the kernel']],
  exitCodes: {
    0: 'no difference',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_FINDINGS]: 'there are differences',
  },
  run: async ({ json, socket }) => {
    const answer = await new ControlClient(socketPath(socket)).request<DiffV1>('diff', {
      timeoutMs: TIMEOUT_MS,
    });
    printData(answer, { json, text: (safe) => formatDiff(safe, styleOf()) });
    return answer.differences.length === 0 ? EXIT_OK : EXIT_FINDINGS;
  },
});
