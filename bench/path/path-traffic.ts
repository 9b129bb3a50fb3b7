// Traffic between namespaces a and b: iperf3, ping, and the generators of bench/traffic.
import { join } from 'node:path';
import { run } from './path-process.ts';
import type { Tunnel } from './path-tunnel.ts';
import type { Underlay } from './path-underlay.ts';
import { packageRoot } from '../../lab/package-root.ts';

/** Inputs of a measurement. */
export interface Trial {
  readonly underlay: Underlay;
  readonly tunnel: Tunnel;
  /** How long a measurement lasts, in seconds. */
  readonly seconds: number;
  /** Folder of the generators. */
  readonly generators: string;
}

/** Beyond its own duration, what a program may take before it counts as stuck. */
const SPARE_MS = 15_000;
const COUNT_PORT = '5301';
const ECHO_PORT = '5302';

/** Builds the generators and returns their folder. */
export async function buildGenerators(): Promise<string> {
  const root = packageRoot();
  const folder = join(root, '.build/traffic');
  await run(['sh', join(root, 'bench/traffic/build.sh'), folder]);
  return folder;
}

/** The part of iperf3's report that is used; `sum_received` is what the server counted. */
interface IperfReport {
  readonly end: {
    readonly sum_sent: { readonly retransmits?: number; readonly packets?: number };
    readonly sum_received: {
      readonly bits_per_second: number;
      readonly bytes: number;
      readonly seconds: number;
    };
    readonly sender_tcp_congestion?: string;
  };
}

/** One run of iperf3 from a to b. */
export async function iperf(
  trial: Trial,
  args: readonly string[],
  seconds = trial.seconds,
): Promise<IperfReport['end']> {
  const { a, b } = trial.underlay;
  const server = await b.startReady(['iperf3', '-s', '-1', '--forceflush'], 'listening');
  try {
    const client = ['iperf3', '-c', trial.tunnel.to, '-J', '-t', String(seconds), ...args];
    const report = await a.run(client, { timeoutMs: seconds * 1000 + SPARE_MS });
    const { end } = JSON.parse(report) as IperfReport;
    if (end.sum_received.bytes === 0) throw new Error('iperf3 received nothing');
    return end;
  } finally {
    await server.stop('SIGKILL');
  }
}

export interface Counted {
  /** Sent, a second; counts what the sender's kernel took. */
  readonly sentPerSec: number;
  /** Received, a second. */
  readonly receivedPerSec: number;
  readonly sentPackets: number;
  readonly receivedPackets: number;
}

/** Datagrams from a, counted at b. `args` are options of bench/traffic/send.c. */
export async function sendAndCount(
  trial: Trial,
  args: readonly string[],
  to = trial.tunnel.to,
): Promise<Counted> {
  const { underlay, generators, seconds } = trial;
  const receiver = await underlay.b.startReady([join(generators, 'receive'), COUNT_PORT]);
  const sender = [join(generators, 'send'), '-t', String(seconds), ...args, to, COUNT_PORT];
  const sent = parseCount(await underlay.a.run(sender, { timeoutMs: seconds * 1000 + SPARE_MS }));
  const received = parseCount((await receiver.stop()).replace('ready\n', ''));
  if (received.packets === 0) throw new Error(`None of ${sent.packets} datagrams arrived`);
  return {
    sentPerSec: sent.packets / sent.seconds,
    receivedPerSec: received.packets / received.seconds,
    sentPackets: sent.packets,
    receivedPackets: received.packets,
  };
}

function parseCount(text: string): { readonly packets: number; readonly seconds: number } {
  return JSON.parse(text) as { packets: number; seconds: number };
}

/** Times in µs. */
export interface Latency {
  readonly count: number;
  readonly lost: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Requests from a, one at a time, echoed by b. */
export async function pingPong({ underlay, tunnel, seconds, generators }: Trial): Promise<Latency> {
  const program = join(generators, 'pingpong');
  const echo = await underlay.b.startReady([program, ECHO_PORT]);
  const args = [tunnel.to, ECHO_PORT, String(seconds)];
  const latency = await underlay.a.run([program, ...args], { timeoutMs: seconds * 1000 + SPARE_MS });
  await echo.stop();
  return JSON.parse(latency) as Latency;
}

/** Round-trip times in µs of echo requests with a pause before each. */
export async function pingSlowly({ underlay, tunnel }: Trial): Promise<number[]> {
  const output = await underlay.a.run(['ping', '-i', '0.2', '-c', '20', tunnel.to]);
  return [...output.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]) * 1000);
}

/** Mean round-trip time in µs of echo requests without any pause. */
export async function pingFlood({ underlay, tunnel }: Trial): Promise<number> {
  const output = await underlay.a.run(['ping', '-f', '-q', '-c', '5000', '-w', '10', tunnel.to]);
  const mean = /= [\d.]+\/([\d.]+)\//.exec(output)?.[1];
  if (mean === undefined) throw new Error(`ping gave no mean: ${output}`);
  return Number(mean) * 1000;
}
