// A lab's backend beside the kernel's VXLAN: the same underlay in a second lab, streams in both by turns, so that what else
// the machine does falls on both.
import { Lab, type LabOptions } from './lab.ts';
import { tcpThroughput, type ThroughputOptions } from './probe.ts';

export interface BesideReport {
  readonly reference: 'vxlan';
  /** Medians of {@link rounds}. */
  readonly tcpGbitPerSec: number;
  readonly referenceGbitPerSec: number;
  /** Of the lab to the reference in the same round: median, smallest and largest. */
  readonly ratio: { readonly median: number; readonly least: number; readonly most: number };
  readonly rounds: number;
}

export interface Round {
  readonly gbitPerSec: number;
  readonly referenceGbitPerSec: number;
}

/** Odd: the median is one of them. */
const ROUNDS = 3;

/** `options`: those of `lab`, whose second container a stream of `stream` goes to. */
export async function measureBeside(
  lab: Lab,
  options: LabOptions,
  stream: ThroughputOptions,
): Promise<BesideReport> {
  const reference = await Lab.create(referenceOptions(options));
  try {
    await reference.waitUntilReady();
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++)
      rounds.push({
        referenceGbitPerSec: await tcpThroughput(reference, { ...stream, from: 'c1', to: 'c2' }),
        gbitPerSec: await tcpThroughput(lab, stream),
      });
    return besideReport(rounds);
  } finally {
    await reference.down();
  }
}

/** Two hosts with the kernel's VXLAN, on the same underlay and with the same networks. */
export function referenceOptions(options: LabOptions): LabOptions {
  const { name, daemonFlags = [], config = '{}' } = options;
  const document = { ...(JSON.parse(config) as object), Backend: { Type: 'vxlan' } };
  return {
    ...options,
    name: `${name}-beside`,
    hosts: 2,
    bare: [],
    userspace: [],
    outside: false,
    config: JSON.stringify(document),
    daemonFlags: [...daemonFlags, '--userspace=false'],
  };
}

/** `rounds`: at least one. */
export function besideReport(rounds: readonly Round[]): BesideReport {
  const ratios = sorted(rounds.map((round) => round.gbitPerSec / round.referenceGbitPerSec));
  return {
    reference: 'vxlan',
    tcpGbitPerSec: middle(sorted(rounds.map(({ gbitPerSec }) => gbitPerSec))),
    referenceGbitPerSec: middle(sorted(rounds.map(({ referenceGbitPerSec }) => referenceGbitPerSec))),
    ratio: { median: middle(ratios), least: ratios[0]!, most: ratios.at(-1)! },
    rounds: rounds.length,
  };
}

function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

function middle(values: readonly number[]): number {
  return values[Math.floor(values.length / 2)]!;
}
