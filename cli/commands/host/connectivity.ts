// `weft connectivity`: tests what passes between this host, its containers, and those of peers, by
// containers that exist for the test alone.
import type { PeersV1, PeerV1 } from '../../../api/index.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../../daemon/node/exit.ts';
import { ControlClient, SOCKET_OPTION, socketPath } from '../../client/control-client.ts';
import { findNamedPeer } from '../../client/find-peer.ts';
import { defineCommand } from '../../command.ts';
import type { Command } from '../../command-spec.ts';
import { formatConnectivity } from '../../connectivity/format-connectivity.ts';
import { chooseSample, createConnectivity } from '../../connectivity/report.ts';
import { EXIT_NO_DAEMON } from '../../exit-codes.ts';
import { styleOf } from '../../format/style.ts';
import { printData } from '../../output.ts';
import { UsageError } from '../../usage-error.ts';

/** Peers that are tested without `--peer`. */
const SAMPLE = 3;
const EXIT_INTERRUPTED = 130;

const command = defineCommand({
  name: 'connectivity',
  synopsis: ['[--peer NAME|ADDRESS]… [--output text|json] [--socket PATH]'],
  about: `Tests what passes between this host and peers: from host and container to host and container, small and full-size
echoes, TCP and UDP, in each address family, and from a container to a peer's public IP. Containers are made for the test alone, here
and by the daemons of peers, and are gone after it. Without --peer it tests ${SAMPLE} peers. Run it as root.`,
  options: {
    peer: {
      type: 'string',
      multiple: true,
      value: 'NAME|ADDRESS',
      help: 'test this peer: name, public IP, subnet, key, or an address in its subnet',
    },
    output: {
      type: 'string',
      choices: ['text', 'json'],
      default: 'text',
      value: 'FORMAT',
      help: 'text or json',
    },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft connectivity', 'test three peers'],
    ['weft connectivity --peer node2 --peer 198.18.1.3', 'test these two'],
    ["weft connectivity --output json | jq -r '.peers[].failures[]'", 'print where packets are lost'],
  ],
  exitCodes: {
    0: 'no test failed',
    1: 'a test failed, or the command',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_INTERRUPTED]: 'interrupted; nothing is left behind',
  },
  run: async ({ peer: names, output, socket }) => {
    const client = new ControlClient(socketPath(socket));
    const { peers: all } = await client.request<PeersV1>('peers');
    const peers = names.length === 0 ? chooseSample(all, SAMPLE) : names.map((name) => choose(all, name));
    const otherPeers = names.length === 0 ? all.length - peers.length : 0;
    const interrupted = new AbortController();
    const interrupt = (): void => interrupted.abort(new Error('Interrupted'));
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, interrupt);
    try {
      const { signal } = interrupted;
      const report = await createConnectivity({ client, peers: [...new Set(peers)], otherPeers, signal });
      printData(report, { json: output === 'json', text: (safe) => formatConnectivity(safe, styleOf()) });
      return report.peers.some(({ failures }) => failures.length > 0) ? EXIT_FAILURE : EXIT_OK;
    } catch (error) {
      if (interrupted.signal.aborted) return EXIT_INTERRUPTED;
      throw error;
    }
  },
});

function choose(peers: readonly PeerV1[], name: string): PeerV1 {
  const found = findNamedPeer(peers, name);
  if (found !== undefined) return found;
  throw new UsageError(
    `--peer ${JSON.stringify(name)}: no peer has that name, public IP, subnet or key, nor that address inside its subnet: weft peers lists them`,
  );
}

/** `weft connectivity agent SECONDS` is the process in a test container, which only weft starts. */
export const connectivityCommand: Command = {
  ...command,
  run: async (argv) => {
    if (argv[0] !== 'agent') return command.run(argv);
    const { runAgent } = await import('../../../daemon/connectivity/agent.ts');
    return runAgent(Number(argv[1]));
  },
};
