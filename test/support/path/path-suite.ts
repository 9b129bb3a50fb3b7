// What suites of the packet path share: a pair for the tests of one `describe`, and questions that a user of the tunnel
// would ask.
import assert from 'node:assert/strict';
import { after, before } from 'mocha';
import type { Family } from '../../../lib/address.ts';
import { explainedLoss, type Drops } from './explained-loss.ts';
import { checkTcp, checkUdp } from './impairment.ts';
import type { PathEnd } from './path-host.ts';
import { PathPair, type PathPairOptions } from './path-pair.ts';

export const FAMILIES = [4, 6] as const;
export const ENCAPSULATIONS = ['udp', 'vxlan'] as const;
/** IP and ICMP headers of an echo request; IP and UDP headers are as long. */
export const ECHO_OVERHEAD_BYTES: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };

/** Makes a pair before the tests of a `describe`, and removes it after. */
export function usePair(options: PathPairOptions): () => PathPair {
  let pair: PathPair | undefined;
  before(async () => (pair = await PathPair.create(options)));
  after(async () => pair?.close());
  return () => pair!;
}

/** Output of ping, answered or not. After an ICMP error it still waits. */
export function ping(from: PathEnd, address: string, ...args: string[]): Promise<string> {
  return from.run(['sh', '-c', 'ping -n -c 1 -W 2 "$@" 2>&1 || true', 'sh', ...args, address]);
}

/** Options of ping for a packet of so many bytes that must not be fragmented. */
export const sizeOf = (packetBytes: number, family: Family): string[] => [
  '-M',
  'do',
  '-s',
  String(packetBytes - ECHO_OVERHEAD_BYTES[family]),
];

/** @throws AssertionError with the output of ping, unless it is answered */
export async function assertAnswered(from: PathEnd, address: string, ...args: string[]): Promise<void> {
  assert.match(await ping(from, address, ...args), /1 received/);
}

/** TCP in both directions, `bytes` each. */
export async function assertIntact(pair: PathPair, family: Family, bytes: number): Promise<void> {
  const { a, b } = pair;
  const { client, server } = await checkTcp(a, b, b.overlay[family], { bytes, isBidirectional: true });
  assert.ok(client.isComplete && server.isComplete, JSON.stringify({ client, server }));
}

/** Drops before the receiving socket. */
type UnderwayDrops = Omit<Drops, 'overflow'>;

/** Drops that have explained a loss before, by the end that lost. */
const known = new WeakMap<PathEnd, UnderwayDrops>();

/** Each datagram arrives as it was sent, but for those that some buffer of the kernel had no room for. */
export async function assertDatagramsIntact(
  { port }: PathPair,
  from: PathEnd,
  to: PathEnd,
  family: Family,
  options: Parameters<typeof checkUdp>[3],
): Promise<void> {
  const report = await checkUdp(from, to, to.overlay[family], options);
  assert.equal(report.wrong, 0, JSON.stringify(report));
  const { sends, batches } = report.lost > 0 ? await kernelDrops(from, to, port) : { sends: 0, batches: 0 };
  const explained = explainedLoss({ sends, batches, overflow: report.overflow }, options);
  assert.ok(report.lost <= explained && report.received > 0, JSON.stringify({ ...report, explained }));
}

/** What kernels dropped between the ends of a pair since the last call. */
async function kernelDrops(from: PathEnd, to: PathEnd, port: number): Promise<UnderwayDrops> {
  const total = {
    sends: await from.linkDrops(from.device),
    batches: (await to.socketDrops(port)) + (await from.linkDrops('eth0')),
  };
  const earlier = known.get(to) ?? { sends: 0, batches: 0 };
  known.set(to, total);
  return { sends: total.sends - earlier.sends, batches: total.batches - earlier.batches };
}

/** How much each counter of a weft end grows while `action` goes on. */
export async function growth(
  end: PathEnd,
  action: () => Promise<unknown>,
): Promise<Readonly<Record<string, number>>> {
  const earlier = await end.counters();
  await action();
  const later = await end.counters();
  return Object.fromEntries(Object.entries(later).map(([name, count]) => [name, count - earlier[name]!]));
}
