// The interface to the addon. Finds a prebuilt copy or the local build and loads it, or reports why
// it cannot. Without it weft lacks the userspace packet path, probes and some error details. No
// other file loads the addon.
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The options that {@link Native.setNetlinkOptions} set. Older kernels lack some. */
export interface NetlinkOptions {
  /** Error texts in acks (Linux 4.12). */
  readonly hasExtendedAck: boolean;
  /** Acks do not repeat the request (Linux 4.3). */
  readonly hasCappedAck: boolean;
  /** Dumps are filtered by the kernel (Linux 4.20). */
  readonly hasStrictCheck: boolean;
  /** Receive buffer in force. The kernel doubles the requested size. */
  readonly receiveBytes: number;
}

/** A message from {@link NativeEcho.echoRead}. */
export interface EchoAnswer {
  /**
   * `error`: an ICMP error about an echo. `local`: this host's kernel did not send an echo; without
   * sequence.
   */
  readonly kind: 'reply' | 'error' | 'local';
  /** Source of the answer or of the error. */
  readonly from?: string;
  /** Destination of the echo; errors only. */
  readonly to?: string;
  readonly sequence: number;
  /** Of the ICMP message, without the IP header. */
  readonly bytes: number;
  /** When the kernel received it, in µs since 1970; 0 if unknown. */
  readonly timeUs: number;
  /** Whether it has the token of the echo. An error can quote too little of it. */
  readonly hasToken: boolean;
  /** Type and code of the ICMP error. */
  readonly type: number;
  readonly code: number;
  /** The MTU of "fragmentation needed", in bytes; 0: none. */
  readonly mtu: number;
}

/** What a sweep of echoes and the reading of its answers share. */
export type EchoSweepArguments = [
  fd: number,
  family: 4 | 6,
  identifier: number,
  sequence: number,
  token: Uint8Array,
  addresses: Uint8Array,
  sentUs: Float64Array,
];

/**
 * ICMP echoes with DF (native/probe/echo.h). Only `daemon/probe/echo-socket.ts` uses it. All throw
 * errors with errno.
 */
export interface NativeEcho {
  /**
   * Needs CAP_NET_RAW or a group in `net.ipv4.ping_group_range`; EACCES: neither. @returns a
   * descriptor
   */
  echoOpen(family: 4 | 6, identifier: number, device: string | undefined, source: string | undefined): number;
  /** Sets the TTL of echoes, 1 to 255. */
  echoSetTtl(fd: number, family: 4 | 6, ttl: number): void;
  /** @returns the send time in µs since 1970. EMSGSIZE: larger than the MTU of the device. */
  echoSend(
    fd: number,
    address: string,
    identifier: number,
    sequence: number,
    payloadBytes: number,
    token: Uint8Array,
  ): number;
  /** Reads at most 256 answers. `token` has 8 bytes. */
  echoRead(fd: number, family: 4 | 6, token: Uint8Array): readonly EchoAnswer[];
  echoClose(fd: number): void;
}

/** Echoes to many addresses at a time. Only `daemon/probe/echo-sweeper.ts` uses it. */
export interface NativeEchoSweep extends Pick<NativeEcho, 'echoClose'> {
  /** As {@link NativeEcho.echoOpen}; ICMP errors do not reach the socket. */
  echoSweepOpen(family: 4 | 6, identifier: number): number;
  /**
   * Sends one echo with `sequence` to each of `addresses`, packed in 4 or 16 bytes each. Stores the send
   * times in `sentUs`, one an address, in µs since 1970; 0: the kernel did not send it.
   */
  echoSweepSend(...sweep: EchoSweepArguments): void;
  /**
   * Reads what arrived, and stores the round trips of answered echoes in `rttUs`, in µs; it leaves the
   * others alone. @returns the number of answers
   */
  echoSweepRead(...sweepAndRtt: [...EchoSweepArguments, rttUs: Float64Array]): number;
}

/**
 * Checksum probes (native/src/checksum-probe.h). Only `daemon/probe/checksum-probe.ts` uses it.
 * Both throw errors with errno.
 */
export interface NativeChecksumProbe {
  /** @returns a descriptor, for {@link NativeEcho.echoClose} */
  checksumProbeSend(address: string, port: number, isInSoftware: boolean): number;
  /** Whether an answer arrived. */
  checksumProbeRead(fd: number): boolean;
}

/** A socket for notifications of the kernel. */
export interface NetlinkWatch {
  readonly fd: number;
  /** Its port id (netlink(7)). */
  readonly port: number;
}

export interface Native extends NativePath, NativeEcho, NativeEchoSweep, NativeChecksumProbe {
  /**
   * Sets {@link NetlinkOptions} and NETLINK_NO_ENOBUFS on the netlink socket bound to `portId`.
   * False if `fd` is another socket. @throws Error with syscall, errno and code if the buffer
   * cannot be set at all.
   */
  setNetlinkOptions(fd: number, portId: number, receiveBytes: number): NetlinkOptions | false;
  /**
   * Reads datagrams of the kernel that wait at this netlink socket into `buffer`, one after the other, while one of `longest`
   * bytes would fit. Never waits. @returns the bytes read @throws Error with errno; EMSGSIZE: one was longer, and is lost.
   */
  readNetlink(fd: number, buffer: Uint8Array, longest: number): number;
  /**
   * Sends a copy of `bytes` to the kernel by this netlink socket in a thread, after all that were given before. The socket may be
   * closed meanwhile. `onError` is called with what the kernel said if it took nothing. @throws Error with errno
   */
  sendNetlink(fd: number, bytes: Uint8Array, onError: (message: string) => void): void;
  /**
   * Opens a socket of `protocol` (NETLINK_*) in multicast `groups`. `onReadable` is called once, and once more after each {@link
   * armNetlinkWatch}. @throws Error with errno
   */
  openNetlinkWatch(protocol: number, groups: readonly number[], onReadable: () => void): NetlinkWatch;
  /** @throws TypeError if it is closed */
  armNetlinkWatch(watch: NetlinkWatch): void;
  /** Closes the socket; `onReadable` is not called again. @throws TypeError if it is closed */
  closeNetlinkWatch(watch: NetlinkWatch): void;
  /**
   * Datagrams that the kernel dropped at this netlink socket since the start. @throws Error with
   * errno
   */
  countNetlinkDrops(fd: number): number;
  /**
   * Sends `text` (below 4096 bytes) and copies of at most 16 descriptors to the Unix datagram
   * socket `path`; `@name` is abstract. Non-blocking. @throws Error with syscall, errno and code.
   */
  sendDatagram(path: string, text: string, fds?: readonly number[]): void;
  /**
   * Creates an anonymous file in memory. `name` (below 128 bytes) is shown in /proc. @returns its
   * descriptor
   */
  openMemoryFile(name: string): number;
  /**
   * Takes the exclusive flock(2) of an open file. @returns whether it was free. It lasts until the
   * descriptor is closed.
   */
  tryLockFile(fd: number): boolean;
  /**
   * Runs a tool to its end, in a thread of its own, without the copy of this process that
   * `child_process` makes. `toolArguments` begin with its name. `callback` gets its exit code, 127 if it does
   * not exist, 124 if it did not end by itself in time, or prints more than `maxOutputBytes`.
   */
  runTool(
    toolArguments: readonly string[],
    environment: readonly string[],
    input: string,
    timeoutMs: number,
    maxOutputBytes: number,
    callback: (code: number, stdout: string, stderr: string) => void,
  ): void;
  /** Unmaps code that a start needed; the kernel maps it again where it runs. */
  releaseCode(): void;
}

/** A device of the packet path. Its threads end with it. */
export type PathHandle = { readonly __handle: 'path' };

/**
 * The packet path in C. Only `packet-path.ts` uses it. native/src/path-binding.c documents the
 * arguments.
 */
export interface NativePath {
  pathOpen(
    name: string,
    isVxlan: 0 | 1,
    local: string,
    port: number,
    vni: number,
    mac: Uint8Array,
    workers: number,
    sourcePorts: number,
    flags: number,
    inherited: Int32Array,
  ): PathHandle;
  pathStart(handle: PathHandle): boolean;
  pathClose(handle: PathHandle): void;
  /** Filters (tc-bpf(8)) of the BPF fast path on this host, of any process. @returns how many were there */
  pathFilters(removes: boolean): number;
  pathRename(handle: PathHandle, name: string): void;
  pathConfigure(handle: PathHandle, mtu: number, ipv4: string, ipv6: string): void;
  pathSetRoute(
    handle: PathHandle,
    subnet: string,
    prefixLength: number,
    remote: string,
    port: number,
    mac: Uint8Array,
    needsSegments: boolean,
    acceptsZeroChecksum: boolean,
  ): void;
  pathRemoveRoute(handle: PathHandle, subnet: string, prefixLength: number): boolean;
  pathPeers(handle: PathHandle): readonly [subnets: readonly string[], numbers: BigUint64Array];
  pathCounters(handle: PathHandle): BigUint64Array;
  pathCounterNames(): readonly string[];
  pathOffloads(handle: PathHandle): number;
  pathDescriptors(handle: PathHandle): readonly number[];
  pathRefresh(handle: PathHandle): boolean;
  pathBpfDisabledReason(handle: PathHandle): string;
  pathDecapDevice(handle: PathHandle): string;
  /** Name of the joining pair's receiving end; empty: none. */
  pathJoinDevice(handle: PathHandle): string;
}

/** The addon, or the reason for its absence as a log message. */
export type LoadedNative =
  { readonly native: Native } | { readonly native: undefined; readonly reason: string };

let loaded: LoadedNative | undefined;

/** Loads the addon once. Later calls return the same. */
export function loadNative(): LoadedNative {
  return (loaded ??= load());
}

function load(): LoadedNative {
  const here = dirname(fileURLToPath(import.meta.url));
  const root = findPackageRoot(here) ?? here;
  const reasons: string[] = [];
  for (const path of [
    // Beside a bundle.
    join(here, `addons/linux-${process.arch}/weft.node`),
    join(root, `native/prebuilds/linux-${process.arch}/weft.node`),
    join(root, 'native/build/weft.node'),
  ]) {
    if (!existsSync(path)) continue;
    try {
      return { native: createRequire(import.meta.url)(path) as Native };
    } catch (error) {
      reasons.push(`${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (reasons.length === 0) reasons.push(`${join(root, 'native/build/weft.node')} does not exist`);
  return { native: undefined, reason: `${reasons.join('; ')}; build it on this machine with "make"` };
}

/** The sources, `dist/` and `.build/NAME/` have different depths below package.json. */
function findPackageRoot(directory: string): string | undefined {
  if (existsSync(join(directory, 'package.json'))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : findPackageRoot(parent);
}
