// `weft peers`: the other hosts as this one sees them.
import type { PeersV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, JSON_OPTION, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_FINDINGS, EXIT_NO_DAEMON } from '../exit-codes.ts';
import { formatPeers } from '../format/format-peers.ts';
import { styleOf } from '../format/style.ts';

export const peersCommand = defineCommand({
  name: 'peers',
  synopsis: ['[--problems] [--json] [--socket PATH]'],
  about: `One line a peer: its subnet, the public IP that packets for it go to, the MAC of its tunnel end, how they go (kernel, direct,
userspace), whether the kernel holds all that this takes and since when. What is missing stands below, in the words of ip and bridge.`,
  options: {
    problems: { type: 'boolean', short: 'p', help: 'only peers that are not in sync' },
    json: JSON_OPTION,
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft peers', 'all of them'],
    ['weft peers -p', 'those that are not reached'],
    ["weft peers --json | jq -r '.peers[].publicIp'", 'their public IPs'],
  ],
  exitCodes: {
    0: 'all peers are in sync',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_FINDINGS]: 'some are not',
  },
  run: async ({ json, problems, socket }) => {
    const answer = await new ControlClient(socketPath(socket)).request<PeersV1>('peers');
    const wrong = answer.peers.filter(({ state }) => state !== 'in-sync');
    const shown = problems ? { ...answer, peers: wrong } : answer;
    if (json) process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    else if (!problems || wrong.length > 0) process.stdout.write(formatPeers(shown, styleOf()));
    return wrong.length === 0 ? EXIT_OK : EXIT_FINDINGS;
  },
});
