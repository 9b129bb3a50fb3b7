// The lab's one-shot check: everything reachable from everywhere, and how fast. Shared by `weft lab run` and the demo.
import { networkOf, parseCidr } from '../lib/address.ts';
import type { Lab, LabOptions } from './lab.ts';
import { measureBeside, type BesideReport } from './beside.ts';
import { pingAll, tcpThroughput, type CongestionControl, type PingReport } from './probe.ts';

export interface LabReport {
  readonly hosts: readonly { readonly name: string; readonly publicIp: string; readonly subnet: string }[];
  readonly ping: PingReport;
  /** One TCP stream from the first container to the second, in Gbit/s; `null` with fewer than two hosts. */
  readonly tcpGbitPerSec: number | null;
  readonly tcpCongestionControl: CongestionControl;
  /** Only if asked for, with two hosts at least. */
  readonly beside?: BesideReport;
  readonly ok: boolean;
}

const TCP_SECONDS = 2;

/** Tests a lab whose hosts all have their containers. `beside`: options of `lab`, to measure the kernel's VXLAN as well. */
export async function checkLab(
  lab: Lab,
  onStep: (text: string) => void,
  beside?: LabOptions,
): Promise<LabReport> {
  const running = lab.topology.hosts.filter((host) => !host.isBare);
  const hosts = await Promise.all(
    running.map(async ({ name, publicIp }) => ({ name, publicIp, subnet: await subnetOf(lab, name) })),
  );
  await lab.waitUntilReady();
  onStep(`pinging every container from every other (${hosts.length * (hosts.length - 1)} pairs)`);
  const ping = await pingAll(lab);
  const tcp = { congestion: 'cubic', seconds: TCP_SECONDS } as const;
  const [first, second] = running;
  let tcpGbitPerSec: number | null = null;
  let besideReport: BesideReport | undefined;
  if (first && second && ping.lost === 0) {
    onStep(
      `one TCP stream (${tcp.congestion}) from ${first.container} to ${second.container}, ${tcp.seconds} s`,
    );
    const stream = { ...tcp, from: first.container, to: second.container };
    tcpGbitPerSec = Math.round((await tcpThroughput(lab, stream)) * 100) / 100;
    if (beside) {
      onStep("the same beside the kernel's VXLAN, by turns");
      besideReport = await measureBeside(lab, beside, stream);
    }
  }
  return {
    hosts,
    ping,
    tcpGbitPerSec,
    tcpCongestionControl: tcp.congestion,
    ...(besideReport && { beside: besideReport }),
    ok: ping.lost === 0,
  };
}

/** The first network in a host's subnet.env, for example `10.5.72.0/24`; `-` if there is none. */
export async function subnetOf(lab: Lab, name: string): Promise<string> {
  const match = /^FLANNEL_(?:IPV6_)?SUBNET=(.*)$/m.exec(await lab.readSubnetEnv(name));
  const cidr = parseCidr(match?.[1] ?? '');
  return cidr ? networkOf(cidr.address, cidr.prefixLength) : '-';
}
