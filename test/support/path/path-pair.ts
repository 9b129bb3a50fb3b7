// Two hosts whose subnets are joined by weft's packet path, or by weft at one end and the kernel's VXLAN device at the
// other. With a middle, every frame passes through a third namespace, where an Impairment moves it.
//
//   a: 10.5.1.0, fd00:5:1::, flannel.1 ─ eth0 ─────[ left  mid  right ]───── eth0 ─ flannel.1, fd00:5:2::, 10.5.2.0 :b
//
// It must run where `ip netns` is private: test/in-namespaces.sh.
import { fileURLToPath } from 'node:url';
import type { Family } from '../../../lib/address.ts';
import type { UnderlayMtu } from '../../../backends/kernel-state.ts';
import {
  encapsulatedMtu,
  MINIMUM_MTU_BYTES,
  udpOverheadBytes,
  vxlanOverheadBytes,
} from '../../../backends/mtu.ts';
import { Program, run, type RunOptions } from '../../../bench/path/path-process.ts';
import { waitFor } from '../../../lab/wait.ts';
import type { Encapsulation, PathTuning } from '../../../native/packet-path.ts';
import type { PathEndCommand, PathEndConfig, PathEndStatus } from './path-end.ts';

export interface PathPairOptions {
  readonly encapsulation: Encapsulation;
  /** Family of the underlay. */
  readonly underlay: Family;
  /** Of the underlay, in bytes; default 1500. */
  readonly mtu?: number;
  /** Whether the veths pass on packets as the kernel keeps them; off, each frame is one as on a wire. Default off. */
  readonly hasOffloads?: boolean;
  /** Whether there is a namespace between the hosts; without an Impairment nothing passes it. Default false. */
  readonly hasMiddle?: boolean;
  /** End with the kernel's VXLAN device; default none. */
  readonly kernelEnds?: readonly EndName[];
  /** Default {@link WORKERS_OR_KERNEL}. */
  readonly tuning?: Partial<PathTuning>;
  /** Ends where each packet goes through the workers, whatever `tuning` says; default none. */
  readonly workerEnds?: readonly EndName[];
}

/**
 * Suites are about the workers; with PATH_KERNEL=1, as root, the kernel moves what it can, and the same must hold.
 */
const WORKERS_OR_KERNEL: Partial<PathTuning> = { useBpf: process.env['PATH_KERNEL'] === '1' };

export type EndName = 'a' | 'b';

const VNI = 1;
const PORTS: Readonly<Record<Encapsulation, number>> = { udp: 8285, vxlan: 8472 };
const PATIENCE_MS = 60_000;
export const MIDDLE = 'pair-mid';
const OFFLOADS = ['tx', 'rx', 'tso', 'gso', 'gro', 'tx-udp-segmentation'];

/** One host. */
export class PathEnd {
  readonly name: EndName;
  readonly netns: string;
  readonly device: string;
  readonly mac: string;
  /** Addresses on the underlay and in the overlay. */
  readonly underlay: Readonly<Record<Family, string>>;
  readonly overlay: Readonly<Record<Family, string>>;
  readonly subnets: Readonly<Record<Family, string>>;
  readonly isKernel: boolean;
  #program: Program | undefined;

  constructor(name: EndName, { encapsulation, kernelEnds = [] }: PathPairOptions) {
    const number = name === 'a' ? 1 : 2;
    this.name = name;
    this.netns = `pair-${name}`;
    this.device = encapsulation === 'udp' ? 'flannel0' : `flannel.${VNI}`;
    this.mac = `02:00:00:00:00:0${number}`;
    this.underlay = { 4: `192.0.2.${number}`, 6: `2001:db8::${number}` };
    this.overlay = { 4: `10.5.${number}.0`, 6: `fd00:5:${number}::` };
    this.subnets = { 4: `${this.overlay[4]}/24`, 6: `${this.overlay[6]}/64` };
    this.isKernel = kernelEnds.includes(name);
  }

  run(argv: readonly string[], options?: RunOptions): Promise<string> {
    return run(['ip', 'netns', 'exec', this.netns, ...argv], options);
  }

  /** Starts a program; resolves once it has written `marker`, to either output. */
  start(argv: readonly string[], marker = 'ready'): Promise<Program> {
    return startIn(this.netns, argv, marker);
  }

  ip(lines: readonly string[]): Promise<string> {
    return ip(this.netns, lines);
  }

  async open(config: PathEndConfig): Promise<void> {
    const file = fileURLToPath(import.meta.resolve('./path-end.js'));
    this.#program = await this.start([process.execPath, file, JSON.stringify(config)]);
  }

  /** Does `command` first. */
  async status(command: PathEndCommand = {}): Promise<PathEndStatus> {
    if (this.#program === undefined) throw new Error(`Host ${this.name} has no packet path`);
    return JSON.parse(await this.#program.ask(JSON.stringify(command))) as PathEndStatus;
  }

  async counters(): Promise<Readonly<Record<string, number>>> {
    return (await this.status()).counters;
  }

  /** One counter of the kernel's, by its name in `nstat`. */
  async kernelCounter(name: string): Promise<number> {
    const output = await this.run(['nstat', '-asz', name]);
    return Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(output)?.[1] ?? 0);
  }

  /** Datagrams to UDP port `port` that the kernel did not give to its socket (ss(8), `d` of skmem). */
  async socketDrops(port: number): Promise<number> {
    const output = await this.run(['ss', '-Huanm', `sport = :${port}`]);
    return [...output.matchAll(/,d(\d+)\)/g)].reduce((sum, [, drops]) => sum + Number(drops), 0);
  }

  /** Packets that the queue of a link had no room for. */
  async linkDrops(link: string): Promise<number> {
    return Number(await this.run(['cat', `/sys/class/net/${link}/statistics/tx_dropped`]));
  }

  async close(signal?: NodeJS.Signals): Promise<void> {
    await this.#program?.stop(signal);
    this.#program = undefined;
  }
}

export async function startIn(netns: string, argv: readonly string[], marker: string): Promise<Program> {
  const program = new Program(['ip', 'netns', 'exec', netns, ...argv]);
  await program.waitUntil(`its output contains '${marker}'`, () => program.output.includes(marker));
  return program;
}

function ip(netns: string, lines: readonly string[]): Promise<string> {
  return run(['ip', '-n', netns, '-batch', '-'], { input: lines.join('\n') });
}

export class PathPair {
  readonly a: PathEnd;
  readonly b: PathEnd;
  readonly options: PathPairOptions;
  readonly port: number;
  readonly mtu: number;

  private constructor(options: PathPairOptions) {
    const { encapsulation, underlay, mtu = 1500 } = options;
    const overhead = encapsulation === 'udp' ? udpOverheadBytes : vxlanOverheadBytes;
    this.options = options;
    this.a = new PathEnd('a', options);
    this.b = new PathEnd('b', options);
    this.port = PORTS[encapsulation];
    this.mtu = encapsulatedMtu(mtu as UnderlayMtu, overhead(underlay));
  }

  /** Families that fit through the tunnel: IPv6 needs an MTU of 1280. */
  get families(): readonly Family[] {
    return ([4, 6] as const).filter((family) => this.mtu >= MINIMUM_MTU_BYTES[family]);
  }

  static async create(options: PathPairOptions): Promise<PathPair> {
    const pair = new PathPair(options);
    try {
      await pair.#makeUnderlay();
      for (const [end, peer] of pair.#ends()) await pair.#makeOverlay(end, peer);
      if (!options.hasMiddle) await pair.reached();
      return pair;
    } catch (error) {
      await pair.close();
      throw error;
    }
  }

  /** Waits until the underlay carries packets: a new link may take a second to find its neighbours. */
  async reached(): Promise<void> {
    const address = this.b.underlay[this.options.underlay];
    const ping = ['ping', '-n', '-q', '-c', '1', '-W', '1', address];
    await waitFor('the underlay', async () => (await this.a.run(ping)) !== '', PATIENCE_MS);
  }

  async close(): Promise<void> {
    for (const [end] of this.#ends()) await end.close();
    const names = [this.a.netns, this.b.netns, MIDDLE];
    const existing = await run(['ip', 'netns']);
    for (const name of names)
      if (new RegExp(`^${name}\\b`, 'm').test(existing)) await run(['ip', 'netns', 'delete', name]);
  }

  #ends(): readonly (readonly [PathEnd, PathEnd])[] {
    return [
      [this.a, this.b],
      [this.b, this.a],
    ];
  }

  async #makeUnderlay(): Promise<void> {
    const { mtu = 1500, hasMiddle = false, hasOffloads = false } = this.options;
    for (const { netns } of [this.a, this.b]) await run(['ip', 'netns', 'add', netns]);
    const veth = (from: string, to: string): string =>
      `link add ${from} mtu ${mtu} type veth peer name ${to} mtu ${mtu}`;
    if (hasMiddle) {
      await run(['ip', 'netns', 'add', MIDDLE]);
      await ip(MIDDLE, [
        veth('left', `eth0 netns ${this.a.netns}`),
        veth('right', `eth0 netns ${this.b.netns}`),
        'link set left up',
        'link set right up',
      ]);
    } else {
      await this.a.ip([veth('eth0', `eth0 netns ${this.b.netns}`)]);
    }
    for (const [end] of this.#ends()) {
      if (!hasOffloads) await turnOffloadsOff(end);
      // As on any host with containers.
      await end.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
      await end.ip([
        'link set lo up',
        // No link-local addresses: what a host sends of itself would blur the counters.
        'link set eth0 addrgenmode none',
        `address add ${end.underlay[4]}/24 dev eth0`,
        `address add ${end.underlay[6]}/64 dev eth0 nodad`,
        'link set eth0 up',
      ]);
    }
  }

  async #makeOverlay(end: PathEnd, peer: PathEnd): Promise<void> {
    if (end.isKernel) await this.#addKernelDevice(end);
    else await end.open(this.#configOf(end, peer));
    const { device, overlay } = end;
    await end.ip([
      // Before the MTU: below 1280 the kernel has no IPv6 on a device.
      `link set ${device} addrgenmode none`,
      `link set ${device} mtu ${this.mtu}`,
      ...this.families.map(
        (family) =>
          `address add ${overlay[family]}/${family === 4 ? 32 : 128} dev ${device} ${family === 6 ? 'nodad' : ''}`,
      ),
      `link set ${device} up`,
    ]);
    // ICMP errors of the path bear an address of this host, which the kernel takes from no other device without being told.
    if (!end.isKernel) await end.run(['sh', '-c', `echo 1 >/proc/sys/net/ipv4/conf/${device}/accept_local`]);
    await end.ip(this.families.flatMap((family) => this.#kernelRoutes(end, peer, family)));
    if (end.isKernel)
      await end.run(
        `bridge fdb append ${peer.mac} dev ${device} dst ${peer.underlay[this.options.underlay]} self permanent`.split(
          ' ',
        ),
      );
  }

  /** As backends/vxlan.ts derives it. */
  async #addKernelDevice(end: PathEnd): Promise<void> {
    const local = end.underlay[this.options.underlay];
    await end.ip([
      `link add ${end.device} address ${end.mac} type vxlan id ${VNI} local ${local} dev eth0 ` +
        `dstport ${this.port} nolearning`,
    ]);
  }

  #kernelRoutes(end: PathEnd, peer: PathEnd, family: Family): readonly string[] {
    const [gateway, subnet, device] = [peer.overlay[family], peer.subnets[family], end.device];
    if (!end.isKernel) return [`route add ${subnet} dev ${device}`];
    return [
      `neighbour replace ${gateway} lladdr ${peer.mac} dev ${device} nud permanent`,
      `route add ${subnet} via ${gateway} dev ${device} onlink`,
    ];
  }

  #configOf(end: PathEnd, peer: PathEnd): PathEndConfig {
    const { encapsulation, underlay, tuning, workerEnds = [] } = this.options;
    const isVxlan = encapsulation === 'vxlan';
    return {
      device: {
        name: end.device,
        encapsulation,
        local: end.underlay[underlay],
        port: this.port,
        ...(isVxlan && { vni: VNI, mac: end.mac }),
      },
      tuning: {
        ...WORKERS_OR_KERNEL,
        ...tuning,
        ...(workerEnds.includes(end.name) && { useBpf: false }),
      },
      settings: { mtu: this.mtu, ipv4: end.overlay[4], ipv6: end.overlay[6] },
      routes: this.families.map((family) => ({
        destination: peer.subnets[family],
        remote: peer.underlay[underlay],
        port: this.port,
        ...(isVxlan && { mac: peer.mac }),
      })),
    };
  }
}

/** @throws Error naming what ethtool could not turn off */
async function turnOffloadsOff(end: PathEnd): Promise<void> {
  await end.run(['ethtool', '-K', 'eth0', ...OFFLOADS.flatMap((name) => [name, 'off'])]);
  const features = await end.run(['ethtool', '-k', 'eth0']);
  const left = features
    .split('\n')
    .filter((line) => /^(?:tx-checksumming|(?:tcp-|generic-|tx-udp-)segmentation\S*): on/.test(line));
  if (left.length > 0) throw new Error(`eth0 of ${end.netns} still has ${left.join(', ')}`);
}
