// `weft leases`: lists, reserves and releases leases.
import { findLease, LeaseAdminError } from '../../allocator/lease/lease-admin.ts';
import type { LeaseV1 } from '../../api/index.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { confirm } from '../client/confirm.ts';
import { JSON_OPTION, SOCKET_OPTION } from '../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { ETCD_OPTIONS, openLeaseAdmin, type LeaseAdminClient } from '../client/lease-admin-client.ts';
import { formatLease, formatLeaseChange, formatLeases } from '../format/format-leases.ts';
import { styleOf } from '../format/style.ts';
import { UsageError } from '../usage-error.ts';
import { printData } from '../output.ts';

interface Task {
  readonly admin: LeaseAdminClient;
  readonly subnet: string;
  readonly publicIp: string | undefined;
  readonly isConfirmed: boolean;
  /** Prints data as JSON or as text. */
  readonly print: <Data>(data: Data, text: (safe: Data) => string) => void;
}

export const leasesCommand = defineCommand({
  name: 'leases',
  synopsis: [
    '[list] [options]',
    'show SUBNET [options]',
    'reserve SUBNET [--public-ip ADDRESS] [options]',
    'release SUBNET [--yes] [options]',
  ],
  about: `Lists, reserves and releases leases. A reservation is a key without expiry: the subnet stays with the host of that
public IP while the host is down. SUBNET is 10.5.72.0/24 or a key of the list; show also takes a public IP.`,
  verbs: {
    list: 'list every key (default)',
    'show SUBNET': 'show one lease',
    'reserve SUBNET': 'keep the subnet for its host, or for the host of --public-ip',
    'release SUBNET': 'remove the key; a running host acquires it again as an ordinary lease',
  },
  options: {
    'public-ip': { type: 'string', value: 'ADDRESS', help: 'reserve: public IP of the host' },
    yes: { type: 'boolean', short: 'y', help: 'release: skip the confirmation' },
    json: JSON_OPTION,
    socket: SOCKET_OPTION,
    ...ETCD_OPTIONS,
  },
  examples: [
    ['weft leases', 'list leases'],
    ['weft leases reserve 10.5.72.0/24', 'keep the subnet of a host'],
    ['weft leases reserve 10.5.73.0/24 --public-ip 198.18.1.9', 'reserve for a future host'],
    ['weft leases release 10.5.73.0/24', 'release that reservation'],
    ['weft leases --etcd-endpoints http://10.0.0.1:2379', 'list without a daemon'],
  ],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers' },
  maxArgs: 2,
  run: async (values, [verb = 'list', subnet]) => {
    const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb] : undefined;
    if (action === undefined)
      throw new UsageError(`weft leases ${verb}: give one of list, ${Object.keys(ACTIONS).join(', ')}`);
    if (verb !== 'list' && subnet === undefined)
      throw new UsageError(`weft leases ${verb} needs a subnet, for example 10.5.72.0/24`);
    return action({
      admin: await openLeaseAdmin(values),
      subnet: subnet ?? '',
      publicIp: values['public-ip'],
      isConfirmed: values.yes,
      print: (data, text) => printData(data, { json: values.json, text }),
    });
  },
});

const ACTIONS: Readonly<Record<string, (task: Task) => Promise<number>>> = { list, show, reserve, release };

async function list({ admin, print }: Task): Promise<number> {
  const leases = await admin.list();
  print(leases, (safe) => formatLeases(safe, styleOf()));
  return EXIT_OK;
}

async function find({ admin, subnet }: Task): Promise<LeaseV1> {
  const found = findLease((await admin.list()).leases, subnet);
  if (found === undefined)
    throw new LeaseAdminError('not-found', `No host holds ${subnet}: weft leases lists all leases`);
  return found;
}

async function show(task: Task): Promise<number> {
  const lease = await find(task);
  task.print(lease, (safe) => formatLease(safe, styleOf()));
  return EXIT_OK;
}

async function reserve({ admin, subnet, publicIp, print }: Task): Promise<number> {
  const change = await admin.reserve({ subnet, ...(publicIp !== undefined && { publicIp }) });
  print(change, formatLeaseChange);
  return EXIT_OK;
}

async function release(task: Task): Promise<number> {
  const lease = await find(task);
  const holder = lease.isOwn
    ? 'this host'
    : `the host of ${lease.publicIp ?? lease.publicIpv6 ?? 'no public IP'}`;
  const kind = lease.isReservation ? 'reserved for' : 'leased by';
  if (!task.isConfirmed && !(await confirm(`Release ${lease.key}, ${kind} ${holder}?`))) return EXIT_FAILURE;
  const change = await task.admin.release({ subnet: lease.key, modRevision: lease.modRevision });
  task.print(change, formatLeaseChange);
  return EXIT_OK;
}
