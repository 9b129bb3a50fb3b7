// A lab for the tests of one `describe`: made before, removed after, its logs shown when a test fails. And questions to
// the kernel of its hosts, answered by iproute2.
import { Lab, type LabOptions } from '../../lab/lab.ts';
import { subnetOf } from '../../lab/run.ts';
import { waitFor } from '../../lab/wait.ts';

let count = 0;

/** Registers hooks that make and remove a lab; the returned function gives it to tests. */
export function useLab(options: Omit<LabOptions, 'name'>): () => Lab {
  let lab: Lab | undefined;
  before(async () => {
    count += 1;
    lab = await Lab.create({ name: `test-${process.pid}-${count}`, ...options });
  });
  afterEach(async function showLogs() {
    if (this.currentTest?.state !== 'failed' || lab === undefined) return;
    for (const { name } of lab.topology.hosts.slice(0, 4))
      console.error(`--- ${name}\n${await lab.logTail(name, 25)}`);
  });
  after(async () => lab?.down());
  return () => lab!;
}

/** The document of a host's `ip -j …` or `bridge -j …`, which is a list. */
export async function ask<Row>(lab: Lab, netns: string, command: string): Promise<Row[]> {
  const { code, stdout, stderr } = await lab.query(netns, command.split(' '));
  if (code !== 0) throw new Error(`'${command}' in ${netns} failed (${code}): ${stderr || stdout}`);
  return JSON.parse(stdout.trim() === '' ? '[]' : stdout) as Row[];
}

export interface HostView {
  readonly subnet: string;
  readonly mac: string;
  readonly publicIp: string;
}

/** A host's subnet and VTEP MAC as they are now. */
export async function viewOf(lab: Lab, name: string, device = 'flannel.1'): Promise<HostView> {
  const links = await ask<{ address: string }>(lab, name, `ip -j link show ${device}`);
  return { subnet: await subnetOf(lab, name), mac: links[0]!.address, publicIp: lab.host(name).publicIp };
}

export async function waitUntilReady(lab: Lab, name: string, timeoutMs = 60_000): Promise<void> {
  await waitFor(`${name} to be ready`, () => lab.isReady(name), timeoutMs, 50).catch(async (error: Error) => {
    throw new Error(`${error.message}; its log ends with:\n${await lab.logTail(name, 10)}`);
  });
}

/** Whether one ping from container `from` to the container of host `to` is answered within a second. */
export async function canPing(lab: Lab, from: string, to: string): Promise<boolean> {
  const address = await lab.containerAddress(to);
  return (await lab.query(from, ['ping', '-q', '-c', '1', '-W', '1', address])).code === 0;
}

/** Whether a shell condition succeeds in a namespace. */
export async function shellTest(lab: Lab, netns: string, condition: string): Promise<boolean> {
  return (await lab.query(netns, ['sh', '-c', condition])).code === 0;
}

/** Peers that a host's kernel leads to: subnets with a route, a neighbour and an FDB entry, sorted. */
export async function programmedPeers(lab: Lab, name: string, device = 'flannel.1'): Promise<string[]> {
  const routes = await ask<{ dst: string; gateway?: string }>(lab, name, `ip -j route show dev ${device}`);
  const neighbours = await ask<{ dst: string; lladdr: string; state: string[] }>(
    lab,
    name,
    `ip -j neigh show dev ${device}`,
  );
  const entries = await ask<{ mac: string; dst?: string }>(lab, name, `bridge -j fdb show dev ${device}`);
  const macs = new Map(neighbours.map((neighbour) => [neighbour.dst, neighbour.lladdr]));
  return routes
    .filter(({ gateway }) =>
      entries.some((entry) => entry.mac === macs.get(gateway ?? '') && entry.dst !== undefined),
    )
    .map((route) => route.dst)
    .toSorted();
}

/** Text of the key of a subnet below `subnets/`, for example `10.5.72.0-24`. */
export function subnetKey(subnet: string): string {
  return subnet.replace('/', '-');
}
