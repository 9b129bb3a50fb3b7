// Some of the hosts of a simulated cluster, in one process: does what it is result, one command a message, and answers when all of
// its hosts are where they should be, with what that took.
import { waitEvenly } from '../../lab/wait.ts';
import { systemClock } from '../../lib/clock.ts';
import { BENCH_CONFIG } from './seed.ts';
import { readConfig, SimulatedHost } from './simulated-host.ts';

export type WorkerCommand =
  /** `count` more hosts boot at once, from index `from` on. */
  | { readonly do: 'boot'; readonly url: string; readonly from: number; readonly count: number }
  /** All hosts restart, as after an upgrade. */
  | { readonly do: 'restart' }
  /** The last host gives its lease back. */
  | { readonly do: 'leave' }
  /** Its `count` oldest hosts give their leases back, and as many others boot, from index `from` on. */
  | { readonly do: 'churn'; readonly from: number; readonly count: number }
  /** Waits until each host has so many peers, and has received all changes up to `revision`. */
  | { readonly do: 'await'; readonly peers: number; readonly revision?: number }
  /** Remembers the time. */
  | { readonly do: 'mark' }
  /** Waits until each host had contact with the registry since the mark. */
  | { readonly do: 'reconnect' };

/** Since the command before. */
export interface WorkerAnswer {
  readonly requests: number;
  /** What kernels would have been result. */
  readonly steps: number;
  readonly processorMs: number;
  /** Now. */
  readonly rssMb: number;
  readonly subnets: readonly (string | undefined)[];
}

const LIMIT_MS = 600_000;
const config = readConfig(BENCH_CONFIG);
let hosts: SimulatedHost[] = [];
let [url, markMs, requests, steps] = ['', 0, 0, 0];
let usage = process.cpuUsage();

function makeHost(index: number): SimulatedHost {
  const onRequest = (): void => void (requests += 1);
  const onSteps = (more: number): void => void (steps += more);
  return new SimulatedHost({ url, config, isWatching: true, onRequest, onSteps, index });
}

function makeHosts(from: number, count: number): SimulatedHost[] {
  return Array.from({ length: count }, (_, offset) => makeHost(from + offset));
}

function knowsAll({ peers, revision }: SimulatedHost, command: WorkerCommand & { do: 'await' }): boolean {
  return peers === command.peers && revision >= (command.revision ?? 0);
}

async function execute(command: WorkerCommand): Promise<void> {
  switch (command.do) {
    case 'boot': {
      ({ url } = command);
      const more = makeHosts(command.from, command.count);
      hosts.push(...more);
      await Promise.all(more.map((host) => host.acquire()));
      return;
    }
    case 'restart': {
      for (const host of hosts) host.stop();
      hosts = hosts.map(({ index }) => makeHost(index));
      await Promise.all(hosts.map((host) => host.acquire()));
      return;
    }
    case 'churn': {
      const leaving = hosts.splice(0, command.count);
      const more = makeHosts(command.from, command.count);
      hosts.push(...more);
      await Promise.all([...leaving.map((host) => host.leave()), ...more.map((host) => host.acquire())]);
      return;
    }
    case 'leave':
      return hosts.pop()?.leave();
    case 'await':
      return waitEvenly(
        `${command.peers} peers`,
        () => hosts.every((host) => knowsAll(host, command)),
        LIMIT_MS,
      );
    case 'mark':
      markMs = systemClock.nowMs();
      return;
    case 'reconnect':
      return waitEvenly('the registry', () => hosts.every((host) => host.hadContactSince(markMs)), LIMIT_MS);
  }
}

async function answer(command: WorkerCommand): Promise<void> {
  await execute(command);
  const { user, system } = process.cpuUsage(usage);
  usage = process.cpuUsage();
  const result: WorkerAnswer = {
    requests,
    steps,
    processorMs: (user + system) / 1000,
    rssMb: process.memoryUsage.rss() / 1e6,
    subnets: hosts.map(({ subnet }) => subnet),
  };
  [requests, steps] = [0, 0];
  process.send!(result);
}

process.on('message', (command: WorkerCommand) => void answer(command));
