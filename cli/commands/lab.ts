// `weft lab`: a cluster on this machine. Parses arguments and prints results; lab/ does the work.
import { spawn } from 'node:child_process';
import { DEFAULT_CONFIG, Lab, type LabOptions } from '../../lab/lab.ts';
import { KUBERNETES_FLAGS, requireApiServer, startKubernetes } from '../../lab/kubernetes/lab-cluster.ts';
import type { BesideReport } from '../../lab/beside.ts';
import { namespacesOf } from '../../lab/topology.ts';
import { checkLab, subnetOf, type LabReport } from '../../lab/run.ts';
import { EXIT_USAGE } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import type { Command } from '../command-spec.ts';
import {
  endOptionsBehindNamespace,
  LAB_OPTIONS,
  LAB_VERBS,
  labOptions,
  type LabValues,
} from '../args/lab-args.ts';
import { UsageError } from '../usage-error.ts';
import { printError, printText } from '../output.ts';

type Verb = (values: LabValues, args: readonly string[]) => Promise<number>;

const VERBS: Readonly<Record<string, Verb>> = { run, up, status, exec, stop, start, kill, down, list };

const command = defineCommand({
  name: 'lab',
  synopsis: ['VERB [options]', 'exec NAMESPACE [--] CMD [arguments]'],
  about: `Runs a cluster of hosts on this machine. Each host is a network namespace with an address, a daemon and a container;
a real etcd runs beside them. Needs root or user namespaces, iproute2, etcd-server, etcd-client, iperf3, ping.
Client commands in a host's namespace reach the daemon of that host.`,
  verbs: LAB_VERBS,
  options: LAB_OPTIONS,
  examples: [
    ['weft lab run --hosts 3', 'check that weft works here'],
    ['weft lab up --hosts 3', 'start a lab and keep it'],
    ['weft lab exec c1 ping -c 3 10.5.0.2', 'from the container of host 1'],
    ['weft lab exec h1 weft status', 'status of host 1'],
    ['weft lab up --kubernetes', 'the same with a Kubernetes API server as registry'],
    ['weft lab down', 'remove the lab'],
  ],
  maxArgs: Infinity,
  run: async (values, args) => {
    // Debian keeps `ip`, `bridge` and `sysctl` outside the PATH of ordinary users.
    process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
    const [verb, ...rest] = args;
    if (verb === undefined) {
      await command.run(['--help']);
      return EXIT_USAGE;
    }
    const action = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
    if (!action)
      throw new UsageError(
        `weft lab ${JSON.stringify(verb)} is no verb: give one of ${Object.keys(VERBS).join(', ')}`,
      );
    return action(values, rest);
  },
});

export const labCommand: Command = {
  ...command,
  run: (argv) => command.run(endOptionsBehindNamespace(argv)),
};

async function create(options: LabOptions, isKubernetes: boolean): Promise<Lab> {
  try {
    return isKubernetes ? await createKubernetes(options) : await Lab.create(options);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

async function createKubernetes(options: LabOptions): Promise<Lab> {
  const { config = DEFAULT_CONFIG, daemonFlags = [] } = options;
  requireApiServer();
  const lab = await Lab.create({
    ...options,
    daemonFlags: [...KUBERNETES_FLAGS, ...daemonFlags],
    start: false,
  });
  try {
    await startKubernetes(lab, config);
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

async function run(values: LabValues): Promise<number> {
  if (values.beside !== undefined && Number(values.hosts) < 2)
    throw new UsageError('--beside measures between two containers: give --hosts 2 or more');
  const print = (text: string) => void (values.json || printText(`… ${text}\n`));
  const registry = values.kubernetes ? 'an API server' : 'an etcd';
  print(`starting ${values.hosts} hosts, ${registry}, and a daemon on each host`);
  const options = await labOptions(values);
  const lab = await create(options, values.kubernetes);
  let isInterrupted = false;
  const onInterrupt = () => {
    isInterrupted = true;
    void lab.down().finally(() => process.exit(130));
  };
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    const report = await checkLab(lab, print, values.beside === undefined ? undefined : options);
    // What a lab answers while it ends is no report.
    if (isInterrupted) return await new Promise<never>(() => undefined);
    printText(values.json ? `${JSON.stringify(report)}\n` : formatReport(report));
    if (!report.ok) await explainFailure(lab, report);
    return report.ok ? 0 : 1;
  } catch (error) {
    if (isInterrupted) return await new Promise<never>(() => undefined);
    throw error;
  } finally {
    await lab.down({ keepLogs: values['keep-logs'] });
    if (values['keep-logs']) printError(`Logs are in ${lab.logFolder}\n`);
  }
}

function formatReport(report: LabReport): string {
  const rows = report.hosts.map(
    (host) => `  ${host.name.padEnd(6)}${host.publicIp.padEnd(17)}${host.subnet}`,
  );
  const { pairs, sent, lost, broken } = report.ping;
  const tcp = report.tcpGbitPerSec === null ? 'not measured' : `${report.tcpGbitPerSec} Gbit/s`;
  return [
    `  ${'HOST'.padEnd(6)}${'PUBLIC IP'.padEnd(17)}SUBNET`,
    ...rows,
    `ping: ${pairs} pairs, ${sent} sent, ${lost} lost${broken.length > 0 ? ` (${broken.slice(0, 5).join(', ')})` : ''}`,
    `TCP:  ${tcp}, one stream, ${report.tcpCongestionControl}`,
    ...(report.beside ? [formatBeside(report.beside)] : []),
    report.ok ? 'ok: every container reaches every other' : 'FAILED: see above',
    '',
  ].join('\n');
}

function formatBeside({ tcpGbitPerSec, referenceGbitPerSec, ratio, rounds }: BesideReport): string {
  const range = `[${ratio.least.toFixed(2)}–${ratio.most.toFixed(2)}]`;
  return `      ${ratio.median.toFixed(2)} ${range} of the kernel's VXLAN: ${tcpGbitPerSec.toFixed(2)} beside ${referenceGbitPerSec.toFixed(2)} Gbit/s, medians of ${rounds} rounds`;
}

async function explainFailure(lab: Lab, report: LabReport): Promise<void> {
  const name = lab.host(report.ping.broken[0]!.split('>')[0]!).name;
  printError(`Last lines of the log of ${name}:\n${await lab.logTail(name, 10)}\n`);
}

async function up(values: LabValues): Promise<number> {
  const lab = await create(await labOptions(values), values.kubernetes);
  lab.keep();
  const isReady = await lab.waitUntilReady().then(
    () => true,
    (error: Error) => (printError(`weft lab: ${error.message}\n`), false),
  );
  printText(`Lab '${lab.name}' is up; logs are in ${lab.logFolder}\n`);
  // On a busy machine a second question may find no answer in time.
  return printStatus(lab, values, isReady ? () => Promise.resolve('ready') : daemonStatus);
}

async function find(values: LabValues): Promise<Lab> {
  const lab = await Lab.find(values.name);
  if (!lab)
    throw new UsageError(`There is no lab '${values.name}': start it with weft lab up --name ${values.name}`);
  return lab;
}

interface HostStatus {
  readonly name: string;
  readonly publicIp: string;
  readonly subnet: string;
  readonly daemon: 'ready' | 'not ready' | 'stopped' | 'bare';
}

async function status(values: LabValues): Promise<number> {
  return printStatus(await find(values), values, daemonStatus);
}

async function printStatus(lab: Lab, values: LabValues, query: typeof daemonStatus): Promise<number> {
  const hosts = await Promise.all(lab.topology.hosts.map((host) => hostStatus(lab, host.name, query)));
  if (values.json) printText(`${JSON.stringify({ name: lab.name, logs: lab.logFolder, hosts })}\n`);
  else {
    printText(`  ${'HOST'.padEnd(6)}${'PUBLIC IP'.padEnd(17)}${'SUBNET'.padEnd(20)}DAEMON\n`);
    for (const host of hosts)
      printText(
        `  ${host.name.padEnd(6)}${host.publicIp.padEnd(17)}${host.subnet.padEnd(20)}${host.daemon}\n`,
      );
  }
  return hosts.every((host) => host.daemon === 'ready' || host.daemon === 'bare') ? 0 : 1;
}

async function hostStatus(lab: Lab, name: string, query: typeof daemonStatus): Promise<HostStatus> {
  const { publicIp, isBare } = lab.host(name);
  const subnet = await subnetOf(lab, name);
  return { name, publicIp, subnet, daemon: isBare ? 'bare' : await query(lab, name) };
}

async function daemonStatus(lab: Lab, name: string): Promise<HostStatus['daemon']> {
  if (!(await lab.isRunning(name))) return 'stopped';
  return (await lab.isReady(name)) ? 'ready' : 'not ready';
}

async function exec(values: LabValues, args: readonly string[]): Promise<number> {
  const [netns, ...argv] = args;
  if (netns === undefined || argv.length === 0)
    throw new UsageError('weft lab exec needs a namespace and a command: weft lab exec h1 -- ip route');
  const lab = await find(values);
  if (!namespacesOf(lab.topology).includes(netns)) lab.host(netns);
  const [file, ...rest] = lab.sandbox.commandLine(
    [...inFolder(process.cwd()), ...lab.userEnvironment(netns), ...argv],
    netns,
  );
  return new Promise((resolve, reject) => {
    const child = spawn(file!, rest, { stdio: 'inherit' });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** Command prefix for relative paths. A lab has a /run of its own. */
function inFolder(path: string): string[] {
  return path.startsWith('/run/') ? [] : ['env', '-C', path];
}

async function onDaemon(
  values: LabValues,
  args: readonly string[],
  action: (lab: Lab, name: string) => Promise<void>,
): Promise<number> {
  const [name] = args;
  if (name === undefined) throw new UsageError('weft lab needs a host, for example h1');
  const lab = await find(values);
  await action(lab, lab.host(name).name);
  return 0;
}

function stop(values: LabValues, args: readonly string[]): Promise<number> {
  return onDaemon(values, args, (lab, name) => lab.stopDaemon(name, 'TERM'));
}

function kill(values: LabValues, args: readonly string[]): Promise<number> {
  return onDaemon(values, args, (lab, name) => lab.stopDaemon(name, 'KILL'));
}

function start(values: LabValues, args: readonly string[]): Promise<number> {
  return onDaemon(values, args, async (lab, name) => {
    if (await lab.isRunning(name)) throw new UsageError(`The daemon of ${name} is running: stop it first`);
    await lab.startDaemon(name);
  });
}

async function down(values: LabValues): Promise<number> {
  await (await find(values)).down({ keepLogs: values['keep-logs'] });
  return 0;
}

async function list(): Promise<number> {
  for (const name of await Lab.list()) printText(`${name}\n`);
  return 0;
}
