// Arguments of `weft lab`, and the options of a lab that they mean.
import { readFile } from 'node:fs/promises';
import { formatConfigIssue } from '../../allocator/config/config.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import { DEFAULT_CONFIG, type LabOptions } from '../../lab/lab.ts';
import type { OptionValues } from '../command.ts';
import type { CommandSpec } from '../command-spec.ts';
import { UsageError } from '../usage-error.ts';

export const LAB_VERBS = {
  run: 'start a lab, ping every container from every other, run one TCP stream, remove the lab',
  up: 'start a lab and leave it running',
  status: 'show hosts, subnets, readiness',
  'exec NAMESPACE CMD':
    'run CMD on a host (h1), in a container (c1), on the switch (sw), with etcd (etcd), outside (out)',
  'stop|start|kill hK': 'stop a daemon (SIGTERM), start it, or kill it (SIGKILL)',
  down: 'remove a lab',
  list: 'list the labs that are up',
} as const;

export const LAB_OPTIONS = {
  name: {
    type: 'string',
    value: 'NAME',
    default: 'lab',
    help: 'name of the lab (default: lab); several can be up at once',
  },
  hosts: { type: 'string', value: 'N', default: '3', help: 'number of hosts, 1 to 1000 (default: 3)' },
  backend: {
    type: 'string',
    choices: ['vxlan', 'udp', 'host-gw', 'wireguard', 'alloc'],
    value: 'TYPE',
    help: 'backend in the network config: vxlan (default), udp, host-gw, wireguard, alloc',
  },
  config: {
    type: 'string',
    value: 'FILE',
    help: 'file with the network config, - for standard input',
  },
  bare: {
    type: 'string',
    value: 'hK',
    multiple: true,
    help: 'start no daemon on host K; may be repeated',
  },
  outside: { type: 'boolean', help: 'add a host (out) without routes to containers' },
  routed: { type: 'boolean', help: 'place hosts in two underlay networks joined by a router' },
  userspace: {
    type: 'string',
    value: 'hK',
    multiple: true,
    help: 'start the daemon of host K with --userspace=true; may be repeated; all: every host',
  },
  offloads: {
    type: 'string',
    choices: ['on', 'off'],
    default: 'on',
    help: 'checksum and segmentation offloads of the underlay (default: on); off needs ethtool',
  },
  gro: {
    type: 'boolean',
    help: 'hosts join packets that arrive (GRO), as network cards do; needs ethtool. With --offloads off: a wire',
  },
  beside: {
    type: 'string',
    choices: ['vxlan'],
    value: 'vxlan',
    help: "run: print the TCP rate beside that of the kernel's VXLAN in a second lab, by turns",
  },
  mtu: {
    type: 'string',
    value: 'BYTES',
    default: '1500',
    help: 'MTU of the underlay, 1280 to 65535 (default: 1500)',
  },
  flag: {
    type: 'string',
    value: 'FLAG',
    multiple: true,
    help: 'flag of each daemon; may be repeated',
  },
  kubernetes: {
    type: 'boolean',
    help: 'the registry is a Kubernetes API server, beside etcd, with a Node for each host; needs kube-apiserver',
  },
  json: { type: 'boolean', help: 'run, status: print JSON' },
  'keep-logs': { type: 'boolean', help: 'run, down: keep the log folder' },
} as const satisfies CommandSpec['options'];

/** Values of the options, with defaults. */
export type LabValues = OptionValues<typeof LAB_OPTIONS>;

/** Options behind the namespace of `exec` belong to the command that runs there. */
export function endOptionsBehindNamespace(argv: readonly string[]): readonly string[] {
  const verb = argv.indexOf('exec');
  if (verb < 0) return argv;
  let index = verb + 1;
  while (argv[index]?.startsWith('-') === true) {
    if (argv[index] === '--') return argv;
    index += takesValue(argv[index]!) ? 2 : 1;
  }
  const args = argv.slice(argv[index + 1] === '--' ? index + 2 : index + 1);
  return [...argv.slice(0, index + 1), '--', ...args];
}

function takesValue(option: string): boolean {
  const name = option.replace(/^--/, '') as keyof typeof LAB_OPTIONS;
  return Object.hasOwn(LAB_OPTIONS, name) && LAB_OPTIONS[name].type === 'string';
}

/** Options of the lab. @throws UsageError for an unreadable or invalid config. */
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
    gro: values.gro,
    daemonFlags: values.flag,
    config: checkConfig(values.config === undefined ? fromBackend : await readConfig(values.config)),
  };
}

/** Fails early where every daemon would reject the config. */
function checkConfig(text: string): string {
  const result = parseNetworkConfig(text);
  if (result.ok) return text;
  throw new UsageError(`Invalid network config: ${result.issues.map(formatConfigIssue).join('; ')}`);
}

function readConfig(path: string): Promise<string> {
  return readFile(path === '-' ? '/dev/stdin' : path, 'utf8').catch((error: Error) => {
    throw new UsageError(`Cannot read --config ${path}: ${error.message}`);
  });
}
