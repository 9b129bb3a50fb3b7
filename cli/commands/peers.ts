// `weft peers`: the peers of this host.
import type { PeersV1, PeerV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, JSON_OPTION, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_FINDINGS, EXIT_NO_DAEMON } from '../exit-codes.ts';
import { formatPeers } from '../format/format-peers.ts';
import { styleOf } from '../format/style.ts';
import { didYouMean } from '../../lib/did-you-mean.ts';
import { UsageError } from '../usage-error.ts';
import { printData } from '../output.ts';

function isProblem({ state, liveness }: PeerV1): boolean {
  return state !== 'in-sync' || (liveness !== undefined && liveness.state !== 'reachable');
}

export const peersCommand = defineCommand({
  name: 'peers',
  synopsis: ['[HOST...] [--problems] [--json] [--socket PATH]'],
  about: `Prints one line per peer: subnet, public IP, MAC of its VTEP, mode (kernel, direct, userspace), state in the kernel and its age, and
liveness: whether it answers, and how old that evidence is. With wireguard also its endpoint and the age of the last handshake.
Missing kernel entries follow in the syntax of ip and bridge. HOST is the name of a host, its public IP, subnet or key.`,
  options: {
    problems: { type: 'boolean', short: 'p', help: 'only peers that are not programmed or do not answer' },
    json: JSON_OPTION,
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft peers', 'list all peers'],
    ['weft peers -p', 'list peers with problems'],
    ['weft peers db-2', 'show the host db-2'],
    ["weft peers --json | jq -r '.peers[].publicIp'", 'print public IPs'],
  ],
  exitCodes: {
    0: 'all peers are programmed, and none is silent',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_FINDINGS]: 'some peers are not programmed or do not answer',
  },
  maxArgs: Infinity,
  run: async ({ json, problems, socket }, hosts) => {
    const all = await new ControlClient(socketPath(socket)).request<PeersV1>('peers');
    const answer = hosts.length === 0 ? all : { ...all, peers: hosts.flatMap((host) => named(all, host)) };
    const wrong = answer.peers.filter(isProblem);
    const shown = problems ? { ...answer, peers: wrong } : answer;
    const isEmpty = problems && wrong.length === 0;
    printData(shown, { json, text: (safe) => (isEmpty ? '' : formatPeers(safe, styleOf())) });
    return wrong.length === 0 ? EXIT_OK : EXIT_FINDINGS;
  },
});

/** @throws UsageError if no peer is called so. */
function named({ peers }: PeersV1, host: string): readonly PeerV1[] {
  const found = peers.filter(({ key, name, ipv4, ipv6, publicIp, publicIpv6 }) =>
    [key, name, ipv4, ipv6, publicIp, publicIpv6].includes(host),
  );
  if (found.length > 0) return found;
  const names = peers.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const similar = didYouMean(host, names);
  const hint = similar === undefined ? 'weft peers lists all' : `did you mean ${similar}?`;
  throw new UsageError(`No peer is called ${JSON.stringify(host)}; ${hint}`);
}
