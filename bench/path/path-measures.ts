// Measures of the path benchmark, one entry each.
import { highestRates } from './path-loss.ts';
import { FIRST_PEER_ADDRESS, PEER_COUNT } from './tunnels/path-plan.ts';
import {
  iperf,
  pingFlood,
  pingPong,
  pingSlowly,
  requestResponse,
  sendAndCount,
  type Latency,
  type Trial,
} from './path-traffic.ts';
import { median } from '../statistics.ts';
import type { Measure, Reading } from './path-measure.ts';
import { TCP_MEASURES } from './path-tcp.ts';

const UDP_BYTES = 1400;
const IP_AND_UDP_BYTES = { 4: 28, 6: 48 } as const;

/** In the order in which they are run: those that change the tunnel come last. */
export const MEASURES: readonly Measure[] = [
  ...TCP_MEASURES,
  {
    name: 'udp-64',
    title: 'UDP, 64 bytes, iperf3',
    run: async (trial) => [await udp(trial, 'udp-64', 64)],
  },
  {
    name: 'udp-64-batch',
    title: 'UDP, 64 bytes, sendmmsg in batches of 64',
    run: async (trial) => [await counted(trial, 'udp-64-batch', [])],
  },
  {
    name: 'udp-64-loss',
    title: 'UDP, 64 bytes: the highest steady rate with at most so much loss',
    isOptional: true,
    run: ratesByLoss,
  },
  {
    name: 'udp-64-gso',
    title: 'UDP, 64 bytes, UDP_SEGMENT in batches of 64',
    isOptional: true,
    run: async (trial) => [await counted(trial, 'udp-64-gso', ['-g'])],
  },
  {
    name: 'udp-1400',
    title: `UDP goodput, ${UDP_BYTES} bytes or what the MTU leaves, iperf3`,
    run: async (trial) => [
      await udp(
        trial,
        'udp-1400',
        Math.min(UDP_BYTES, trial.testbed.tunnel.mtu - IP_AND_UDP_BYTES[trial.family]),
      ),
    ],
  },
  {
    name: 'ping',
    title: 'Round trip, idle: ping every 0.2 s',
    run: async (trial) => {
      const times = await pingSlowly(trial);
      return [{ metric: 'ping', unit: 'µs', value: median(times), details: { timesUs: times } }];
    },
  },
  {
    name: 'ping-flood',
    title: 'Round trip, ping flood',
    run: async (trial) => [{ metric: 'ping-flood', unit: 'µs', value: await pingFlood(trial) }],
  },
  {
    name: 'latency',
    title: 'UDP request and echo, 64 bytes',
    run: async (trial) => latencies('latency', await pingPong(trial), {}),
  },
  {
    name: 'latency-busy',
    title: 'UDP request and echo, 64 bytes, beside a TCP stream, cubic',
    async run(trial) {
      const stream = iperf(trial, ['-C', 'cubic'], trial.seconds + 1);
      // Awaited below; a rejection meanwhile must not end the process.
      stream.catch(() => undefined);
      const latency = await pingPong(trial);
      const { sum_received: beside } = await stream;
      return latencies('latency-busy', latency, { besideGbit: beside.bits_per_second / 1e9 });
    },
  },
  transactions(1),
  transactions(64),
  {
    name: 'memory',
    topology: 'hosts',
    title: 'Memory at a: of a worker of weft, or of a whole process of others',
    async run({ testbed: { tunnel } }) {
      const bytes = await (tunnel.workerBytes?.() ?? tunnel.ends[0]?.anonymousBytes());
      return bytes === undefined ? [] : [{ metric: 'memory', unit: 'MiB', value: bytes / 2 ** 20 }];
    },
  },
  peers('peers-1', 'UDP, 64 bytes in batches, to one of 10,000 peers', 'same-remote', 1),
  peers('peers-1-hosts', 'The same, to random hosts of that peer', 'same-remote', 1, ['-r', '200']),
  peers('peers-10k', 'The same, to one host of each of 10,000 peers at random', 'same-remote', PEER_COUNT),
  pastRouting('peers-1-raw', 'To one of 10,000 peers, sent into the device past the routes of the host', 1),
  pastRouting('peers-10k-raw', 'To one host of each of these at random, sent so', PEER_COUNT),
  peers('peers-1-own', 'To one of 10,000 peers with own underlay addresses', 'own-remotes', 1),
  peers('peers-10k-own', 'To one host of each of these at random', 'own-remotes', PEER_COUNT),
];

function transactions(connections: number): Measure {
  const name = `rr-${connections}`;
  return {
    name,
    title: `TCP request and response of a byte, ${connections === 1 ? 'one connection' : `${connections} connections`}`,
    async run(trial) {
      const { transactions: count, seconds, p50, p99 } = await requestResponse(trial, connections);
      return [{ metric: name, unit: 'k/s', value: count / seconds / 1e3, details: { p50, p99 } }];
    },
  };
}

async function udp(trial: Trial, metric: string, bytes: number): Promise<Reading> {
  const end = await iperf(trial, ['-u', '-b', '0', '-l', String(bytes)]);
  const { sum_received: received, sum_sent: sent } = end;
  const packets = received.bytes / bytes;
  const details = { payloadBytes: bytes, sentKpps: (sent.packets ?? 0) / received.seconds / 1e3 };
  if (bytes > 64)
    return { metric, unit: 'Gbit/s', value: (received.bytes * 8) / received.seconds / 1e9, details };
  return { metric, unit: 'kpps', value: packets / received.seconds / 1e3, details };
}

/** A sender below the requested rate counts as loss. */
const REACHED = 0.98;

async function ratesByLoss(trial: Trial): Promise<Reading[]> {
  const { sentPerSec } = await sendAndCount(trial, []);
  const lossAt = async (rate: number) => {
    const sample = await sendAndCount(trial, ['-p', rate.toFixed(0)]);
    if (sample.sentPerSec < REACHED * rate) return 1;
    return Math.max(0, 1 - sample.receivedPackets / sample.sentPackets);
  };
  const rates = await highestRates(lossAt, sentPerSec * 1.1, [0.001, 0]);
  return [...rates].map(([loss, rate]) => ({
    metric: `udp-64-loss ${loss * 100} %`,
    unit: 'kpps',
    value: rate / 1e3,
  }));
}

async function counted(trial: Trial, metric: string, args: readonly string[], to?: string): Promise<Reading> {
  const { sentPerSec, receivedPerSec } = await sendAndCount(trial, args, to);
  return { metric, unit: 'kpps', value: receivedPerSec / 1e3, details: { sentKpps: sentPerSec / 1e3 } };
}

/** `used`: to how many of the peers; `args`: further options of bench/traffic/send.c. */
function peers(
  name: string,
  title: string,
  need: 'same-remote' | 'own-remotes',
  used: number,
  args: readonly string[] = [],
): Measure {
  const all = ['-n', String(used), ...args];
  return {
    name,
    title,
    peers: need,
    topology: 'hosts',
    run: async (trial) => [await counted(trial, name, all, FIRST_PEER_ADDRESS)],
  };
}

/** What peers cost the path alone: the sender's own lookups of routes are left out. Of tunnels whose device takes IP packets. */
function pastRouting(name: string, title: string, used: number): Measure {
  return {
    name,
    title,
    peers: 'same-remote',
    topology: 'hosts',
    run: async (trial) => {
      const { device } = trial.testbed.tunnel;
      if (device === undefined) return [];
      const { name: dev, source, mac } = device;
      const args = ['-n', String(used), '-d', dev, '-s', source, ...(mac === undefined ? [] : ['-m', mac])];
      return [await counted(trial, name, args, FIRST_PEER_ADDRESS)];
    },
  };
}

function latencies(name: string, latency: Latency, details: Readonly<Record<string, unknown>>): Reading[] {
  if (latency.count === 0) throw new Error('No request was answered');
  const more = { ...details, count: latency.count, lost: latency.lost };
  return [
    { metric: `${name} p50`, unit: 'µs', value: latency.p50, details: more },
    { metric: `${name} p99`, unit: 'µs', value: latency.p99, details: more },
    { metric: `${name} p99.9`, unit: 'µs', value: latency.p999, details: more },
  ];
}
