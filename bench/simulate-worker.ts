// Some of the hosts of a simulated cluster, in one process: does what it is told, one command a message, and answers when all of
// its hosts are where they should be, with what that took.
import { waitFor } from '../lab/wait.ts';
import { systemClock } from '../allocator/clock.ts';
import { BENCH_CONFIG } from './fill.ts';
import { readConfig, SimulatedHost } from './simulated-host.ts';

export type WorkerCommand =
  /** `count` more hosts boot at once, from index `from` on. */
  | { readonly do: 'boot'; readonly url: string; readonly from: number; readonly count: number }
  /** All hosts end and start again, as after an upgrade. */
  | { readonly do: 'restart' }
  /** The last host gives its lease back. */
  | { readonly do: 'leave' }
  /** Waits until each host has so many peers. */
  | { readonly do: 'await'; readonly peers: number }
  /** Remembers the time. */
  | { readonly do: 'mark' }
  /** Waits until each host has heard of the registry since the mark. */
  | { readonly do: 'reconnect' };

/** Since the command before. */
export interface WorkerAnswer {
  readonly requests: number;
  /** What kernels would have been told. */
  readonly steps: number;
  readonly processorMs: number;
  /** Now. */
  readonly rssMb: number;
  readonly subnets: readonly (string | undefined)[];
}

const LIMIT_MS = 170_000;
const config = readConfig(BENCH_CONFIG);
let hosts: SimulatedHost[] = [];
let [url, markMs, requests, steps] = ['', 0, 0, 0];
let first = 0;
let usage = process.cpuUsage();

function makeHosts(from: number, count: number): SimulatedHost[] {
  const onRequest = (): void => void (requests += 1);
  const onSteps = (more: number): void => void (steps += more);
  const options = { url, config, isWatching: true, onRequest, onSteps };
  return Array.from(
    { length: count },
    (_, offset) => new SimulatedHost({ ...options, index: from + offset }),
  );
}

async function execute(command: WorkerCommand): Promise<void> {
  switch (command.do) {
    case 'boot': {
      ({ url } = command);
      if (hosts.length === 0) first = command.from;
      const more = makeHosts(command.from, command.count);
      hosts.push(...more);
      await Promise.all(more.map((host) => host.acquire()));
      return;
    }
    case 'restart': {
      for (const host of hosts) host.stop();
      hosts = makeHosts(first, hosts.length);
      await Promise.all(hosts.map((host) => host.acquire()));
      return;
    }
    case 'leave':
      return hosts.pop()?.leave();
    case 'await':
      return waitFor(
        `${command.peers} peers`,
        () => hosts.every(({ peers }) => peers === command.peers),
        LIMIT_MS,
      );
    case 'mark':
      markMs = systemClock.nowMs();
      return;
    case 'reconnect':
      return waitFor('the registry', () => hosts.every((host) => host.hasHeardSince(markMs)), LIMIT_MS);
  }
}

async function answer(command: WorkerCommand): Promise<void> {
  await execute(command);
  const { user, system } = process.cpuUsage(usage);
  usage = process.cpuUsage();
  const told: WorkerAnswer = {
    requests,
    steps,
    processorMs: (user + system) / 1000,
    rssMb: process.memoryUsage.rss() / 1e6,
    subnets: hosts.map(({ subnet }) => subnet),
  };
  [requests, steps] = [0, 0];
  process.send!(told);
}

process.on('message', (command: WorkerCommand) => void answer(command));
