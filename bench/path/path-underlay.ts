// The underlay of the path benchmark, created for each candidate: two network namespaces joined by one veth.
//
//   a 198.18.0.1/24 eth0 ────── veth ────── eth0 198.18.0.2/24 b
//
// It must run where `ip netns` is private: test/in-namespaces.sh.
import { Program, run, type RunOptions } from './path-process.ts';

export type Switch = 'on' | 'off';

export interface UnderlayOptions {
  /** Off: each packet crosses by itself, as on a wire. */
  readonly offloads: Switch;
  /** Whether the receiving end of the veth coalesces packets, as drivers of network cards do; a veth's default is off. */
  readonly gro: Switch;
  /** Of the underlay, in bytes. */
  readonly mtu: number;
}

/** What `ethtool -K` calls the offloads of sending, and what `ethtool -k` does. */
const OFFLOADS = {
  tso: 'tcp-segmentation-offload',
  gso: 'generic-segmentation-offload',
  'tx-udp-segmentation': 'tx-udp-segmentation',
} as const;

/** One end: a namespace, its underlay address, and what was started there. */
export class PathHost {
  readonly name: 'a' | 'b';
  readonly underlay: string;
  readonly #programs: Program[] = [];

  constructor(name: 'a' | 'b', underlay: string) {
    this.name = name;
    this.underlay = underlay;
  }

  /** Runs a program to its end. */
  run(argv: readonly string[], options?: RunOptions): Promise<string> {
    return run(['ip', 'netns', 'exec', this.name, ...argv], options);
  }

  /** Runs `ip` with these arguments, separated by blanks. */
  ip(args: string): Promise<string> {
    return run(['ip', '-n', this.name, ...args.split(' ')]);
  }

  /** Starts a program that stays until it is stopped, or until the underlay goes. */
  start(argv: readonly string[]): Program {
    const program = new Program(['ip', 'netns', 'exec', this.name, ...argv]);
    this.#programs.push(program);
    return program;
  }

  /** As {@link start}; resolves once its output contains `marker`. */
  async startReady(argv: readonly string[], marker = 'ready'): Promise<Program> {
    const program = this.start(argv);
    await program.waitUntil(`its output contains '${marker}'`, () => program.stdout.includes(marker));
    return program;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop('SIGKILL')));
  }
}

export class Underlay {
  readonly a = new PathHost('a', '198.18.0.1');
  readonly b = new PathHost('b', '198.18.0.2');
  readonly mtu: number;

  private constructor(mtu: number) {
    this.mtu = mtu;
  }

  static async create(options: UnderlayOptions): Promise<Underlay> {
    const { mtu } = options;
    const underlay = new Underlay(mtu);
    try {
      for (const { name } of underlay.hosts) await run(['ip', 'netns', 'add', name]);
      const ends = `eth0 netns a mtu ${mtu} type veth peer name eth0 netns b mtu ${mtu}`;
      await run(['ip', 'link', 'add', ...ends.split(' ')]);
      for (const host of underlay.hosts) await setUpHost(host, options);
      return underlay;
    } catch (error) {
      await underlay.down();
      throw error;
    }
  }

  get hosts(): readonly [PathHost, PathHost] {
    return [this.a, this.b];
  }

  /** IPv4 fragments that host a has made; a metric with any is not one of a tunnel with the right MTU. */
  async fragments(): Promise<number> {
    const [names, values] = (await this.a.run(['grep', '^Ip:', '/proc/net/snmp'])).split('\n');
    return Number(values!.split(' ')[names!.split(' ').indexOf('FragCreates')]);
  }

  /** Ends everything that was started, then removes both namespaces. */
  async down(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.stopAll()));
    for (const { name } of this.hosts) await run(['ip', 'netns', 'del', name]).catch(() => undefined);
  }
}

async function setUpHost(host: PathHost, options: UnderlayOptions): Promise<void> {
  await host.ip('link set lo up');
  // As on any host with containers.
  await host.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  for (const [name, title] of Object.entries(OFFLOADS)) await setOffload(host, name, title, options.offloads);
  await setOffload(host, 'gro', 'generic-receive-offload', options.gro);
  await host.ip(`addr add ${host.underlay}/24 dev eth0`);
  await host.ip('link set eth0 up');
}

async function setOffload(host: PathHost, name: string, title: string, wanted: Switch): Promise<void> {
  await host.run(['ethtool', '-K', 'eth0', name, wanted]);
  const features = await host.run(['ethtool', '-k', 'eth0']);
  if (!new RegExp(`^\\s*${title}: ${wanted}\\b`, 'm').test(features))
    throw new Error(`Offload ${title} of eth0 in namespace ${host.name} is not ${wanted}`);
}
