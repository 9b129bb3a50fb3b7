// Two hosts whose subnets are joined by weft's packet path, or by weft at one end and the kernel's VXLAN device at the
// other. With a middle, every frame passes through a third namespace, where an Impairment moves it.
//
//   a: 10.5.1.0, fd00:5:1::, flannel.1 ─ eth0 ─────[ left  mid  right ]───── eth0 ─ flannel.1, fd00:5:2::, 10.5.2.0 :b
//
// It must run where `ip netns` is private: test/in-namespaces.sh.
import type { Family } from '../../../lib/address.ts';
import type { UnderlayMtu } from '../../../backends/kernel-state.ts';
import {
  encapsulatedMtu,
  MINIMUM_MTU_BYTES,
  udpOverheadBytes,
  vxlanOverheadBytes,
} from '../../../backends/mtu.ts';
import { run } from '../../../bench/path/path-process.ts';
import { waitFor } from '../../../lab/wait.ts';
import type { Encapsulation, PathTuning } from '../../../native/packet-path.ts';
import type { PathEndConfig } from './path-end.ts';
import { PathEnd, runIp, VNI, type EndName } from './path-host.ts';

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

const PORTS: Readonly<Record<Encapsulation, number>> = { udp: 8285, vxlan: 8472 };
const PATIENCE_MS = 60_000;
export const MIDDLE = 'pair-mid';
const OFFLOADS = ['tx', 'rx', 'tso', 'gso', 'gro', 'tx-udp-segmentation'];

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

  /** Whether the BPF programs move what they can, at both ends. */
  get hasFastPath(): boolean {
    const { tuning, kernelEnds = [], workerEnds = [] } = this.options;
    const { useBpf } = { ...WORKERS_OR_KERNEL, ...tuning };
    return useBpf === true && kernelEnds.length + workerEnds.length === 0;
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

  /** Opens the overlay of a host again whose process ended. */
  reopen(name: EndName): Promise<void> {
    const [end, peer] = name === 'a' ? [this.a, this.b] : [this.b, this.a];
    return this.#makeOverlay(end, peer);
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
      await runIp(MIDDLE, [
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
      const ipv6 = this.#usesBpf(end) ? ['net.ipv6.conf.all.forwarding=1'] : [];
      await end.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', ...ipv6]);
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
    // ICMP errors of the path bear an address of this host, which the kernel accepts from another device only with accept_local.
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

  /** Their lookups of routes need IPv6 forwarding. */
  #usesBpf({ name, isKernel }: PathEnd): boolean {
    const { tuning, workerEnds = [] } = this.options;
    return (tuning ?? WORKERS_OR_KERNEL).useBpf === true && !isKernel && !workerEnds.includes(name);
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
        // As backends/packet-path.ts publishes it.
        ...(underlay === 6 && this.#usesBpf(peer) && { acceptsZeroChecksum: true }),
      })),
    };
  }
}

/** @throws Error naming the offload that ethtool could not turn off */
async function turnOffloadsOff(end: PathEnd): Promise<void> {
  await end.run(['ethtool', '-K', 'eth0', ...OFFLOADS.flatMap((name) => [name, 'off'])]);
  const features = await end.run(['ethtool', '-k', 'eth0']);
  const left = features
    .split('\n')
    .filter((line) => /^(?:tx-checksumming|(?:tcp-|generic-|tx-udp-)segmentation\S*): on/.test(line));
  if (left.length > 0) throw new Error(`eth0 of ${end.netns} still has ${left.join(', ')}`);
}
