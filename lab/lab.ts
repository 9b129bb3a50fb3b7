// One lab: a cluster of hosts as network namespaces on this machine, with a real etcd and one daemon a host. It builds
// what `topology.ts` plans inside a `Sandbox`, and starts and stops processes; it measures nothing.
// Folder (outside): state.json and logs. Inside the sandbox, on its private /run: etcd's data, subnet files, PIDs.
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { etcdCommand } from './etcd-command.ts';
import {
  folderOf,
  forgetState,
  listFolders,
  makeFolder,
  readState,
  removeFolder,
  writeState,
  type LabState,
} from './lab-folder.ts';
import { packageRoot } from './package-root.ts';
import { pidNamespace, Sandbox, type Output, type RunOptions } from './sandbox.ts';
import * as plan from './topology.ts';
import { waitFor } from './wait.ts';

export interface LabOptions extends plan.TopologyOptions {
  readonly name: string;
  /** Network config document to put into etcd; default {@link DEFAULT_CONFIG}. */
  readonly config?: string;
  /** Further flags of every daemon. */
  readonly daemonFlags?: readonly string[];
  /** Further flags of etcd. */
  readonly etcdFlags?: readonly string[];
  /** False leaves containers to the caller. Default true. */
  readonly attach?: boolean;
  /** False leaves etcd, daemons and containers to the caller. Default true. */
  readonly start?: boolean;
}

export type StopSignal = 'TERM' | 'KILL';
/** STOP, CONT, HUP and USR1 leave the process running. */
export type DaemonSignal = StopSignal | 'STOP' | 'CONT' | 'HUP' | 'USR1';

/** Port of `/healthz` and `/readyz` on each host's loopback. */
export const HEALTH_PORT = 8471;
const INSIDE = '/run/weft-lab';
const NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;

export class Lab {
  readonly name: string;
  readonly topology: plan.Topology;
  readonly sandbox: Sandbox;
  readonly #state: LabState;

  private constructor(state: LabState, sandbox: Sandbox) {
    this.name = state.name;
    this.topology = state.topology;
    this.sandbox = sandbox;
    this.#state = state;
  }

  /** Creates a lab that ends with this process unless {@link keep} is called. */
  static async create(options: LabOptions): Promise<Lab> {
    if (!NAME.test(options.name))
      throw new Error(`Cannot name a lab '${options.name}': use 1..31 of a-z, 0-9 and '-'`);
    const topology = plan.planTopology(options);
    if (await Lab.find(options.name))
      throw new Error(
        `Lab '${options.name}' exists: remove it with 'weft lab down --name ${options.name}' or give another --name`,
      );
    const folder = folderOf(options.name);
    await makeFolder(options.name);
    const sandbox = await Sandbox.create(folder);
    const { daemonFlags = [], etcdFlags = [] } = options;
    const state: LabState = {
      name: options.name,
      pid: sandbox.pid,
      identity: await sandbox.identity(),
      pidNamespace: await pidNamespace(),
      topology,
      daemonFlags,
      etcdFlags,
    };
    await writeState(state);
    const lab = new Lab(state, sandbox);
    try {
      await lab.#buildUnderlay();
      if (options.start !== false) await lab.#startCluster(options);
      return lab;
    } catch (error) {
      await lab.down();
      throw error;
    }
  }

  /** A lab that is up, or `undefined`. Removes what is left of one that crashed. */
  static async find(name: string): Promise<Lab | undefined> {
    const state = await readState(name);
    if (state === undefined) return undefined;
    const sandbox = Sandbox.open(state.pid);
    if (state.identity === (await sandbox.identity())) return new Lab(state, sandbox);
    await removeFolder(name);
    return undefined;
  }

  /** Names of the labs of this user. */
  static async list(): Promise<string[]> {
    const found = await Promise.all((await listFolders()).map((name) => Lab.find(name)));
    return found.flatMap((lab) => (lab ? [lab.name] : []));
  }

  /** Folder with one log a daemon, `etcd.log` and `state.json`. */
  get logFolder(): string {
    return join(folderOf(this.name), 'logs');
  }

  /** Last lines of the log of a daemon or of etcd. */
  async logTail(name: string, lines: number): Promise<string> {
    const text = await readFile(join(this.logFolder, `${name}.log`), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  keep(): void {
    this.sandbox.keep();
  }

  async down(options: { readonly keepLogs?: boolean } = {}): Promise<void> {
    if (options.keepLogs) await writeFile(join(folderOf(this.name), 'keep-logs'), '');
    await this.sandbox.destroy();
    await (options.keepLogs ? forgetState(this.name) : removeFolder(this.name));
  }

  /** The plan of `h<K>` or of the host of container `c<K>`. @throws Error naming what exists. */
  host(name: string): plan.HostPlan {
    const found = this.topology.hosts.find((host) => host.name === name || host.container === name);
    if (!found)
      throw new Error(
        `Lab '${this.name}' has no '${name}': it has h1..h${this.topology.hosts.length} and c1..c${this.topology.hosts.length}`,
      );
    return found;
  }

  /** Whether a host's daemon answers `/readyz` with 200. */
  async isReady(name: string): Promise<boolean> {
    // Polled while hosts start: bash costs a tenth of Node. With a socket as standard input bash assumes rshd
    // and reads ~/.bashrc, hence --norc.
    const script = `exec 3<>/dev/tcp/127.0.0.1/${HEALTH_PORT} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -t 5 -r status <&3 && [[ $status == *' 200 '* ]]`;
    return (await this.exec(name, ['bash', '--norc', '-c', script])).code === 0;
  }

  /** Runs `argv` in namespace `netns` (`h1`, `c1`, `sw`, `etcd`, `out`). */
  exec(netns: string, argv: readonly string[], options?: RunOptions): Promise<Output> {
    return this.sandbox.run(argv, netns, options);
  }

  /** As {@link exec}, but failure is an error. */
  check(netns: string, argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.sandbox.check(argv, netns, options);
  }

  /** Runs `etcdctl` beside etcd. */
  etcdctl(argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.check(
      'etcd',
      ['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints', plan.ETCD_URL, ...argv],
      options,
    );
  }

  async putConfig(config: string): Promise<void> {
    await this.etcdctl(['put', '/coreos.com/network/config'], { input: config });
  }

  /** Starts etcd and waits until it answers. */
  async startEtcd(flags: readonly string[] = this.#state.etcdFlags): Promise<void> {
    const command = etcdCommand({
      dataDir: `${INSIDE}/etcd`,
      peerUrl: 'http://127.0.0.1:2380',
      clientUrl: plan.ETCD_URL,
      listenUrl: 'http://[::]:2379',
      more: flags,
    });
    await this.#spawn('etcd', 'etcd', command);
    const endpointHealth = [
      'env',
      'ETCDCTL_API=3',
      'etcdctl',
      '--endpoints',
      plan.ETCD_URL,
      'endpoint',
      'health',
    ];
    await waitFor('etcd to answer', async () => (await this.exec('etcd', endpointHealth)).code === 0, 60_000);
  }

  stopEtcd(signal: StopSignal | 'STOP' | 'CONT' = 'TERM'): Promise<void> {
    return this.#signal('etcd', signal);
  }

  /** Starts the daemon of a host, as an argument of the command `under` if given; does not wait for its lease. */
  async startDaemon(
    name: string,
    flags: readonly string[] = this.#state.daemonFlags,
    under: readonly string[] = [],
  ): Promise<void> {
    await this.#spawn(name, name, [...under, ...this.daemonCommand(name, flags)]);
  }

  /** Command line of a host's daemon. */
  daemonCommand(name: string, flags: readonly string[]): string[] {
    const health = ['--healthz-ip', '127.0.0.1', '--healthz-port', String(HEALTH_PORT)];
    const socket = ['--control-socket', this.controlSocket(name)];
    const files = ['--etcd-endpoints', plan.ETCD_URL, '--subnet-file', this.subnetFile(name), ...socket];
    const node = ['env', `WEFT_NODE=${process.execPath}`];
    const mode = this.host(name).isInUserspace ? ['--userspace=true'] : [];
    return [...node, weftProgram(), 'daemon', ...files, ...health, ...mode, ...flags];
  }

  /** `HUP` and `USR1` are for the daemon's parent command. */
  stopDaemon(name: string, signal: DaemonSignal = 'TERM'): Promise<void> {
    return this.#signal(name, signal);
  }

  /** Path, inside the sandbox, of a host's subnet.env. */
  subnetFile(name: string): string {
    return `${INSIDE}/${name}/subnet.env`;
  }

  /** Path, inside the sandbox, of the control socket of a host's daemon. */
  controlSocket(name: string): string {
    return `${INSIDE}/${name}/weft.sock`;
  }

  /** Runs `weft` on a host, against the daemon there. */
  weft(name: string, argv: readonly string[], options?: RunOptions): Promise<Output> {
    return this.exec(name, [...this.environment(name), 'weft', ...argv], options);
  }

  /** Command prefix that puts `weft` on the PATH and points it at the daemon of namespace `netns`, if that is a host. */
  environment(netns: string): string[] {
    const host = this.topology.hosts.find(({ name, container }) => name === netns || container === netns);
    const path = `PATH=${dirname(weftProgram())}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
    const socket = host === undefined ? [] : [`WEFT_SOCKET=${this.controlSocket(host.name)}`];
    return ['env', path, `WEFT_NODE=${process.execPath}`, ...socket];
  }

  /** Text of a host's subnet.env, empty if it is not there. */
  readSubnetEnv(name: string): Promise<string> {
    return readFile(this.#outside(this.subnetFile(name)), 'utf8').catch(() => '');
  }

  /** Whether the daemon's process exists, working or not. */
  async isRunning(process: string): Promise<boolean> {
    const pid = await this.#pidOf(process);
    const status = await readFile(this.#outside(`/proc/${pid}/status`), 'utf8').catch(() => 'State:\tZ');
    return !/^State:\s+Z/m.test(status);
  }

  /** Waits for the host's subnet.env and wires its container up. */
  async attachContainer(name: string, timeoutMs = 60_000): Promise<plan.ContainerPlan> {
    const host = this.host(name);
    let container: plan.ContainerPlan | undefined;
    const isReady = async () =>
      (container = plan.planContainer(await this.readSubnetEnv(name))) !== undefined;
    await waitFor(`the subnet file of ${name}`, isReady, timeoutMs).catch(async (error: Error) => {
      throw new Error(`${error.message}; its log ends with:\n${await this.logTail(name, 5)}`);
    });
    await this.#ip(name, plan.hostContainerCommands(host, container!));
    await this.#ip(host.container, plan.containerCommands(container!));
    return container!;
  }

  /** First address of a host's container, without length: IPv4 where it has one. @throws Error if it has none yet. */
  async containerAddress(name: string): Promise<string> {
    return (await this.containerAddresses(name))[0]!;
  }

  /** Addresses of a host's container, one a family, without length. @throws Error if it has none yet. */
  async containerAddresses(name: string): Promise<readonly string[]> {
    const container = plan.planContainer(await this.readSubnetEnv(this.host(name).name));
    if (!container) throw new Error(`Host ${name} has no subnet yet: read ${this.logFolder}/${name}.log`);
    return container.addresses.map((pair) => pair.container.split('/')[0]!);
  }

  async #buildUnderlay(): Promise<void> {
    const names = plan.namespacesOf(this.topology);
    await this.sandbox.check(['ip', '-batch', '-'], undefined, {
      input: names.map((name) => `netns add ${name}\n`).join(''),
    });
    await this.#ip('sw', plan.switchCommands(this.topology));
    await this.#ip('etcd', plan.etcdCommands());
    if (this.topology.hasOutside) await this.#ip('out', plan.outsideCommands());
    await this.#forward('sw');
    await Promise.all(this.topology.hosts.map((host) => this.#buildHost(host)));
  }

  #forward(netns: string): Promise<string> {
    const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    return this.sandbox.check(['sysctl', '-qw', ...settings], netns);
  }

  async #buildHost(host: plan.HostPlan): Promise<void> {
    await this.#ip(host.name, plan.underlayCommands(host));
    await this.#forward(host.name);
    if (!this.topology.hasOffloads)
      for (const [netns, device] of [
        ['sw', host.name],
        [host.name, 'eth0'],
      ] as const)
        await this.sandbox.check(['ethtool', '-K', device, ...plan.OFFLOADS_OFF], netns);
    await this.sandbox.check(['mkdir', '-p', dirname(this.subnetFile(host.name))]);
  }

  async #startCluster({ config = DEFAULT_CONFIG, attach = true }: LabOptions): Promise<void> {
    await this.startEtcd();
    await this.putConfig(config);
    const hosts = this.topology.hosts.filter((host) => !host.isBare).map((host) => host.name);
    await Promise.all(hosts.map((name) => this.startDaemon(name)));
    if (attach) await Promise.all(hosts.map((name) => this.attachContainer(name)));
  }

  async #ip(netns: string, commands: readonly string[]): Promise<void> {
    await this.sandbox.check(['ip', '-batch', '-'], netns, {
      input: commands.map((line) => `${line}\n`).join(''),
    });
  }

  /** Starts a process in the background; its PID inside the sandbox goes to a file, its output to a log. */
  async #spawn(process: string, netns: string, argv: readonly string[]): Promise<void> {
    const log = join(this.logFolder, `${process}.log`);
    await writeFile(log, '', { flag: 'a' });
    await chmod(log, 0o600);
    const script =
      'pidfile=$1 log=$2; shift 2; setsid sh -c \'echo $$ >"$0"; exec "$@"\' "$pidfile" "$@" >>"$log" 2>&1 </dev/null &';
    await this.sandbox.check(['sh', '-c', script, 'sh', `/run/${process}.pid`, log, ...argv], netns);
    await waitFor(`${process} to start`, async () => (await this.#pidOf(process)) !== undefined, 60_000);
  }

  async #signal(process: string, signal: DaemonSignal): Promise<void> {
    const pid = await this.#pidOf(process);
    if (pid === undefined) throw new Error(`Nothing runs as '${process}' in lab '${this.name}'`);
    await this.sandbox.run(['kill', `-${signal}`, String(pid)]);
    if (signal !== 'TERM' && signal !== 'KILL') return;
    await waitFor(`${process} to end`, async () => !(await this.isRunning(process)), 60_000);
    await rm(this.#outside(`/run/${process}.pid`), { force: true });
  }

  async #pidOf(process: string): Promise<number | undefined> {
    const text = await readFile(this.#outside(`/run/${process}.pid`), 'utf8').catch(() => '');
    return Number(text) || undefined;
  }

  /** Path of a file inside the sandbox as seen from here. */
  #outside(path: string): string {
    return `/proc/${this.sandbox.pid}/root${path}`;
  }
}

/** Network config of a lab that is given none. */
export const DEFAULT_CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';

/** Defined by the bundler. */
declare const WEFT_VERSION: string | undefined;

/** The program of daemons: the bundle that contains this file, else `bin/weft` of the project. */
function weftProgram(): string {
  if (typeof WEFT_VERSION === 'string') return fileURLToPath(import.meta.url);
  return join(packageRoot(), 'bin', 'weft');
}
