// Words of `weft lab`: help text, options, and what they mean for a lab.
import { readFile } from 'node:fs/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { formatConfigIssue } from '../allocator/config-issue.ts';
import { parseNetworkConfig } from '../allocator/config-parse.ts';
import { DEFAULT_CONFIG, type LabOptions } from '../lab/lab.ts';
import { UsageError } from './usage-error.ts';

export const LAB_HELP = `weft lab: try a cluster of hosts on this machine. Each host is a network namespace with an address, a daemon
and a container; a real etcd runs beside them. Needs root or user namespaces, iproute2, etcd-server, etcd-client, iperf3, ping.

  weft lab run    --hosts N             up, ping every container from every other, one TCP stream, down
  weft lab up     --hosts N             make a lab and leave it running
  weft lab status                       hosts, subnets, readiness
  weft lab exec   hK|cK|sw|etcd -- CMD  run CMD on a host, in a container, on the switch, beside etcd
  weft lab stop|start|kill hK           end a daemon (SIGTERM, SIGKILL) or start it again
  weft lab down                         remove it all
  weft lab list                         names of the labs that are up

Options
  --name NAME       which lab (default: lab); several can be up at once
  --hosts N         number of hosts, 1 to 1000 (default: 3)
  --backend TYPE    backend in the network config: vxlan (default), udp, host-gw, alloc
  --config FILE     a network config document instead, - for standard input
  --bare hK         no daemon on host K, to run another program there; may be repeated
  --routed          hosts in two underlay networks joined by a router
  --userspace hK    host K does VXLAN in userspace, as --userspace=true makes its daemon; may be repeated; all: every host
  --offloads off    underlay without checksum and segmentation offloads (default: on); needs ethtool
  --mtu BYTES       MTU of the underlay, 1280 to 65535 (default: 1500)
  --flag WORD       further word for every daemon's command line; may be repeated
  --json            run, status: JSON instead of a table
  --keep-logs       run, down: leave the log folder behind

Example
  weft lab up --hosts 3 && weft lab exec c1 -- ping -c 3 10.5.0.2; weft lab down
`;

const OPTIONS = {
  name: { type: 'string', default: 'lab' },
  hosts: { type: 'string', default: '3' },
  backend: { type: 'string' },
  config: { type: 'string' },
  bare: { type: 'string', multiple: true, default: [] },
  routed: { type: 'boolean', default: false },
  userspace: { type: 'string', multiple: true, default: [] },
  offloads: { type: 'string', default: 'on' },
  mtu: { type: 'string', default: '1500' },
  flag: { type: 'string', multiple: true, default: [] },
  json: { type: 'boolean', default: false },
  'keep-logs': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies ParseArgsConfig['options'];

/** Values of the options, defaults filled in. */
export type LabValues = ReturnType<typeof parseLabWords>['values'];
/** Splits words into options and the rest. @throws UsageError */
export function parseLabWords(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; 'weft lab --help' lists the options`);
  }
}

/** What the options ask for. @throws UsageError for a config that cannot be read or is wrong. */
export async function labOptions(values: LabValues): Promise<LabOptions> {
  if (values.config !== undefined && values.backend !== undefined)
    throw new UsageError('--config and --backend exclude each other: put the backend into the file');
  if (values.offloads !== 'on' && values.offloads !== 'off')
    throw new UsageError(`--offloads '${values.offloads}' is neither on nor off`);
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
