// UDP ports at which the kernel takes IP packets (FOU): listed, added, removed. The socket opens with
// the first request. The module `fou` has no alias that a netlink request would load it by (Linux
// 6.1), so it is loaded by name when a port is wanted.
import type { Family } from '../../lib/address.ts';
import { runTool, type RunTool } from './firewall/run-tool.ts';
import { NETLINK_GENERIC } from './netlink/constants.ts';
import { decodeFouPort, encodeFouAdd, encodeFouDelete, encodeFouDump, type FouPort } from './netlink/fou.ts';
import { decodeFamily, encodeFamilyGet } from './netlink/genetlink.ts';
import { NetlinkClient, type NetlinkClientOptions } from './netlink/netlink-client.ts';
import { DONE, KernelReadError, type Outcome, rejection } from './netlink/outcome.ts';

const RECEIVE_BYTES = 256 * 1024;
const MODULES = { 4: ['fou', 'ipip'], 6: ['fou', 'fou6', 'ip6_tunnel'] } as const;

export interface FouPortsOptions extends NetlinkClientOptions {
  /** Runs modprobe; default {@link runTool}. */
  readonly runTool?: RunTool;
}

/** The ports of this network namespace. */
export class FouPorts {
  readonly #options: FouPortsOptions;
  readonly #loaded = new Set<Family>();
  #client: NetlinkClient | undefined;
  /** Message type of the generic netlink family `fou`, once the kernel has one. */
  #family: number | undefined;

  constructor(options: FouPortsOptions) {
    this.#options = options;
  }

  /** Ports as weft makes them; none if the kernel has no FOU. @throws KernelReadError */
  async list(): Promise<readonly FouPort[]> {
    const family = await this.#findFamily();
    if (family === undefined) return [];
    return this.#open().dump('FOU ports', (writer) => encodeFouDump(writer, family), decodeFouPort);
  }

  /**
   * Makes `port` if it does not exist. EOPNOTSUPP: the kernel has no FOU for this process.
   * @throws KernelReadError
   */
  async ensure(port: FouPort): Promise<Outcome> {
    if (hasPort(await this.list(), port)) return DONE;
    await this.#load(port.local.includes(':') ? 6 : 4);
    const family = await this.#findFamily();
    if (family === undefined)
      return rejection('EOPNOTSUPP', 'this kernel has no FOU, IP packets in UDP (CONFIG_NET_FOU)');
    const [outcome] = await this.#open().send([(writer) => encodeFouAdd(writer, family, port)]);
    // Generic netlink asks for the right in the first user namespace (GENL_ADMIN_PERM).
    if (outcome?.status === 'rejected' && (outcome.errno === 'EPERM' || outcome.errno === 'EAFNOSUPPORT'))
      return rejection('EOPNOTSUPP', `the kernel rejects a port of FOU: ${outcome.message}`);
    return outcome!;
  }

  /** Removes `port`; absence is success. @throws KernelReadError */
  async remove(port: FouPort): Promise<Outcome> {
    if (!hasPort(await this.list(), port)) return DONE;
    const family = (await this.#findFamily())!;
    const [outcome] = await this.#open().send([(writer) => encodeFouDelete(writer, family, port)]);
    return outcome!;
  }

  close(): void {
    this.#client?.close();
  }

  #open(): NetlinkClient {
    return (this.#client ??= new NetlinkClient({
      ...this.#options,
      protocol: NETLINK_GENERIC,
      receiveBytes: RECEIVE_BYTES,
    }));
  }

  /** Once an address family; a failure shows in what needs the module. */
  async #load(family: Family): Promise<void> {
    if (this.#loaded.has(family)) return;
    this.#loaded.add(family);
    const run = this.#options.runTool ?? runTool;
    await run('modprobe', ['-q', '-a', ...MODULES[family]]);
  }

  async #findFamily(): Promise<number | undefined> {
    if (this.#family !== undefined) return this.#family;
    const { outcome, item } = await this.#open().get(
      (writer) => encodeFamilyGet(writer, 'fou'),
      decodeFamily,
    );
    if (item === undefined && !(outcome.status === 'rejected' && outcome.errno === 'ENOENT'))
      throw new KernelReadError('the families of generic netlink', 'ETIMEDOUT', messageOf(outcome));
    return (this.#family = item);
  }
}

/** Whether `ports` has this one. */
export function hasPort(ports: readonly FouPort[], { port, local }: FouPort): boolean {
  return ports.some((each) => each.port === port && each.local === local);
}

function messageOf(outcome: Outcome): string {
  return outcome.status === 'done' ? 'the answer is empty' : outcome.message;
}
