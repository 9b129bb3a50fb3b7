// The underlay of the path benchmark, created for each candidate of topology `hosts`: two network namespaces joined by one veth.
//
//   a 198.18.0.1/24 eth0 ────── veth ────── eth0 198.18.0.2/24 b
//
// It must run where `ip netns` is private: test/in-namespaces.sh.
import { run } from '../path-process.ts';
import { Station } from './path-station.ts';
import { checkOffloads, fragmentsOf, offloadsOf, type UnderlayKind } from './path-offloads.ts';

export interface UnderlayOptions {
  readonly underlay: UnderlayKind;
  /** Of the underlay, in bytes. */
  readonly mtu: number;
}

/** One end: a namespace, its underlay address, and what was started there. */
export class PathHost extends Station {
  readonly name: 'a' | 'b';
  readonly underlay: string;

  /** `enter`: the command that runs its arguments there. */
  constructor(name: 'a' | 'b', underlay: string, enter: readonly string[] = ['ip', 'netns', 'exec', name]) {
    super(enter);
    this.name = name;
    this.underlay = underlay;
  }

  /** Runs `ip` with these arguments, separated by blanks. */
  ip(args: string): Promise<string> {
    return this.run(['ip', ...args.split(' ')]);
  }
}

/** Two hosts that reach each other at their underlay addresses. */
export interface HostPair {
  readonly a: PathHost;
  readonly b: PathHost;
  readonly hosts: readonly [PathHost, PathHost];
  /** Of the underlay, in bytes. */
  readonly mtu: number;
}

export class Underlay implements HostPair {
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

  /** A metric with any fragment is not one of a tunnel with the right MTU. */
  fragments(): Promise<number> {
    return fragmentsOf(this.a);
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
  await host.run(['ethtool', '-K', 'eth0', ...offloadsOf(options.underlay)]);
  await checkOffloads(host, options.underlay);
  await host.ip(`addr add ${host.underlay}/24 dev eth0`);
  await host.ip('link set eth0 up');
}
