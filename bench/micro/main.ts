// What do the functions of the packet path cost by themselves? The very C of native/path on memory
// alone, beside memcpy of the same bytes, and beside its specification in TypeScript. A round is
// one process; loops are in C, so that no call from JavaScript counts.
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { run } from '../path/path-process.ts';
import { progress } from '../progress.ts';
import type { Measure, BenchmarkRecord, Threshold, Subject } from '../record.ts';
import { referenceOf, type Operation } from './reference.ts';

/** A line of micro.c. */
interface Line {
  readonly name: string;
  /** Bytes of a packet, or number of routes. */
  readonly size: number;
  readonly subject: string;
  readonly ns: number;
  /** Of the time stamp counter; 0 where there is none. */
  readonly ticks: number;
}

const SPECIFICATION = 'TypeScript';
const SPECIFICATION_MS = 5;
/** Before its first round: compiled by then, where that comes at all. */
const WARM_MS = 20;

const TITLES: Readonly<Record<string, string>> = {
  checksum: 'Internet checksum of a packet',
  'encap vxlan': 'Encapsulation VXLAN: parse, route lookup, prepend the header',
  'decap vxlan': 'Decapsulation VXLAN: check the header, parse, sender lookup, ECN',
  'encap udp': 'Encapsulation udp: parse, route lookup, TTL',
  'decap udp': 'Decapsulation udp: check, parse, sender lookup, ECN',
  segmentation: 'Segmentation of a run of 64 KiB, a packet, checksums included',
  coalescing: 'Coalescing to a run of up to 64 KiB or 64 packets, a packet, checksums verified',
  route: 'Route lookup, to one of so many routes at random',
};

/** Thresholds of weft's own subjects beside the reference. */
const THRESHOLDS: Readonly<Record<string, Threshold>> = { checksum: { of: 'ratio', atMost: 4 } };

export async function benchMicro(rounds = 5): Promise<BenchmarkRecord> {
  const program = join(packageRoot(), '.build/micro');
  await run(['sh', join(packageRoot(), 'bench/micro/build.sh'), program], { timeoutMs: 60_000 });
  const all: Line[][] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`micro: round ${round + 1} of ${rounds}`);
    const native = (await run([program]))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    const cases = native.filter(({ subject }) => subject === 'weft');
    all.push([...native, ...cases.map((one) => timeSpecification(one, round))]);
  }
  return {
    benchmark: 'micro',
    invalidatedBy: 'a checksum of 1400 bytes or more takes over four times what copying the same bytes does',
    conditions: { compiler: (await run(['cc', '--version'])).split('\n')[0]!, ticks: ticksOf(all[0]!) },
    measures: measuresOfRounds(all),
  };
}

/** What the ticks are. */
function ticksOf(lines: readonly Line[]): string {
  const long = lines.find(({ size, ns }) => size > 60_000 && ns > 100);
  if (long === undefined || long.ticks === 0) return 'none';
  return `time stamp counter, ${(long.ticks / long.ns).toFixed(2)} GHz`;
}

/** Cases by themselves, since preparing them takes longer than timing them. */
const specifications = new Map<string, Operation>();

function timeSpecification({ name, size }: Line, round: number): Line {
  const key = `${name} ${size}`;
  const operation = specifications.get(key) ?? referenceOf(name, size);
  specifications.set(key, operation);
  if (round === 0) repeat(operation, WARM_MS);
  return { name, size, subject: SPECIFICATION, ns: repeat(operation, SPECIFICATION_MS), ticks: 0 };
}

/** Nanoseconds a packet, over at least so long and at least once. */
function repeat(operation: Operation, ms: number): number {
  const startMs = performance.now();
  let packets = 0;
  do packets += operation();
  while (performance.now() - startMs < ms);
  return ((performance.now() - startMs) * 1e6) / packets;
}

/** For each name and size one in nanoseconds and, if there are ticks, one in these. */
export function measuresOfRounds(rounds: readonly (readonly Line[])[]): Measure[] {
  const cases = rounds[0]!.filter(({ subject }) => subject === 'weft');
  const ns = cases.map((one) => measureOf(one, rounds, 'ns'));
  const hasTicks = cases.some(({ ticks }) => ticks > 0);
  return [...ns, ...(hasTicks ? cases.map((one) => measureOf(one, rounds, 'ticks')) : [])];
}

function measureOf(
  { name, size }: Line,
  rounds: readonly (readonly Line[])[],
  unit: 'ns' | 'ticks',
): Measure {
  const lines = rounds[0]!.filter((line) => line.name === name && line.size === size && line[unit] > 0);
  const subjects = lines.map(({ subject }): Subject => {
    const values = rounds.map(
      (round) => round.find((line) => isOf(line, name, size, subject))?.[unit] ?? null,
    );
    const threshold = unit === 'ns' && subject === 'weft' && size >= 1400 ? THRESHOLDS[name] : undefined;
    const competitor = subject === SPECIFICATION ? { isCompetitor: true as const } : {};
    return {
      name: subject,
      rounds: values,
      ...competitor,
      ...(threshold === undefined ? {} : { threshold }),
    };
  });
  const title = TITLES[name] ?? name;
  return {
    name: unit === 'ns' ? `${name} ${size}` : `${name} ${size}, ticks`,
    title: name === 'route' ? `${size.toLocaleString('en')} routes` : `${size.toLocaleString('en')} bytes`,
    group: unit === 'ns' ? title : `${title}, in ticks`,
    unit,
    better: 'less',
    ...(unit === 'ns' ? { reference: lines[0]!.subject } : {}),
    subjects,
  };
}

function isOf(line: Line, name: string, size: number, subject: string): boolean {
  return line.name === name && line.size === size && line.subject === subject;
}
