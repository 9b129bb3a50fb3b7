// `weft ping`: pings peers through the overlay and the underlay. The daemon sends, as it has the
// rights.
import type { PingLineV1, PingPeerV1 } from '../../api/index.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { formatEcho, formatPingedPeer, formatPingedPeers, hasAnswered } from '../format/format-ping.ts';
import { toPingRequest } from '../args/ping-args.ts';
import { styleOf } from '../format/style.ts';
import { PingTally } from '../format/ping-tally.ts';
import { printData } from '../output.ts';

export const pingCommand = defineCommand({
  name: 'ping',
  synopsis: ['PEER|ADDRESS [options]', '--all [options]'],
  about: `Sends ICMP echoes to a peer's overlay address and to its public IP. Prints loss, round-trip times by the kernel's clock,
and the largest unfragmented packet that returns. PEER is a public IP, a subnet or a key; an ADDRESS inside the subnet
is pinged instead of the overlay address. weft peers shows the last result.`,
  options: {
    all: { type: 'boolean', short: 'a', help: 'ping all peers in parallel and print a table' },
    count: { type: 'string', short: 'c', value: 'COUNT', help: 'echoes per address (default: 3)' },
    interval: {
      type: 'string',
      short: 'i',
      value: 'SECONDS',
      help: 'interval between echoes (default: 1; at least 0.01)',
    },
    timeout: {
      type: 'string',
      short: 'W',
      value: 'SECONDS',
      help: 'limit of the wait for an answer (default: 1)',
    },
    size: { type: 'string', short: 's', value: 'BYTES', help: 'payload of an echo (default: 56)' },
    ipv4: { type: 'boolean', short: '4', help: 'IPv4 only' },
    ipv6: { type: 'boolean', short: '6', help: 'IPv6 only; without -4 and -6, IPv4 if the peer has it' },
    json: { type: 'boolean', help: 'print one JSON document per line (docs/reference/control-socket.md)' },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft ping 198.18.1.2', 'compare overlay and underlay'],
    ['weft ping 10.5.100.2 -c 10 -i 0.2', 'send ten echoes to a container'],
    ['weft ping --all', 'find hosts that do not answer'],
  ],
  exitCodes: {
    0: 'every echo was answered',
    1: 'an echo was lost, or the command failed',
    [EXIT_NO_DAEMON]: 'no daemon answers',
  },
  maxArgs: 1,
  run: async ({ json, socket, ...args }, [peer]) => {
    const body = toPingRequest(peer, args);
    const style = styleOf();
    const peers: PingPeerV1[] = [];
    const client = new ControlClient(socketPath(socket));
    const tally = new PingTally();
    const onInterrupt = (): never => endEarly(args.all ? peers : tally.peers(), args.all);
    if (!json) process.once('SIGINT', onInterrupt);
    try {
      for await (const line of client.follow<PingLineV1>('ping', { method: 'POST', body })) {
        if (line.kind === 'peer') peers.push(line);
        else tally.add(line);
        if (args.all && !json) continue;
        printData(line, {
          json,
          indent: 0,
          text: (safe) => (safe.kind === 'echo' ? formatEcho(safe, style) : formatPingedPeer(safe, style)),
        });
      }
    } finally {
      process.off('SIGINT', onInterrupt);
    }
    peers.sort((a, b) => (a.key < b.key ? -1 : 1));
    if (args.all && !json) printData(peers, { json, text: (safe) => formatPingedPeers(safe, style) });
    return peers.every(hasAnswered) ? EXIT_OK : EXIT_FAILURE;
  },
});

/** Ctrl-C prints what came until then, as ping(8) does. */
function endEarly(peers: readonly PingPeerV1[], isAll: boolean): never {
  const style = styleOf();
  printData(peers, {
    json: false,
    text: (safe) =>
      isAll
        ? formatPingedPeers(safe, style)
        : `\n${safe.map((peer) => formatPingedPeer(peer, style)).join('')}`,
  });
  process.exit(peers.length > 0 && peers.every(hasAnswered) ? EXIT_OK : EXIT_FAILURE);
}
