// The one door to the addon `native/build/weft.node`: finds it, loads it, says why it cannot. Everything in weft works
// without it, only less. No other file may load it.
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

export interface Native {
  /**
   * Sets what {@link NetlinkOptions} lists on the netlink socket bound to `portId`, and that lost datagrams are counted
   * but not reported as ENOBUFS. False if `fd` is another socket.
   * @throws Error with syscall, errno and code if the buffer cannot be set at all.
   */
  setNetlinkOptions(fd: number, portId: number, receiveBytes: number): NetlinkOptions | false;
  /** Datagrams that the kernel dropped at this netlink socket since the start. @throws Error with errno */
  countNetlinkDrops(fd: number): number;
  /**
   * Sends `text` (below 4096 bytes) to the Unix datagram socket `path`; `@name` is an abstract one. Never blocks.
   * @throws Error with syscall, errno and code.
   */
  sendDatagram(path: string, text: string): void;
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
  const root = findPackageRoot(dirname(fileURLToPath(import.meta.url)));
  const path = join(root ?? '.', 'native/build/weft.node');
  if (root === undefined || !existsSync(path))
    return { native: undefined, reason: `${path} does not exist: build it with "make native"` };
  try {
    return { native: createRequire(import.meta.url)(path) as Native };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return { native: undefined, reason: `${path} cannot be loaded: ${cause}; build it on this machine` };
  }
}

/** The sources, `dist/` and `.build/NAME/` lie at different depths below the one package.json. */
function findPackageRoot(directory: string): string | undefined {
  if (existsSync(join(directory, 'package.json'))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : findPackageRoot(parent);
}
