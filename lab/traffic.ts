// Background traffic between containers of a lab, and its results.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Lab } from './lab.ts';
import { waitFor } from './wait.ts';

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
}

/** A ping from one place to another that was stopped. */
export interface PingReport extends PingResult {
  /** Ranges of sequence numbers that were lost. */
  readonly gaps: string;
}

export interface StreamResult {
  readonly bytes: number;
  readonly retransmits: number;
  /** Bytes of each tenth of a second. */
  readonly intervals: readonly number[];
}

/** A process in a lab's namespace: keeps its output, and can be interrupted. */
export class LabProcess {
  readonly #lab: Lab;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  output = '';

  constructor(lab: Lab, netns: string, argv: readonly string[]) {
    this.#lab = lab;
    const [file, ...args] = lab.sandbox.commandLine(
      ['sh', '-c', 'echo "pid $$"; exec "$@"', 'sh', ...argv],
      netns,
    );
    this.#process = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout!, this.#process.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.#closed = once(this.#process, 'close');
  }

  /** Sends SIGINT, which makes ping and iperf3 print their summary, and waits for the end. */
  async interrupt(): Promise<string> {
    const pid = /^pid (\d+)/.exec(this.output)?.[1];
    if (pid !== undefined) await this.#lab.sandbox.run(['kill', '-INT', pid]);
    await this.#closed;
    return this.output;
  }
}

/** A shell script in a lab's namespace that runs, with its children, until {@link LabScript.end}. */
export class LabScript extends LabProcess {
  readonly #sandbox: Lab['sandbox'];

  constructor(lab: Lab, netns: string, script: string) {
    super(lab, netns, ['setsid', '--wait', 'sh', '-c', `echo "group $$"; ${script}`]);
    this.#sandbox = lab.sandbox;
  }

  /** Ends it; returns its output. */
  async end(): Promise<string> {
    const group = /^group (\d+)$/m.exec(this.output)?.[1];
    if (group !== undefined) await this.#sandbox.run(['kill', '-KILL', '--', `-${group}`]);
    return this.interrupt();
  }
}

/**
 * Pings `address` from container or host `from` a thousand times a second, or `perSecond`, until stopped: many processes,
 * each slow enough to keep sending without answers. A single fast ping pauses without answers.
 */
export async function startPings(
  lab: Lab,
  from: string,
  address: string,
  perSecond = 1000,
): Promise<{ readonly answered: () => number; stop(): Promise<PingResult> }> {
  const intervalMs = 20;
  const count = Math.max(1, Math.round((perSecond * intervalMs) / 1000));
  const pings = await Promise.all(
    Array.from({ length: count }, () => startPing(lab, from, address, intervalMs)),
  );
  return {
    answered: () => pings.reduce((sum, ping) => sum + ping.answered(), 0),
    stop: async () => {
      const results: readonly PingResult[] = await Promise.all(pings.map((ping) => ping.stop()));
      return results.reduce((sum, each) => ({
        sent: sum.sent + each.sent,
        received: sum.received + each.received,
        lost: sum.lost + each.lost,
      }));
    },
  };
}

/** Pings `address` from container or host `from` every `intervalMs` until stopped, with `more` arguments of ping. */
export async function startPing(
  lab: Lab,
  from: string,
  address: string,
  intervalMs = 1,
  more: readonly string[] = [],
): Promise<{ readonly answered: () => number; stop(): Promise<PingReport> }> {
  const argv = ['ping', '-i', String(intervalMs / 1000), '-W', '2', ...more, address];
  const ping = new LabProcess(lab, from, argv);
  const waitForReply = (earlier = '') =>
    waitFor(`a reply of ${address}`, () => /bytes from/.test(ping.output.slice(earlier.length)), 60_000);
  await waitForReply();
  return {
    answered: () => ping.output.split('bytes from').length - 1,
    stop: async () => {
      // Requests in flight when ping ends are not lost.
      await waitForReply(ping.output);
      return countReplies(await ping.interrupt());
    },
  };
}

/** Answered and lost requests up to the last answered one, parsed from the output of ping. */
export function countReplies(output: string): PingReport {
  const seen = new Set<number>();
  let last = 0;
  for (const [, text] of output.matchAll(/bytes from .* icmp_seq=(\d+)/g)) {
    // 16 bits, which come around after a minute of a thousand a second.
    const behind = (last - Number(text)) & 0xffff;
    const sequence = behind < 0x8000 ? last - behind : last + 0x10000 - behind;
    seen.add(sequence);
    last = Math.max(last, sequence);
  }
  return { sent: last, received: seen.size, lost: last - seen.size, gaps: gapsOf(seen, last) };
}

function gapsOf(seen: ReadonlySet<number>, last: number): string {
  const gaps: string[] = [];
  for (let from = 1; from <= last; from++) {
    if (seen.has(from)) continue;
    const start = from;
    while (from < last && !seen.has(from + 1)) from++;
    gaps.push(start === from ? String(start) : `${start}–${from}`);
  }
  return gaps.join(' ');
}

/** Keeps a TCP stream of `mbit` Mbit/s going from container `from` to container `to` until stopped. */
export async function startStream(
  lab: Lab,
  from: string,
  to: string,
  mbit = 100,
): Promise<{ stop(): Promise<StreamResult> }> {
  const address = await lab.containerAddress(lab.host(to).name);
  await lab.check(to, ['iperf3', '--server', '--one-off', '--daemon', '--idle-timeout', '30']);
  const rate = ['--bitrate', `${mbit}M`, '--time', '3600', '--interval', '0.1', '--congestion', 'cubic'];
  const client = new LabProcess(lab, from, ['iperf3', '--client', address, '--json', ...rate]);
  await waitFor('the stream to be established', async () => isEstablished(lab, from, address), 60_000);
  return { stop: async () => parseStream(await client.interrupt()) };
}

async function isEstablished(lab: Lab, from: string, address: string): Promise<boolean> {
  const { stdout } = await lab.exec(from, ['ss', '-Htn', 'state', 'established', 'dst', address]);
  return stdout.trim().split('\n').length >= 2;
}

function parseStream(output: string): StreamResult {
  const report = JSON.parse(output.slice(output.indexOf('{'))) as {
    error?: string;
    intervals: { sum: { bytes: number; retransmits?: number } }[];
  };
  const intervals = report.intervals.map((interval) => interval.sum);
  return {
    bytes: intervals.reduce((sum, interval) => sum + interval.bytes, 0),
    retransmits: intervals.reduce((sum, interval) => sum + (interval.retransmits ?? 0), 0),
    intervals: intervals.map((interval) => interval.bytes),
  };
}
