// One lab: a cluster of hosts as network namespaces on this machine, with a real etcd and one daemon a host. It builds
// what `topology.ts` plans inside a `Sandbox`, and starts and stops processes; it measures nothing.
// Folder (outside): state.json and logs. Inside the sandbox, on its private /run: etcd's data, subnet files, PIDs.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  clientEnvironment,
  controlSocketOf,
  daemonCommand,
  INSIDE,
  IS_READY_COMMAND,
  subnetFileOf,
  userEnvironment,
  WIREGUARD_SOCKETS,
  wireguardFolderOf,
} from './daemon-command.ts';
import { etcdCommand, etcdctlCommand } from './etcd-command.ts';
import {
  checkName,
  folderOf,
  forgetState,
  listFolders,
  makeFolder,
  newState,
  readState,
  removeFolder,
  writeState,
  type LabState,
} from './lab-folder.ts';
import { LabProcesses, type DaemonSignal, type StopSignal } from './processes.ts';
import { requireLabTools } from './required-tools.ts';
import { Sandbox, type Output, type RunOptions } from './sandbox.ts';
import * as plan from './topology.ts';
import { buildUnderlay, runIpBatch } from './underlay.ts';
import { KUBECONFIG } from './kubernetes/api-server.ts';

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

/** Network config of a lab that is given none. */
export const DEFAULT_CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';

export class Lab {
  readonly name: string;
  readonly topology: plan.Topology;
  readonly sandbox: Sandbox;
  readonly #state: LabState;
  readonly #processes: LabProcesses;

  private constructor(state: LabState, sandbox: Sandbox) {
    this.name = state.name;
    this.topology = state.topology;
    this.sandbox = sandbox;
    this.#state = state;
    this.#processes = new LabProcesses(sandbox, this.logFolder);
  }

  /** Creates a lab that ends with this process unless {@link keep} is called. */
  static async create(options: LabOptions): Promise<Lab> {
    const topology = plan.planTopology(options);
    requireLabTools(`${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`);
    await requireFreeName(options.name);
    await makeFolder(options.name);
    const sandbox = await Sandbox.create(folderOf(options.name));
    const state = await newState({ ...options, topology }, sandbox);
    await writeState(state);
    const lab = new Lab(state, sandbox);
    try {
      await buildUnderlay(sandbox, topology);
      const folders = topology.hosts.map((host) => dirname(subnetFileOf(host.name)));
      const sockets = topology.hosts.map((host) => wireguardFolderOf(host.name));
      await sandbox.check(['mkdir', '-p', WIREGUARD_SOCKETS, ...folders, ...sockets]);
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
    return (await this.query(name, IS_READY_COMMAND)).code === 0;
  }

  /** Waits until the daemon of each host is ready, bare ones aside: it is so after its subnet.env. */
  async waitUntilReady(): Promise<void> {
    for (const { name } of this.topology.hosts.filter((host) => !host.isBare))
      await this.#processes.waitFor(name, `${name} is ready`, () => this.isReady(name));
  }

  /** Runs `argv` in namespace `netns` (`h1`, `c1`, `sw`, `etcd`, `out`). */
  exec(netns: string, argv: readonly string[], options?: RunOptions): Promise<Output> {
    return this.sandbox.run(argv, netns, options);
  }

  /** As {@link exec}, for short commands that read, /sys aside. */
  query(netns: string, argv: readonly string[]): Promise<Output> {
    return this.sandbox.query(argv, netns);
  }

  /** As {@link exec}, but failure is an error. */
  check(netns: string, argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.sandbox.check(argv, netns, options);
  }

  /** Runs `etcdctl` beside etcd. */
  etcdctl(argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.sandbox.checkQuery(etcdctlCommand(plan.ETCD_URL, argv), 'etcd', options);
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
    await this.#processes.start('etcd', 'etcd', command);
    const health = etcdctlCommand(plan.ETCD_URL, ['endpoint', 'health']);
    await this.#processes.waitFor('etcd', 'etcd answers', async () => {
      const { code, stderr, stdout } = await this.query('etcd', health);
      // With users it answers, but not without a name.
      return code === 0 || `${stdout}${stderr}`.includes('user name is empty');
    });
  }

  stopEtcd(signal: StopSignal | 'STOP' | 'CONT' = 'TERM'): Promise<void> {
    return this.#processes.signal('etcd', signal);
  }

  /** Starts a process of the caller's in namespace `netns`; its log is `<name>.log`. */
  startProcess(name: string, netns: string, argv: readonly string[]): Promise<void> {
    return this.#processes.start(name, netns, argv);
  }

  /** Waits for `condition`, for which a process of {@link startProcess} has to run. */
  waitForProcess(name: string, what: string, condition: () => Promise<boolean>): Promise<void> {
    return this.#processes.waitFor(name, what, condition);
  }

  /** Ends a process of {@link startProcess}, or stops or continues it. */
  signalProcess(name: string, signal: StopSignal | 'STOP' | 'CONT'): Promise<void> {
    return this.#processes.signal(name, signal);
  }

  /** Starts the daemon of a host, as an argument of the command `under` if given; does not wait for its lease. */
  async startDaemon(
    name: string,
    flags: readonly string[] = this.#state.daemonFlags,
    under: readonly string[] = [],
  ): Promise<void> {
    // As pods of Kubernetes have it, unless `under` names another Node.
    const node = isKubernetes(flags) ? ['env', `NODE_NAME=${name}`] : [];
    await this.#processes.start(name, name, [...node, ...under, ...this.daemonCommand(name, flags)]);
  }

  /** Command line of a host's daemon. */
  daemonCommand(name: string, flags: readonly string[]): string[] {
    return daemonCommand(this.host(name), flags);
  }

  /** `HUP` and `USR1` are for the daemon's parent command. */
  stopDaemon(name: string, signal: DaemonSignal = 'TERM'): Promise<void> {
    return this.#processes.signal(name, signal);
  }

  /** Path, inside the sandbox, of a host's subnet.env. */
  subnetFile(name: string): string {
    return subnetFileOf(name);
  }

  /** Path, inside the sandbox, of the control socket of a host's daemon. */
  controlSocket(name: string): string {
    return controlSocketOf(name);
  }

  /** Runs `weft` on a host, against the daemon there. */
  weft(name: string, argv: readonly string[], options?: RunOptions): Promise<Output> {
    return this.exec(name, [...this.environment(name), 'weft', ...argv], options);
  }

  /** Command prefix that puts `weft` on the PATH and points it at the daemon of namespace `netns`, if that is a host. */
  environment(netns: string): string[] {
    return clientEnvironment(this.#hostOf(netns));
  }

  /** As {@link environment}, and points commands at etcd or the API server and the host's subnet.env as well. */
  userEnvironment(netns: string): string[] {
    const kubectl = isKubernetes(this.#state.daemonFlags) ? [`KUBECONFIG=${KUBECONFIG}`] : [];
    return [...this.environment(netns), ...userEnvironment(this.#hostOf(netns)), ...kubectl];
  }

  #hostOf(netns: string): string | undefined {
    return this.topology.hosts.find(({ name, container }) => name === netns || container === netns)?.name;
  }

  /** Text of a host's subnet.env, empty if it is not there. */
  readSubnetEnv(name: string): Promise<string> {
    return readFile(this.sandbox.outside(this.subnetFile(name)), 'utf8').catch(() => '');
  }

  /** Whether the process `etcd` or a daemon exists, working or not. */
  isRunning(process: string): Promise<boolean> {
    return this.#processes.isRunning(process);
  }

  /** Waits for the host's subnet.env and wires its container up. */
  async attachContainer(name: string, timeoutMs = 60_000): Promise<plan.ContainerPlan> {
    const host = this.host(name);
    let container: plan.ContainerPlan | undefined;
    const isReady = async () =>
      (container = plan.planContainer(await this.readSubnetEnv(name))) !== undefined;
    await this.#processes.waitFor(host.name, `${host.name} has its subnet file`, isReady, timeoutMs);
    await runIpBatch(this.sandbox, name, plan.hostContainerCommands(host, container!));
    await runIpBatch(this.sandbox, host.container, plan.containerCommands(container!));
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

  async #startCluster({ config = DEFAULT_CONFIG, attach = true }: LabOptions): Promise<void> {
    await this.startEtcd();
    await this.putConfig(config);
    const hosts = this.topology.hosts.filter((host) => !host.isBare).map((host) => host.name);
    await Promise.all(hosts.map((name) => this.startDaemon(name)));
    if (attach) await Promise.all(hosts.map((name) => this.attachContainer(name)));
  }
}

function isKubernetes(daemonFlags: readonly string[]): boolean {
  return daemonFlags.includes('--kube-subnet-mgr');
}

/** @throws Error if the name is invalid or taken. */
async function requireFreeName(name: string): Promise<void> {
  checkName(name);
  if (await Lab.find(name))
    throw new Error(
      `Lab '${name}' exists: remove it with 'weft lab down --name ${name}' or give another --name`,
    );
}
