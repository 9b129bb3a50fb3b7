// All benchmarks, one entry each, in the order in which they run. Each is loaded on demand.
import { BUNDLE } from './host/installed.ts';
import { recordOf } from './metrics.ts';
import type { Job } from './plans.ts';
import type { BenchmarkRecord } from './record.ts';

export interface Benchmark {
  /** The question that it answers, in a line. */
  readonly question: string;
  /** Required commands, by their names in deploy/install-tools.sh. @throws Error for invalid options. */
  needs(args: readonly string[]): Promise<readonly string[]>;
  run(job: Job): Promise<BenchmarkRecord>;
  /** What it runs that `make bundle` builds. */
  readonly builds?: readonly string[];
  /** Whether it has options of its own. */
  readonly hasOptions?: true;
}

const LAB_TOOLS = [
  'bash',
  'etcd',
  'etcdctl',
  'ip',
  'bridge',
  'iperf3',
  'ping',
  'nsenter',
  'unshare',
  'setpriv',
  'sysctl',
];

/** A benchmark without options that needs a lab. */
function labBenchmark(
  question: string,
  run: (rounds?: number) => Promise<BenchmarkRecord>,
  more: readonly string[] = [],
): Benchmark {
  return {
    question,
    builds: BUNDLE,
    needs: () => Promise.resolve([...LAB_TOOLS, ...more]),
    run: ({ rounds }) => run(rounds),
  };
}

/** Options of the path benchmark that make up the benchmark on loss. It takes long. */
const LOSS = ['--measures', 'udp-64-loss', '--topology', 'hosts', '--underlay', 'uncut'];

export const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  path: {
    question: 'throughput, packet rate, latency and cost of packets, beside other tunnels',
    hasOptions: true,
    needs: async (args) => (await import('./path/path-options.ts')).pathTools(args),
    run: async ({ args, rounds }) => {
      const { parsePathOptions } = await import('./path/path-options.ts');
      const all = rounds === undefined ? args : [...args, '--rounds', String(rounds)];
      return (await import('./path/path.ts')).benchPath(parsePathOptions(all));
    },
  },
  loss: {
    question: 'the highest rates of small packets without loss, beside other tunnels; options as of path',
    hasOptions: true,
    needs: async (args) => (await import('./path/path-options.ts')).pathTools([...LOSS, ...args]),
    run: async (job) => ({
      ...(await BENCHMARKS['path']!.run({ ...job, args: [...LOSS, ...job.args] })),
      benchmark: 'loss',
    }),
  },
  micro: {
    question: 'what the functions of the packet path cost by themselves',
    needs: () => Promise.resolve(['cc']),
    run: async ({ rounds }) => (await import('./micro/main.ts')).benchMicro(rounds),
  },
  converge: labBenchmark(
    'from start to the last of N peers in the kernel; one join; memory',
    async (rounds) =>
      recordOf(await (await import('./cluster/converge.ts')).benchConverge(undefined, rounds)),
  ),
  pauses: {
    builds: BUNDLE,
    question:
      'how long the event loop of a daemon stands still among 10,000 peers, and one that leaves waits',
    hasOptions: true,
    needs: async (args) => {
      (await import('./cluster/pauses.ts')).parsePausesOptions(args);
      return LAB_TOOLS;
    },
    run: async ({ args, rounds }) =>
      recordOf(await (await import('./cluster/pauses.ts')).benchPauses(args, rounds)),
  },
  kubernetes: {
    builds: BUNDLE,
    question:
      'the Kubernetes API as registry beside etcd: start, memory, bytes at rest; needs kube-apiserver',
    needs: () => Promise.resolve([...LAB_TOOLS, 'pgrep']),
    hasOptions: true,
    run: async ({ args, rounds }) => (await import('./cluster/kubernetes.ts')).benchKubernetes(args, rounds),
  },
  control: {
    question: 'what the daemon itself costs without etcd and kernel, and how that grows',
    hasOptions: true,
    needs: () => Promise.resolve([]),
    run: async ({ args, rounds }) =>
      (await import('./cluster/control-plane.ts')).benchControlPlane(args, rounds),
  },
  simulate: {
    question: 'how a whole cluster grows: cold start, join, leave, restarts; requests and bytes',
    hasOptions: true,
    needs: () => Promise.resolve(['etcd', 'setpriv']),
    run: async ({ args, rounds }) => (await import('./cluster/simulate.ts')).benchSimulate(args, rounds),
  },
  allocate: {
    question: 'many hosts boot at once, and on a pool that is nearly full: requests, time',
    hasOptions: true,
    needs: () => Promise.resolve(['etcd', 'setpriv']),
    run: async ({ args, rounds }) => (await import('./cluster/allocate.ts')).benchAllocate(args, rounds),
  },
  repair: labBenchmark('how long a fault in the kernel lasts', async (rounds) =>
    recordOf(await (await import('./host/repair.ts')).benchRepair(rounds)),
  ),
  config: labBenchmark(
    'how soon a network config is live',
    async (rounds) => recordOf(await (await import('./cluster/config.ts')).benchConfig(rounds)),
    ['curl'],
  ),
  restart: {
    builds: BUNDLE,
    question:
      'packets lost and the longest gap when a daemon restarts, crashes or is upgraded, or the config changes',
    hasOptions: true,
    needs: async (args) => {
      (await import('./host/restart-options.ts')).parseRestartOptions(args);
      return [...LAB_TOOLS, 'cc', 'curl'];
    },
    run: async ({ args, rounds }) => (await import('./host/restart.ts')).benchRestart(args, rounds),
  },
  boot: labBenchmark('from program start to the first packet between containers', async (rounds) =>
    (await import('./host/boot.ts')).benchBoot(rounds),
  ),
  cni: {
    builds: ['dist/weft-cni', 'dist/weft.mjs'],
    question: 'what weft-cni costs a container, one at a time and 20 at once',
    needs: () => Promise.resolve(['ip', 'bridge', '/usr/lib/cni/bridge']),
    run: async ({ rounds }) => (await import('./host/cni.ts')).benchCni(rounds),
  },
  liveness: {
    builds: BUNDLE,
    question: 'what it costs to know whether 10, 1,000 and 10,000 peers answer: time, packets, wake-ups',
    hasOptions: true,
    needs: async (args) => {
      (await import('./host/liveness.ts')).parseLivenessOptions(args);
      return [...LAB_TOOLS, 'curl', 'nft'];
    },
    run: async ({ args, rounds }) =>
      recordOf(await (await import('./host/liveness.ts')).benchLiveness(args, rounds)),
  },
  idle: labBenchmark(
    'what a daemon with nothing to do costs',
    async (rounds) => recordOf(await (await import('./host/idle.ts')).benchIdle(rounds)),
    ['nft'],
  ),
};
