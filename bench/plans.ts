// Named runs: benchmarks, rounds, options. Data only.
import type { RankingInvariant } from './invariants.ts';

/** One benchmark with its rounds and options. */
export interface Job {
  readonly benchmark: string;
  /** Options of the benchmark itself. */
  readonly args: readonly string[];
  /** Undefined: the benchmark's default. */
  readonly rounds: number | undefined;
}

export interface Plan {
  readonly purpose: string;
  /** Typical duration on an idle machine with two processors. */
  readonly aboutSec: number;
  /** Parts that would begin later than this many seconds after the start are left out, which is a failure. */
  readonly withinSec: number;
  readonly jobs: readonly Job[];
  /** Rankings that must hold in the results. */
  readonly invariants?: readonly RankingInvariant[];
}

function job(benchmark: string, rounds: number, args = ''): Job {
  return { benchmark, rounds, args: args === '' ? [] : args.split(' ') };
}

/** Many times as fast in every run observed, without BPF as well. */
const AHEAD_OF_FASTD: readonly RankingInvariant[] = ['weft-udp', 'weft-vxlan'].map((ahead) => ({
  benchmark: 'path',
  measure: 'tcp-cubic, uncut',
  ahead,
  behind: 'fastd',
}));

/** All between containers, those included that run only if named: the documentation has controls. */
const PATH_CANDIDATES =
  'kernel-vxlan,kernel-vxlan-late-gro,host-gw,weft-udp,weft-vxlan,weft-udp-workers,weft-vxlan-workers,fastd,socat,copy-relay';

/** What matters most comes first. */
export const PLANS: Readonly<Record<string, Plan>> = {
  check: {
    purpose: 'smoke test of half a minute: benchmarks run, and no ranking invariant is violated',
    aboutSec: 30,
    withinSec: 600,
    jobs: [
      job(
        'path',
        1,
        '--only weft-udp,weft-vxlan,fastd --underlay uncut --measures tcp-cubic,udp-64-batch,rr-1 --seconds 1',
      ),
      job('simulate', 1, '--hosts 10,30'),
    ],
    invariants: AHEAD_OF_FASTD,
  },
  short: {
    purpose: 'two minutes, for weft bench compare: five rounds are the minimum for a comparison',
    aboutSec: 120,
    withinSec: 120,
    jobs: [
      job('restart', 1, '--scenarios vxlan;udp --faults nothing;restart;crash'),
      job('micro', 5),
      job(
        'path',
        5,
        '--only kernel-vxlan,weft-vxlan --underlay wire --measures tcp-cubic,udp-64-batch --seconds 1',
      ),
    ],
  },
  full: {
    purpose: 'a quarter of an hour at most, for the report in docs/benchmarks',
    aboutSec: 750,
    withinSec: 750,
    jobs: [
      job('micro', 5),
      job(
        'path',
        3,
        '--only kernel-vxlan,host-gw,weft-udp,weft-vxlan,fastd --underlay wire,uncut' +
          ' --measures tcp-cubic,tcp-8-cubic,udp-64-batch,rr-1 --seconds 1',
      ),
      job(
        'path',
        3,
        '--topology hosts --only veth,kernel-vxlan,weft-udp,weft-vxlan,fastd,openvswitch,tinc,vtun,wireguard-go' +
          ' --underlay uncut --measures tcp-cubic,udp-64-batch,latency-busy,memory --seconds 1',
      ),
      job('loss', 2, '--only kernel-vxlan,weft-vxlan,fastd --seconds 1'),
      job('boot', 3),
      job('cni', 10),
      job('converge', 1),
      job('config', 3),
      job('repair', 2),
      job('restart', 1),
      job('simulate', 1),
      job('control', 1),
    ],
    invariants: AHEAD_OF_FASTD,
  },
  path: {
    purpose:
      'more than two hours: every measure between containers in seven rounds, for the tables of the documentation',
    aboutSec: 8200,
    withinSec: 8200,
    jobs: [
      job('path', 7, `--underlay wire,uncut --families ipv4,ipv6 --seconds 1 --only ${PATH_CANDIDATES}`),
    ],
  },
};
