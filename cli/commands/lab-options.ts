// Words of `weft lab` and what they mean for a lab.
import { readFile } from 'node:fs/promises';
import { formatConfigIssue } from '../../allocator/config/config.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import { DEFAULT_CONFIG, type LabOptions } from '../../lab/lab.ts';
import type { CommandSpec, OptionValues } from '../command.ts';
import { UsageError } from '../usage-error.ts';

export const LAB_VERBS = {
  run: 'up, ping every container from every other, one TCP stream, down',
  up: 'make a lab and leave it running',
  status: 'hosts, subnets, readiness',
  'exec PLACE CMD':
    'run CMD on a host (h1), in a container (c1), on the switch (sw), beside etcd (etcd), outside (out)',
  'stop|start|kill hK': 'end a daemon (SIGTERM, SIGKILL) or start it again',
  down: 'remove it all',
  list: 'names of the labs that are up',
} as const;

export const LAB_OPTIONS = {
  name: {
    type: 'string',
    value: 'NAME',
    default: 'lab',
    help: 'which lab (default: lab); several can be up at once',
  },
  hosts: { type: 'string', value: 'N', default: '3', help: 'number of hosts, 1 to 1000 (default: 3)' },
  backend: {
    type: 'string',
    choices: ['vxlan', 'udp', 'host-gw', 'alloc'],
    value: 'TYPE',
    help: 'backend in the network config: vxlan (default), udp, host-gw, alloc',
  },
  config: {
    type: 'string',
    value: 'FILE',
    help: 'a network config document instead, - for standard input',
  },
  bare: {
    type: 'string',
    value: 'hK',
    multiple: true,
    help: 'no daemon on host K, to run another program there; may be repeated',
  },
  outside: { type: 'boolean', help: 'one more host (out) that knows no route to any container' },
  routed: { type: 'boolean', help: 'hosts in two underlay networks joined by a router' },
  userspace: {
    type: 'string',
    value: 'hK',
    multiple: true,
    help: 'host K does VXLAN in userspace, as --userspace=true makes its daemon; may be repeated; all: every host',
  },
  offloads: {
    type: 'string',
    choices: ['on', 'off'],
    default: 'on',
    help: 'underlay with checksum and segmentation offloads (default: on) or without; off needs ethtool',
  },
  mtu: {
    type: 'string',
    value: 'BYTES',
    default: '1500',
    help: 'MTU of the underlay, 1280 to 65535 (default: 1500)',
  },
  flag: {
    type: 'string',
    value: 'WORD',
    multiple: true,
    help: "further word for every daemon's command line; may be repeated",
  },
  json: { type: 'boolean', help: 'run, status: JSON instead of a table' },
  'keep-logs': { type: 'boolean', help: 'run, down: leave the log folder behind' },
} as const satisfies CommandSpec['options'];

/** Values of the options, defaults filled in. */
export type LabValues = OptionValues<typeof LAB_OPTIONS>;

/** What the options ask for. @throws UsageError for a config that cannot be read or is wrong. */
export async function labOptions(values: LabValues): Promise<LabOptions> {
  if (values.config !== undefined && values.backend !== undefined)
    throw new UsageError('--config and --backend exclude each other: put the backend into the file');
  const base = JSON.parse(DEFAULT_CONFIG) as object;
  const fromBackend =
    values.backend === undefined
      ? DEFAULT_CONFIG
      : JSON.stringify({ ...base, Backend: { Type: values.backend } });
  return {
    name: values.name,
    hosts: Number(values.hosts),
    mtu: Number(values.mtu),
    bare: values.bare,
    outside: values.outside,
    routed: values.routed,
    userspace: values.userspace,
    offloads: values.offloads === 'on',
    daemonFlags: values.flag,
    config: checkConfig(values.config === undefined ? fromBackend : await readConfig(values.config)),
  };
}

/** Says at once what every daemon would say for ever. */
function checkConfig(text: string): string {
  const result = parseNetworkConfig(text);
  if (result.ok) return text;
  throw new UsageError(`The network config is wrong: ${result.issues.map(formatConfigIssue).join('; ')}`);
}

function readConfig(path: string): Promise<string> {
  return readFile(path === '-' ? '/dev/stdin' : path, 'utf8').catch((error: Error) => {
    throw new UsageError(`Cannot read --config ${path}: ${error.message}`);
  });
}
