// The one door to the addon: finds a prebuilt copy or the one built here, loads it, says why it cannot. Everything in weft
// but the userspace packet path works without it, only less. No other file may load it.
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What {@link Native.setNetlinkOptions} achieved; the kernel may know less than all of it. */
export interface NetlinkOptions {
  /** Error texts in acks (Linux 4.12). */
  readonly hasExtendedAck: boolean;
  /** Acks do not repeat the request (Linux 4.3). */
  readonly hasCappedAck: boolean;
  /** Dumps are filtered by the kernel (Linux 4.20). */
  readonly hasStrictCheck: boolean;
  /** Receive buffer in force, as the kernel counts it: twice what was asked for. */
  readonly receiveBytes: number;
}

/** What {@link NativeEcho.echoRead} found. */
export interface EchoAnswer {
  /** `error`: an ICMP error about an echo. `local`: the own kernel did not send one; it has no sequence. */
  readonly kind: 'reply' | 'error' | 'local';
  /** Who answered, or who complains. */
  readonly from?: string;
  /** Where the echo went; of errors only. */
  readonly to?: string;
  readonly sequence: number;
  /** Of the ICMP message, without the IP header. */
  readonly bytes: number;
  /** When the kernel received it, in µs since 1970; 0 if unknown. */
  readonly timeUs: number;
  /** Whether it has the token of the echo; an error may quote too little of it. */
  readonly hasToken: boolean;
  /** Type and code of the ICMP error. */
  readonly type: number;
  readonly code: number;
  /** That "fragmentation needed" tells, in bytes; 0 if none. */
  readonly mtu: number;
}

/** ICMP echoes with DF set, to be used by `daemon/probe/echo-socket.ts` alone; native/src/echo.h tells more. All throw errors with errno. */
export interface NativeEcho {
  /** Raw with CAP_NET_RAW, else where `net.ipv4.ping_group_range` allows it. EACCES: neither. @returns a descriptor */
  echoOpen(family: 4 | 6, identifier: number, device: string | undefined, source: string | undefined): number;
  /** Routers that echoes may pass, 1 to 255. */
  echoSetTtl(fd: number, family: 4 | 6, ttl: number): void;
  /** @returns when it went out, in µs since 1970. EMSGSIZE: larger than the MTU of the device. */
  echoSend(
    fd: number,
    address: string,
    identifier: number,
    sequence: number,
    payloadBytes: number,
    token: Uint8Array,
  ): number;
  /** What came since, at most 256 answers. `token` has 8 bytes. */
  echoRead(fd: number, family: 4 | 6, token: Uint8Array): readonly EchoAnswer[];
  echoClose(fd: number): void;
}

/** Probes of checksums, to be used by `daemon/probe/checksum-probe.ts` alone; native/src/checksum-probe.h tells more. Both throw errors with errno. */
export interface NativeChecksumProbe {
  /** @returns a descriptor, for {@link NativeEcho.echoClose} */
  checksumProbeSend(address: string, port: number, isInSoftware: boolean): number;
  /** Whether an answer is there. */
  checksumProbeRead(fd: number): boolean;
}

export interface Native extends NativePath, NativeEcho, NativeChecksumProbe {
  /**
   * Sets what {@link NetlinkOptions} lists on the netlink socket bound to `portId`, and that lost datagrams are counted
   * but not reported as ENOBUFS. False if `fd` is another socket.
   * @throws Error with syscall, errno and code if the buffer cannot be set at all.
   */
  setNetlinkOptions(fd: number, portId: number, receiveBytes: number): NetlinkOptions | false;
  /** Datagrams that the kernel dropped at this netlink socket since the start. @throws Error with errno */
  countNetlinkDrops(fd: number): number;
  /**
   * Sends `text` (below 4096 bytes) to the Unix datagram socket `path`, and copies of at most 16 descriptors with it;
   * `@name` is an abstract one. Never blocks.
   * @throws Error with syscall, errno and code.
   */
  sendDatagram(path: string, text: string, fds?: readonly number[]): void;
  /** An empty file without a path, for as long as it is open anywhere; `name` (below 128 bytes) is for /proc only. @returns its descriptor */
  openMemoryFile(name: string): number;
}

/** A device of the packet path; its threads end with it. */
export type PathHandle = { readonly __handle: 'path' };

/** The packet path in C, to be used by `packet-path.ts` alone; native/src/path-binding.c tells what each function takes. */
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
  pathConfigure(handle: PathHandle, mtu: number, ipv4: string, ipv6: string): void;
  pathSetRoute(
    handle: PathHandle,
    subnet: string,
    prefixLength: number,
    remote: string,
    port: number,
    mac: Uint8Array,
  ): void;
  pathRemoveRoute(handle: PathHandle, subnet: string, prefixLength: number): boolean;
  pathPeers(handle: PathHandle): readonly [subnets: readonly string[], numbers: BigUint64Array];
  pathCounters(handle: PathHandle): BigUint64Array;
  pathCounterNames(): readonly string[];
  pathOffloads(handle: PathHandle): number;
  pathDescriptors(handle: PathHandle): readonly number[];
  pathRefresh(handle: PathHandle): boolean;
  pathBpfDisabledReason(handle: PathHandle): string;
}

/** The addon, or the reason why there is none, fit to be logged. */
export type LoadedNative =
  { readonly native: Native } | { readonly native: undefined; readonly reason: string };

let loaded: LoadedNative | undefined;

/** Loads the addon once; later calls return the same. */
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

/** The sources, `dist/` and `.build/NAME/` lie at different depths below the one package.json. */
function findPackageRoot(directory: string): string | undefined {
  if (existsSync(join(directory, 'package.json'))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : findPackageRoot(parent);
}
