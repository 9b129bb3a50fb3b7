// One host of a path pair: a network namespace with a packet path or the kernel's VXLAN device, its addresses and counters.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Program, run, type RunOptions } from '../../../bench/path/path-process.ts';
import type { Family } from '../../../lib/address.ts';
import type { Encapsulation } from '../../../native/packet-path.ts';
import type { PathEndCommand, PathEndConfig, PathEndStatus } from './path-end.ts';
import { parseCounterLines, parseCounterPairs, parseLinkDrops, parseSocketDrops } from './proc-net.ts';

export type EndName = 'a' | 'b';

export const VNI = 1;

export interface PathHostOptions {
  readonly encapsulation: Encapsulation;
  /** Ends with the kernel's VXLAN device; default none. */
  readonly kernelEnds?: readonly EndName[];
}

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

  constructor(name: EndName, { encapsulation, kernelEnds = [] }: PathHostOptions) {
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
    return runIp(this.netns, lines);
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

  /** A counter of the kernel, by its name in `nstat`. */
  async kernelCounter(name: string): Promise<number> {
    return (await this.kernelCounters())[name] ?? 0;
  }

  /** All counters of IP, TCP and UDP in the kernel, by their names in `nstat`. */
  async kernelCounters(): Promise<Readonly<Record<string, number>>> {
    const [snmp, netstat, snmp6] = await Promise.all(
      ['snmp', 'netstat', 'snmp6'].map((file) => this.#readProcNet(file)),
    );
    return { ...parseCounterPairs(snmp! + netstat!), ...parseCounterLines(snmp6!) };
  }

  /** Datagrams to UDP port `port` that the kernel did not give to its socket (last column of /proc/net/udp). */
  async socketDrops(port: number): Promise<number> {
    const tables = await Promise.all([this.#readProcNet('udp'), this.#readProcNet('udp6')]);
    return tables.reduce((sum, table) => sum + parseSocketDrops(table, port), 0);
  }

  /** Packets that the queue of a link had no room for. */
  async linkDrops(link: string): Promise<number> {
    return parseLinkDrops(await this.#readProcNet('dev'), link);
  }

  /** /proc/net of this host: through its packet path's process, so that no process is started where there is one. */
  #readProcNet(file: string): Promise<string> {
    const pid = this.#program?.pid;
    return pid === undefined
      ? this.run(['cat', `/proc/net/${file}`])
      : readFile(`/proc/${pid}/net/${file}`, 'utf8');
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

export function runIp(netns: string, lines: readonly string[]): Promise<string> {
  return run(['ip', '-n', netns, '-batch', '-'], { input: lines.join('\n') });
}
