// TCP streams of the path benchmark: so many at once, by a congestion control, there, back, or both at once.
import { readTcpCounters, tcpDifferences, type TcpCounters } from './path-tcp-counters.ts';
import { iperf, type IperfEnd, type Trial } from './path-traffic.ts';
import type { Measure, Reading } from './path-measure.ts';

/** `there`: from a to b. */
const DIRECTIONS = {
  there: { suffix: '', title: '', args: [] },
  back: { suffix: '-back', title: ', from b to a', args: ['-R'] },
  both: { suffix: '-both', title: ', both directions at once, their sum', args: ['--bidir'] },
} as const;
type Direction = keyof typeof DIRECTIONS;

const CONGESTION = { cubic: 'cubic', bbr: 'BBR' } as const;

/** Every number of streams by every congestion control in every direction. */
export const TCP_MEASURES: readonly Measure[] = (['there', 'both', 'back'] as const).flatMap((direction) =>
  [1, 8].flatMap((streams) =>
    (['cubic', 'bbr'] as const).map((congestion) => tcp(streams, congestion, direction)),
  ),
);

function tcp(streams: number, congestion: keyof typeof CONGESTION, direction: Direction): Measure {
  const { suffix, title, args } = DIRECTIONS[direction];
  const name = `tcp-${streams === 1 ? '' : `${streams}-`}${congestion}${suffix}`;
  return {
    name,
    title: `TCP, ${streams === 1 ? 'one stream' : `${streams} streams`}, ${CONGESTION[congestion]}${title}`,
    async run(trial) {
      const { end, counters } = await withCounters(trial, direction, () =>
        iperf(trial, ['-C', congestion, '-P', String(streams), ...args]),
      );
      if (end.sender_tcp_congestion !== congestion)
        throw new Error(`The sender used ${end.sender_tcp_congestion} instead of ${congestion}`);
      return readingsOf(name, bitsPerSec(end), congestion, counters);
    },
  };
}

function bitsPerSec({ sum_received: received, sum_received_bidir_reverse: reverse }: IperfEnd): number {
  return received.bits_per_second + (reverse?.bits_per_second ?? 0);
}

function readingsOf(name: string, bits: number, congestion: string, counters: TcpCounters): Reading[] {
  return [
    { metric: name, unit: 'Gbit/s', value: bits / 1e9, details: { congestion, ...counters } },
    { metric: `${name} out-of-order`, unit: 'segments', value: counters.outOfOrder },
    { metric: `${name} reordered`, unit: 'segments', value: counters.reordered },
  ];
}

/** Counters of both stations around `work`, in the direction of the streams; of both directions their sum. */
async function withCounters(trial: Trial, direction: Direction, work: () => Promise<IperfEnd>) {
  const { a, b } = trial.testbed;
  const read = () => Promise.all([readTcpCounters(a), readTcpCounters(b)]);
  const [aBefore, bBefore] = await read();
  const end = await work();
  const [aAfter, bAfter] = await read();
  const there = tcpDifferences([aBefore, aAfter], [bBefore, bAfter]);
  const back = tcpDifferences([bBefore, bAfter], [aBefore, aAfter]);
  const counters = { there, back, both: add(there, back) }[direction];
  return { end, counters };
}

function add(one: TcpCounters, other: TcpCounters): TcpCounters {
  return {
    outOfOrder: one.outOfOrder + other.outOfOrder,
    reordered: one.reordered + other.reordered,
    retransmits: one.retransmits + other.retransmits,
    needless: one.needless + other.needless,
  };
}
