// Whether silence of a container's gateway is a fault of the link between them, or a filter of ICMP to this host.
import type { IpAddress } from '../../../lib/address.ts';
import type { Facts } from '../facts.ts';
import { parseRows } from '../text/parse-rows.ts';
import { inNamespace } from '../path/containers.ts';
import type { ContainerLink } from './container-links.ts';

interface NeighbourRow {
  readonly state?: readonly string[];
}

/** Whether the container, after its echo, has no MAC address of the gateway: no filter of ICMP explains that. */
export async function isUnresolved(
  facts: Facts,
  { container, inside }: ContainerLink,
  gateway: IpAddress,
): Promise<boolean> {
  const argv = ['ip', '-j', 'neigh', 'show', 'to', gateway, 'dev', inside.ifname] as const;
  const { code, stdout } = await inNamespace(facts, container.path, ...argv);
  const rows = (code === 0 ? parseRows(stdout) : []) as readonly NeighbourRow[];
  return rows.some(({ state = [] }) => state.includes('FAILED') || state.includes('INCOMPLETE'));
}

/** Whether the kernel of this host answers no echo of a family at all. */
export async function isEchoIgnored(facts: Facts, { path }: ContainerLink): Promise<boolean> {
  const name = path.family === 4 ? 'net/ipv4/icmp_echo_ignore_all' : 'net/ipv6/icmp/echo_ignore_all';
  return ((await facts.sysctl(name)) ?? '0') !== '0';
}
