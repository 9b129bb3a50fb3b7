// The userspace packet path: devices with workers in C, their routes and counters. This module
// opens, changes, reads and closes devices. Packets stay in C.
import type { NativePath, PathHandle } from './index.ts';

export type Encapsulation = 'udp' | 'vxlan';

/** Properties of a device that peers see. A change of one needs close and open. */
export interface PathDevice {
  /** Name of the TUN device, for example `flannel0`. */
  readonly name: string;
  readonly encapsulation: Encapsulation;
  /** Underlay address that the UDP sockets are bound to; its family is that of the underlay. */
  readonly local: string;
  /** UDP port of this end, 1..65535. */
  readonly port: number;
  /** With encapsulation vxlan: 1..16777215. */
  readonly vni?: number;
  /** With encapsulation vxlan: own VTEP MAC, `02:00:00:00:00:01`. */
  readonly mac?: string;
}

/** Properties of a device that peers do not see. */
export interface PathTuning {
  /** Threads, each with a TUN queue and a socket of its own, 1..64; default 1. */
  readonly workers: number;
  /**
   * Drop packets whose outer source is not a peer, or whose inner source is outside that peer's
   * subnet. Default true.
   */
  readonly isSourceChecked: boolean;
  /**
   * Further source ports per worker that flows are spread over, 0..64; default 0: all packets from
   * `port`.
   */
  readonly sourcePorts: number;
  /** Copy the inner DSCP to the outer header; default false, as in flannel's VXLAN devices. */
  readonly inheritsDscp: boolean;
  /** Attach the BPF fast path where the kernel supports it. Default true. */
  readonly useBpf: boolean;
  /**
   * Attach it as on kernels without TCX, by filters of the clsact qdisc (tc-bpf(8)). Default false: only there.
   */
  readonly avoidsBpfLinks?: boolean;
}

/** A route of the packet path: from a subnet to a peer. */
export interface PathRoute {
  /** Subnet of the peer, of either family, in canonical text. */
  readonly destination: string;
  /** Underlay address of the peer, of the device's underlay family. */
  readonly remote: string;
  readonly port: number;
  /** VTEP MAC of the peer; only with encapsulation vxlan. */
  readonly mac?: string;
  /**
   * The peer takes one packet a datagram, with its checksums: what the kernel leaves to the
   * underlay's hardware is done before, as a veth does neither. Default false.
   */
  readonly needsSegments?: boolean;
  /** The peer takes UDP over IPv6 without a checksum, which the BPF program sends. Default false. */
  readonly acceptsZeroChecksum?: boolean;
}

export interface PathRouteCounters extends PathRoute {
  readonly txPackets: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxBytes: bigint;
  /** Learned path MTU of the underlay in bytes; unset: none. */
  readonly pathMtu?: number;
}

/** Offloads in use now. */
export interface PathOffloads {
  /** The TUN device exchanges TCP super-packets (TUN_F_TSO4, TUN_F_TSO6). */
  readonly tso: boolean;
  /** The same for UDP (TUN_F_USO4, TUN_F_USO6; Linux 6.2). */
  readonly uso: boolean;
  /** One send carries many datagrams (UDP_SEGMENT; Linux 4.18). */
  readonly udpGso: boolean;
  /** One receive yields many datagrams (UDP_GRO; Linux 5.0). */
  readonly udpGro: boolean;
}

/** In the order of `enum weft_path_fd_kind` (native/path/path.h). */
const DESCRIPTOR_KINDS = ['udp', 'tun', 'bpf'] as const;

/**
 * An open descriptor of a device, for handover to the next process. Queue and socket of a worker
 * share an index. While the BPF links (`bpf`) are open, the kernel keeps forwarding without a
 * process.
 */
export interface PathDescriptor {
  readonly kind: (typeof DESCRIPTOR_KINDS)[number];
  readonly index: number;
  readonly fd: number;
}

export interface PathStatus {
  readonly device: PathDevice;
  readonly tuning: PathTuning;
  readonly offloads: PathOffloads;
  /** Sum over workers, by the names in native/packet/counters.h. */
  readonly counters: Readonly<Record<string, bigint>>;
  readonly routes: number;
  /** Why the BPF fast path is off; unset if it is on. */
  readonly bpfDisabledReason?: string;
  /** The VXLAN device that decapsulates TCP for the BPF fast path; unset: none. */
  readonly decapDevice?: string;
  /** The end of a veth pair that joins TCP for it, of peers that send no super-packets; unset: none. */
  readonly joinDevice?: string;
}

/**
 * The devices of the packet path of this process. Methods are synchronous and fast. Errors carry
 * syscall, errno and code. A failed open leaves nothing behind.
 */
export interface PacketPath {
  /**
   * Creates the TUN device (down, without address) and starts its workers. `adopted`: descriptors
   * of an earlier process; those that fit are used, the others closed. With any, the workers wait
   * for {@link start}, as queued packets need routes.
   */
  open(device: PathDevice, inherited?: readonly PathDescriptor[]): void;
  /** Starts paused workers. Returns whether {@link descriptors} changed. */
  start(name: string): boolean;
  /**
   * Stops the workers. The device is removed unless another process holds its descriptors. Absence
   * is success.
   */
  close(name: string): void;
  /** The TUN device `name` was renamed `to`. Workers and packets notice nothing. */
  rename(name: string, to: string): void;
  devices(): readonly PathDevice[];
  /**
   * Sets the source addresses of ICMP errors (unset: no errors in that family) and the MTU of the
   * device, the segment size of super-packets from kernel VXLAN.
   */
  configure(
    name: string,
    settings: { readonly mtu: number; readonly ipv4?: string; readonly ipv6?: string },
  ): void;
  /**
   * Reattaches the BPF fast path after interfaces changed. Returns whether {@link descriptors}
   * changed.
   */
  refresh(name: string): boolean;
  setRoute(name: string, route: PathRoute): void;
  /** Absence is success. */
  removeRoute(name: string, destination: string): void;
  routes(name: string): readonly PathRoute[];
  routeCounters(name: string): readonly PathRouteCounters[];
  status(name: string): PathStatus;
  descriptors(name: string): readonly PathDescriptor[];
  /** Closes all. */
  closeAll(): void;
}

/** The default tuning. */
export const DEFAULT_TUNING: PathTuning = {
  workers: 1,
  isSourceChecked: true,
  sourcePorts: 0,
  inheritsDscp: false,
  useBpf: true,
};

/** Creates the packet path of this process, without devices. */
export function openPacketPath(native: NativePath, tuning: Partial<PathTuning> = {}): PacketPath {
  return new NativePacketPath(native, { ...DEFAULT_TUNING, ...tuning });
}

interface OpenDevice {
  readonly device: PathDevice;
  readonly handle: PathHandle;
  /** By destination. This class is their only writer. */
  readonly routes: Map<string, PathRoute>;
}

const NO_MAC = new Uint8Array(6);
const NUMBERS_PER_PEER = 5;

class NativePacketPath implements PacketPath {
  readonly #native: NativePath;
  readonly #tuning: PathTuning;
  readonly #devices = new Map<string, OpenDevice>();

  constructor(native: NativePath, tuning: PathTuning) {
    this.#native = native;
    this.#tuning = tuning;
  }

  open(device: PathDevice, inherited: readonly PathDescriptor[] = []): void {
    const { name, encapsulation, local, port, vni = 0, mac } = device;
    if (this.#devices.has(name)) throw new Error(`Device ${name} of the packet path is open already`);
    const {
      workers,
      sourcePorts,
      isSourceChecked,
      inheritsDscp,
      useBpf,
      avoidsBpfLinks = false,
    } = this.#tuning;
    const handle = this.#native.pathOpen(
      name,
      encapsulation === 'vxlan' ? 1 : 0,
      local,
      port,
      vni,
      macBytes(mac),
      workers,
      sourcePorts,
      flagBits([isSourceChecked, inheritsDscp, inherited.length > 0, useBpf, avoidsBpfLinks]),
      Int32Array.from(
        inherited.flatMap(({ kind, index, fd }) => [DESCRIPTOR_KINDS.indexOf(kind), index, fd]),
      ),
    );
    this.#devices.set(name, { device, handle, routes: new Map() });
  }

  start(name: string): boolean {
    return this.#native.pathStart(this.#find(name).handle);
  }

  close(name: string): void {
    const open = this.#devices.get(name);
    if (open === undefined) return;
    this.#devices.delete(name);
    this.#native.pathClose(open.handle);
  }

  rename(name: string, to: string): void {
    const open = this.#find(name);
    if (this.#devices.has(to)) throw new Error(`Device ${to} of the packet path is open already`);
    this.#native.pathRename(open.handle, to);
    this.#devices.delete(name);
    this.#devices.set(to, { ...open, device: { ...open.device, name: to } });
  }

  closeAll(): void {
    for (const name of this.#devices.keys()) this.close(name);
  }

  devices(): readonly PathDevice[] {
    return Array.from(this.#devices.values(), ({ device }) => device);
  }

  configure(name: string, { mtu, ipv4, ipv6 }: Parameters<PacketPath['configure']>[1]): void {
    this.#native.pathConfigure(this.#find(name).handle, mtu, ipv4 ?? '', ipv6 ?? '');
  }

  refresh(name: string): boolean {
    return this.#native.pathRefresh(this.#find(name).handle);
  }

  setRoute(name: string, route: PathRoute): void {
    const { handle, routes } = this.#find(name);
    const { destination, remote, port, mac, needsSegments = false, acceptsZeroChecksum = false } = route;
    const slash = destination.indexOf('/');
    const prefixLength = Number(destination.slice(slash + 1));
    this.#native.pathSetRoute(
      handle,
      destination.slice(0, slash),
      prefixLength,
      remote,
      port,
      mac === undefined ? NO_MAC : macBytes(mac),
      needsSegments,
      acceptsZeroChecksum,
    );
    routes.set(destination, route);
  }

  removeRoute(name: string, destination: string): void {
    const { handle, routes } = this.#find(name);
    const slash = destination.indexOf('/');
    this.#native.pathRemoveRoute(handle, destination.slice(0, slash), Number(destination.slice(slash + 1)));
    routes.delete(destination);
  }

  routes(name: string): readonly PathRoute[] {
    return [...this.#find(name).routes.values()];
  }

  routeCounters(name: string): readonly PathRouteCounters[] {
    const { handle, routes } = this.#find(name);
    const [subnets, numbers] = this.#native.pathPeers(handle);
    return subnets.flatMap((subnet, index) => {
      const route = routes.get(subnet);
      const [txPackets, txBytes, rxPackets, rxBytes, pathMtu] = numbers.subarray(
        index * NUMBERS_PER_PEER,
        (index + 1) * NUMBERS_PER_PEER,
      );
      if (route === undefined) return [];
      const counters = {
        txPackets: txPackets!,
        txBytes: txBytes!,
        rxPackets: rxPackets!,
        rxBytes: rxBytes!,
      };
      return [{ ...route, ...counters, ...(pathMtu !== 0n && { pathMtu: Number(pathMtu) }) }];
    });
  }

  status(name: string): PathStatus {
    const { device, handle, routes } = this.#find(name);
    const bits = this.#native.pathOffloads(handle);
    const numbers = this.#native.pathCounters(handle);
    const names = this.#native.pathCounterNames();
    const bpfDisabledReason = this.#native.pathBpfDisabledReason(handle);
    const decapDevice = this.#native.pathDecapDevice(handle);
    const joinDevice = this.#native.pathJoinDevice(handle);
    return {
      device,
      tuning: this.#tuning,
      offloads: {
        tso: (bits & 1) !== 0,
        uso: (bits & 2) !== 0,
        udpGso: (bits & 4) !== 0,
        udpGro: (bits & 8) !== 0,
      },
      counters: Object.fromEntries(names.map((each, index) => [each, numbers[index]!])),
      routes: routes.size,
      ...(bpfDisabledReason !== '' && { bpfDisabledReason }),
      ...(decapDevice !== '' && { decapDevice }),
      ...(joinDevice !== '' && { joinDevice }),
    };
  }

  descriptors(name: string): readonly PathDescriptor[] {
    const numbers = this.#native.pathDescriptors(this.#find(name).handle);
    const found: PathDescriptor[] = [];
    for (let at = 0; at < numbers.length; at += 3)
      found.push({ kind: DESCRIPTOR_KINDS[numbers[at]!]!, index: numbers[at + 1]!, fd: numbers[at + 2]! });
    return found;
  }

  #find(name: string): OpenDevice {
    const open = this.#devices.get(name);
    if (open === undefined) throw new Error(`There is no device ${name} of the packet path`);
    return open;
  }
}

/** The first flag is the lowest bit. */
function flagBits(flags: readonly boolean[]): number {
  return flags.reduce((bits, flag, at) => bits | (Number(flag) << at), 0);
}

function macBytes(mac: string | undefined): Uint8Array {
  if (mac === undefined) return NO_MAC;
  return Uint8Array.from(mac.split(':'), (octet) => Number.parseInt(octet, 16));
}
