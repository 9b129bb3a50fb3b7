// UDP ports at which the kernel takes IP packets (FOU): listed, added, removed. The module `fou`
// has no alias that a netlink request would load it by (Linux 6.1), so it is loaded by name when a
// port is wanted.
import type { Family } from '../../lib/address.ts';
import { runTool, type RunTool } from './firewall/run-tool.ts';
import { decodeFouPort, encodeFouAdd, encodeFouDelete, encodeFouDump, type FouPort } from './netlink/fou.ts';
import { GenetlinkClient } from './netlink/genetlink-client.ts';
import type { NetlinkClientOptions } from './netlink/netlink-client.ts';
import { DONE, type Outcome, rejection } from './netlink/outcome.ts';

const MODULES = { 4: ['fou', 'ipip'], 6: ['fou', 'fou6', 'ip6_tunnel'] } as const;

export interface FouPortsOptions extends NetlinkClientOptions {
  /** Runs modprobe; default {@link runTool}. */
  readonly runTool?: RunTool;
}

/** The ports of this network namespace. */
export class FouPorts {
  readonly #runTool: RunTool;
  readonly #fou: GenetlinkClient;
  readonly #loaded = new Set<Family>();

  constructor({ runTool: run = runTool, ...options }: FouPortsOptions) {
    this.#runTool = run;
    this.#fou = new GenetlinkClient('fou', options);
  }

  /** Ports as weft makes them; none if the kernel has no FOU. @throws KernelReadError */
  async list(): Promise<readonly FouPort[]> {
    const family = await this.#fou.family();
    if (family === undefined) return [];
    return this.#fou.open().dump('FOU ports', (writer) => encodeFouDump(writer, family), decodeFouPort);
  }

  /**
   * Makes `port` if it does not exist. EOPNOTSUPP: the kernel has no FOU for this process.
   * @throws KernelReadError
   */
  async ensure(port: FouPort): Promise<Outcome> {
    if (hasPort(await this.list(), port)) return DONE;
    await this.#load(port.local.includes(':') ? 6 : 4);
    const family = await this.#fou.family();
    if (family === undefined)
      return rejection('EOPNOTSUPP', 'this kernel has no FOU, IP packets in UDP (CONFIG_NET_FOU)');
    const [outcome] = await this.#fou.open().send([(writer) => encodeFouAdd(writer, family, port)]);
    // Generic netlink asks for the right in the first user namespace (GENL_ADMIN_PERM).
    if (outcome?.status === 'rejected' && (outcome.errno === 'EPERM' || outcome.errno === 'EAFNOSUPPORT'))
      return rejection('EOPNOTSUPP', `the kernel rejects a port of FOU: ${outcome.message}`);
    return outcome!;
  }

  /** Removes `port`; absence is success. @throws KernelReadError */
  async remove(port: FouPort): Promise<Outcome> {
    if (!hasPort(await this.list(), port)) return DONE;
    const family = (await this.#fou.family())!;
    const [outcome] = await this.#fou.open().send([(writer) => encodeFouDelete(writer, family, port)]);
    return outcome!;
  }

  close(): void {
    this.#fou.close();
  }

  /** Once an address family; a failure shows in what needs the module. */
  async #load(family: Family): Promise<void> {
    if (this.#loaded.has(family)) return;
    this.#loaded.add(family);
    await this.#runTool('modprobe', ['-q', '-a', ...MODULES[family]]);
  }
}

/** Whether `ports` has this one. */
export function hasPort(ports: readonly FouPort[], { port, local }: FouPort): boolean {
  return ports.some((each) => each.port === port && each.local === local);
}
