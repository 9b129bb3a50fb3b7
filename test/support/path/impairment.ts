// The impairment in the middle of a path pair, and traffic whose every byte is checked: typed wrappers of the tools in
// native/test/tools, which are built on first use.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '../../../lab/wait.ts';
import { toolFile } from '../../../lab/tools.ts';
import { startIn, type PathEnd } from './path-host.ts';
import { MIDDLE, type PathPair } from './path-pair.ts';

/** Rates are 0..1 of the datagrams of the tunnel. */
export interface Harm {
  readonly loss?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  /** Frames that overtake a reordered one; default 3. */
  readonly hold?: number;
  readonly truncate?: number;
  /** One byte of the inner packet. */
  readonly corrupt?: number;
  /** One byte of the encapsulation header; with encapsulation udp, which has none, of the inner IP header. */
  readonly corruptHead?: number;
  /** Leaves the outer checksum of changed datagrams wrong; default: corrects it, so that only the inner one detects the change. */
  readonly breakChecksum?: boolean;
  /** Outer ECN field set to CE. */
  readonly congest?: number;
  /** Outer TTL set to 1. */
  readonly lowTtl?: number;
  /** Only from a to b. */
  readonly oneSided?: boolean;
  readonly seed?: number;
}

/** What happened to frames in one direction. */
export interface HarmCounters {
  readonly frames: number;
  readonly bytes: number;
  /** Complete datagrams of the tunnel. */
  readonly matched: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly truncated: number;
  readonly corrupted: number;
  readonly headCorrupted: number;
  readonly congested: number;
  readonly ttlLowered: number;
  /** Longer than the MTU: offloads are on that must not be. */
  readonly superFrames: number;
  /** What the middle itself lost, before and behind it: more came than it can move. */
  readonly overflow: number;
  readonly refused: number;
}

export interface HarmReport {
  /** From a to b. */
  readonly forward: HarmCounters;
  readonly backward: HarmCounters;
}

const HEAD_BYTES = { udp: 20, vxlan: 22 } as const;

/** Starts to move frames through the middle of `pair`, which nothing passes before. */
export async function startImpairment(
  pair: PathPair,
  harm: Harm = {},
): Promise<{ stop(): Promise<HarmReport> }> {
  const { options, port } = pair;
  const args: string[] = ['--head-bytes', String(HEAD_BYTES[options.encapsulation])];
  for (const [name, value] of Object.entries(harm) as [string, number | boolean][]) {
    const option = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value !== false) args.push(option, ...(value === true ? [] : [String(value)]));
  }
  const argv = [toolFile('impair'), 'left', 'right', String(port), ...args];
  const program = await startIn(MIDDLE, argv, 'ready');
  await pair.reached();
  return { stop: async () => lastLine(await program.stop()) as HarmReport };
}

function lastLine(output: string): unknown {
  return JSON.parse(output.trimEnd().split('\n').at(-1)!);
}

export interface TcpOptions {
  /** Per direction. */
  readonly bytes: number;
  /** Data flows from `to` to `from`, too; default false. */
  readonly isBidirectional?: boolean;
  readonly isCubic?: boolean;
  readonly seed?: number;
  readonly port?: number;
}

export interface TcpReport {
  readonly sent: TcpHalf;
  readonly received: TcpHalf;
  /** All bytes arrived, right and ordered, and both ends closed. */
  readonly isComplete: boolean;
  readonly seconds: number;
}

interface TcpHalf {
  readonly bytes: number;
  /** Offset of the first byte that is not what was sent, or -1. */
  readonly firstWrong: number;
  readonly error: string;
}

export interface UdpOptions {
  readonly count: number;
  /** Bytes of payload; default 1 and 1400. */
  readonly smallest?: number;
  readonly largest?: number;
  /** Datagrams of one size that one send carries; default 1. */
  readonly segments?: number;
  /** Datagrams a second at most; default without limit. */
  readonly pps?: number;
  /** Receives with UDP_GRO. */
  readonly gro?: boolean;
  readonly seed?: number;
  readonly port?: number;
}

export interface UdpReport {
  readonly received: number;
  readonly bytes: number;
  /** Shorter than the 8 bytes of a number: neither counted as lost nor distinguished. */
  readonly unnumbered: number;
  readonly lost: number;
  readonly duplicate: number;
  readonly reordered: number;
  /** With a byte or a length that was not sent. */
  readonly wrong: number;
  /** Lost for lack of space in the receiver's own buffer. */
  readonly overflow: number;
  readonly firstWrong: { readonly number: number; readonly offset: number };
}

/** Longest silence: loss makes pauses of many seconds in a TCP connection. */
const IDLE_MS = 30_000;
const DEFAULT_PORT = 5000;
const READY_LIMIT_MS = 60_000;

/** A TCP connection from overlay address to overlay address; `client` is what `from` saw, `server` what `to` saw. */
export async function checkTcp(
  from: PathEnd,
  to: PathEnd,
  address: string,
  { bytes, isBidirectional = false, isCubic = false, seed = 1, port = DEFAULT_PORT }: TcpOptions,
): Promise<{ readonly client: TcpReport; readonly server: TcpReport }> {
  const args = [address, port, '--bytes', bytes, '--seed', seed, '--idle-ms', IDLE_MS].map(String);
  if (isBidirectional) args.push('--both');
  if (isCubic) args.push('--cubic');
  const server = new Checker(to, ['tcp-listen', ...args]);
  await server.ready();
  const client = new Checker(from, ['tcp-connect', ...args]);
  return { client: (await client.report()) as TcpReport, server: (await server.report()) as TcpReport };
}

/** Datagrams to overlay address `address` of `to`. */
export async function checkUdp(
  from: PathEnd,
  to: PathEnd,
  address: string,
  { gro = false, port = DEFAULT_PORT, ...numbers }: UdpOptions,
): Promise<UdpReport> {
  const args = [address, String(port)];
  for (const [name, value] of Object.entries(numbers)) args.push(`--${name}`, String(value));
  args.push('--idle-ms', String(IDLE_MS));
  const receiver = new Checker(to, ['udp-receive', ...args, ...(gro ? ['--gro'] : [])]);
  await receiver.ready();
  await new Checker(from, ['udp-send', ...args]).report();
  receiver.notifySenderDone();
  return (await receiver.report()) as UdpReport;
}

/** A run of `integrity`. What it finds wrong is in its report, not in its exit code. */
class Checker {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #isEnded = false;
  #output = '';

  constructor({ netns }: PathEnd, args: readonly string[]) {
    this.#name = `integrity ${args.join(' ')}`;
    const argv = ['netns', 'exec', netns, toolFile('integrity'), ...args];
    this.#child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#ended = once(this.#child, 'close').then(() => (this.#isEnded = true));
  }

  async ready(): Promise<void> {
    await waitFor(this.#name, () => this.#isEnded || this.#output.includes('ready\n'), READY_LIMIT_MS);
  }

  notifySenderDone(): void {
    this.#child.kill('SIGTERM');
  }

  async report(): Promise<unknown> {
    await this.#ended;
    if (!this.#output.includes('{')) throw new Error(`${this.#name}: ${this.#output}`);
    return lastLine(this.#output);
  }
}
