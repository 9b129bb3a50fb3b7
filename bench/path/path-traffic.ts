// Traffic between stations a and b: iperf3, ping, and the generators of bench/traffic.
import { join } from 'node:path';
import { run } from './path-process.ts';
import type { Family } from '../../lib/address.ts';
import type { Testbed } from './tunnels/path-testbed.ts';
import { packageRoot } from '../../lab/package-root.ts';

/** Inputs of a measurement. */
export interface Trial {
  readonly testbed: Testbed;
  /** Of the tunnel's addresses. */
  readonly family: Family;
  /** How long a measurement lasts, in seconds. */
  readonly seconds: number;
  /** Folder of the generators. */
  readonly generators: string;
}

/** Beyond its own duration, what a program may take before it counts as stuck. */
const SPARE_MS = 15_000;
const COUNT_PORT = '5301';
const ECHO_PORT = '5302';
const RR_PORT = '5303';

/** Builds the generators and returns their folder. */
export async function buildGenerators(): Promise<string> {
  const root = packageRoot();
  const folder = join(root, '.build/traffic');
  await run(['sh', join(root, 'bench/traffic/build.sh'), folder]);
  return folder;
}

/** The part of iperf3's report that is used; `sum_received` is what the receiver counted. */
export interface IperfEnd {
  readonly sum_sent: { readonly packets?: number };
  readonly sum_received: IperfReceived;
  /** With --bidir, of the streams from b to a. */
  readonly sum_received_bidir_reverse?: IperfReceived;
  readonly sender_tcp_congestion?: string;
}

interface IperfReceived {
  readonly bits_per_second: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** One run of iperf3 from a, from a to b unless `args` have another direction. */
export async function iperf(
  trial: Trial,
  args: readonly string[],
  seconds = trial.seconds,
): Promise<IperfEnd> {
  const { a, b, tunnel } = trial.testbed;
  const server = await b.startReady(['iperf3', '-s', '-1', '--forceflush'], 'listening');
  try {
    const client = ['iperf3', '-c', tunnel.to, '-J', '-t', String(seconds), ...args];
    const report = await a.run(client, { timeoutMs: seconds * 1000 + SPARE_MS });
    const { end, error } = JSON.parse(report) as { readonly end: Partial<IperfEnd>; readonly error?: string };
    if (!hasResult(end)) throw new Error(`iperf3 measured nothing: ${error ?? 'its report has no result'}`);
    return end;
  } finally {
    await server.stop('SIGKILL');
  }
}

function hasResult(end: Partial<IperfEnd>): end is IperfEnd {
  return (end.sum_received?.bytes ?? 0) > 0;
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
  to = trial.testbed.tunnel.to,
): Promise<Counted> {
  const { testbed, generators, seconds } = trial;
  const receiver = await testbed.b.startReady([join(generators, 'receive'), COUNT_PORT]);
  const sender = [join(generators, 'send'), '-t', String(seconds), ...args, to, COUNT_PORT];
  const sent = parseCount(await testbed.a.run(sender, { timeoutMs: seconds * 1000 + SPARE_MS }));
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
export async function pingPong({ testbed, seconds, generators }: Trial): Promise<Latency> {
  const program = join(generators, 'pingpong');
  const echo = await testbed.b.startReady([program, ECHO_PORT]);
  const args = [testbed.tunnel.to, ECHO_PORT, String(seconds)];
  const latency = await testbed.a.run([program, ...args], { timeoutMs: seconds * 1000 + SPARE_MS });
  await echo.stop();
  return JSON.parse(latency) as Latency;
}

/** Times in µs. */
export interface Transactions {
  readonly transactions: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

/** Requests over TCP from a, answered by b, one at a time on each of so many connections. */
export async function requestResponse(trial: Trial, connections: number): Promise<Transactions> {
  const { testbed, seconds, generators } = trial;
  const program = join(generators, 'rr');
  const server = await testbed.b.startReady([program, RR_PORT]);
  const args = [testbed.tunnel.to, RR_PORT, String(seconds), String(connections)];
  const answered = await testbed.a.run([program, ...args], { timeoutMs: seconds * 1000 + SPARE_MS });
  await server.stop();
  return JSON.parse(answered) as Transactions;
}

/** Round-trip times in µs of echo requests with a pause before each. */
export async function pingSlowly({ testbed: { a, tunnel } }: Trial): Promise<number[]> {
  const output = await a.run(['ping', '-i', '0.2', '-c', '20', tunnel.to]);
  return [...output.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]) * 1000);
}

/** Mean round-trip time in µs of echo requests without any pause. */
export async function pingFlood({ testbed: { a, tunnel } }: Trial): Promise<number> {
  const output = await a.run(['ping', '-f', '-q', '-c', '5000', '-w', '10', tunnel.to]);
  const mean = /= [\d.]+\/([\d.]+)\//.exec(output)?.[1];
  if (mean === undefined) throw new Error(`ping gave no mean: ${output}`);
  return Number(mean) * 1000;
}
