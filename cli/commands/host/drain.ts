// `weft drain`: stops new containers on this host, and releases its lease.
import type { DrainStateV1, DrainV1, StatusV1 } from '../../../api/index.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../../daemon/node/exit.ts';
import { defineCommand } from '../../command.ts';
import { confirm } from '../../client/confirm.ts';
import { ControlClient, SOCKET_OPTION, socketPath } from '../../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../../exit-codes.ts';
import { UsageError } from '../../usage-error.ts';
import { printText } from '../../output.ts';

/** Covers a write to etcd. */
const TIMEOUT_MS = 20_000;

const TEXTS: Readonly<Record<DrainStateV1, string>> = {
  drained:
    'This host takes no new containers: subnet.env is gone, and CNI plugins attach none. Containers that run keep their network.\n' +
    'Docker engines that run start more: stop them. Take it back with weft drain --undo\n',
  released:
    'The lease of this host is released, and its daemon ends. A daemon that starts waits for weft drain --undo\n',
  none: 'This host takes containers again\n',
};

export const drainCommand = defineCommand({
  name: 'drain',
  synopsis: ['[--release [--yes] | --undo] [--socket PATH]'],
  about: `Takes this host out of service: removes subnet.env, so that CNI plugins attach no new containers here; those that run keep
their network. A restart of the daemon keeps it so, a boot ends it. With --release the lease goes, too, and the daemon ends:
other hosts then drop their routes to this one.`,
  options: {
    release: { type: 'boolean', help: 'release the lease as well, after a confirmation' },
    undo: { type: 'boolean', help: 'take containers again' },
    yes: { type: 'boolean', short: 'y', help: 'skip the confirmation' },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft drain', 'stop new containers on this host'],
    ['weft drain --release', 'release its subnet once its containers have moved'],
    ['weft drain --undo', 'put it into service again'],
  ],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers' },
  run: async ({ release, socket, undo, yes }) => {
    if (release && undo) throw new UsageError('--release and --undo exclude each other');
    const client = new ControlClient(socketPath(socket));
    const state: DrainStateV1 = release ? 'released' : undo ? 'none' : 'drained';
    if (release && !yes && !(await confirmRelease(client))) return EXIT_FAILURE;
    const options = { method: 'POST', body: { state }, timeoutMs: TIMEOUT_MS } as const;
    await client.request<DrainV1>('drain', options);
    printText(TEXTS[state]);
    return EXIT_OK;
  },
});

async function confirmRelease(client: ControlClient): Promise<boolean> {
  const { lease } = await client.request<StatusV1>('status');
  const subnets = [lease?.ipv4, lease?.ipv6].filter(Boolean).join(' and ') || 'the subnet of this host';
  return confirm(`Release ${subnets}? Containers that still run here lose the connection to other hosts.`);
}
