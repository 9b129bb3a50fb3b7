// Measurements in a lab: pings between all containers and TCP throughput between two.
import type { Lab } from './lab.ts';

export interface PingReport {
  /** Ordered pairs of containers; both families of a pair are pinged. */
  readonly pairs: number;
  readonly sent: number;
  readonly lost: number;
  /** Pairs that lost something, as `c1>c2`. */
  readonly broken: readonly string[];
}

export type CongestionControl = 'cubic' | 'bbr';

const PINGS_PER_PAIR = 3;

export interface PingOptions {
  /** Packets of the full MTU of the sender's subnet.env, with DF, instead of small ones. */
  readonly isFullSize?: boolean;
  /** Default: all hosts that are not bare. */
  readonly hosts?: readonly string[];
}

/** Pings every container from every other: {@link PINGS_PER_PAIR} echo requests a pair and family. */
export async function pingAll(lab: Lab, options: PingOptions = {}): Promise<PingReport> {
  const hosts = lab.topology.hosts.filter(({ name, isBare }) => options.hosts?.includes(name) ?? !isBare);
  const targets = await Promise.all(
    hosts.map(async ({ container, name }) => ({
      container,
      addresses: await lab.containerAddresses(name),
      mtu: options.isFullSize ? await mtuOf(lab, name) : undefined,
    })),
  );
  const reports: { pair: string; sent: number; lost: number }[] = [];
  for (const from of targets) {
    const others = targets.filter((target) => target !== from);
    const received = await pingFrom(
      lab,
      from.container,
      others.flatMap((other) => other.addresses),
      from.mtu,
    );
    for (const { container, addresses } of others) {
      const sent = addresses.length * PINGS_PER_PAIR;
      const lost = addresses.reduce((sum, address) => sum - (received.get(address) ?? 0), sent);
      reports.push({ pair: `${from.container}>${container}`, sent, lost });
    }
  }
  return {
    pairs: reports.length,
    sent: reports.reduce((sum, report) => sum + report.sent, 0),
    lost: reports.reduce((sum, report) => sum + report.lost, 0),
    broken: reports.filter((report) => report.lost > 0).map((report) => report.pair),
  };
}

/** MTU for containers, in bytes. */
async function mtuOf(lab: Lab, name: string): Promise<number> {
  return Number(/^FLANNEL_MTU=(\d+)$/m.exec(await lab.readSubnetEnv(name))?.[1]);
}

/** Bytes of headers before the data of an echo request: ICMP's 8 behind an IP header without options. */
const PING_HEADER_BYTES = { 4: 28, 6: 48 } as const;

/** Number of replies from each address, all pinged at once from container `from`, with packets of `mtu` bytes if given. */
async function pingFrom(
  lab: Lab,
  from: string,
  addresses: readonly string[],
  mtu?: number,
): Promise<ReadonlyMap<string, number>> {
  const script = `while [ $# -gt 0 ]; do (ping -q -c ${PINGS_PER_PAIR} -i 0.05 -W 2 $2 "$1" | sed "s/^/$1 /") & shift 2; done; wait`;
  const args = addresses.flatMap((address) => {
    const headerBytes = PING_HEADER_BYTES[address.includes(':') ? 6 : 4];
    return [address, mtu === undefined ? '' : `-M do -s ${mtu - headerBytes}`];
  });
  const { stdout } = await lab.exec(from, ['sh', '-c', script, 'sh', ...args]);
  const received = new Map<string, number>();
  for (const [, address, count] of stdout.matchAll(/^(\S+) \d+ packets transmitted, (\d+) received/gm))
    received.set(address!, Number(count));
  return received;
}

export interface ThroughputOptions {
  readonly from: string;
  readonly to: string;
  readonly congestion: CongestionControl;
  readonly seconds: number;
}

/** Gbit/s that one TCP stream carries from container `from` to container `to`. */
export async function tcpThroughput(lab: Lab, options: ThroughputOptions): Promise<number> {
  const { from, to, congestion, seconds } = options;
  const address = await lab.containerAddress(lab.host(to).name);
  await lab.check(to, ['iperf3', '--server', '--one-off', '--daemon', '--idle-timeout', '30']);
  const client = ['iperf3', '--client', address, '--time', String(seconds), '--congestion', congestion];
  const output = await lab.check(from, [...client, '--json', '--connect-timeout', '5000'], {
    timeoutMs: (seconds + 15) * 1000,
  });
  return receivedGbit(output);
}

/** Gbit/s that the receiver counted. @throws Error with iperf3's own: it may end with exit code 0 and without a result */
export function receivedGbit(report: string): number {
  const { end, error } = JSON.parse(report) as IperfReport;
  const bits = end?.sum_received?.bits_per_second;
  if (bits === undefined) throw new Error(`iperf3 measured nothing: ${error ?? 'its report has no result'}`);
  return bits / 1e9;
}

interface IperfReport {
  readonly end?: { readonly sum_received?: { readonly bits_per_second: number } };
  readonly error?: string;
}
