// The model's tables as text, for golden tests and for people.
import { formatEndpoint } from '../../../lib/endpoint.ts';
import type { PacketPath } from '../../../native/packet-path.ts';
import type { MemoryState } from './memory-steps.ts';
import type { MemoryTables } from './memory-tables.ts';
import type { LinkMessage } from '../netlink/link.ts';
import type { RouteMessage } from '../netlink/route.ts';
import { defaultMetric } from '../route-ownership.ts';

/** Sorted lines in the form of `ip`, `bridge` and `sysctl`, and of its own for the packet path. */
export async function renderTables(
  tables: MemoryTables,
  { sysctls, featuresOff }: Pick<MemoryState, 'sysctls' | 'featuresOff'>,
  path: PacketPath,
): Promise<string> {
  const lines: string[] = [];
  for (const link of await tables.links()) lines.push(...(await renderDevice(tables, link)));
  for (const family of [4, 6] as const)
    for (const message of await tables.routes(family)) lines.push(renderRoute(tables, message));
  for (const [file, value] of sysctls) lines.push(`sysctl ${file} = ${value}`);
  for (const feature of featuresOff) lines.push(`feature ${feature} off`);
  for (const { name, encapsulation, local, port } of path.devices()) {
    lines.push(`path ${name} ${encapsulation} local ${local} port ${port}`);
    for (const route of path.routes(name))
      lines.push(`tunnel ${route.destination} dev ${name} remote ${route.remote} port ${route.port}`);
  }
  return lines.sort().join('\n');
}

async function renderDevice(tables: MemoryTables, link: LinkMessage): Promise<readonly string[]> {
  const { index, name } = link;
  const lines = [
    `link ${name} ${link.kind} mtu ${link.mtu} ${link.isUp ? 'up' : 'down'}${renderTunnel(tables, link)}`,
  ];
  for (const { mac, address } of await tables.fdb(index))
    lines.push(`fdb ${mac} dev ${name} dst ${address} self permanent`);
  for (const { address, mac } of await tables.neighbours(index))
    lines.push(`neigh ${address} dev ${name} lladdr ${mac} permanent`);
  for (const { address, prefixLength } of await tables.addresses(index))
    lines.push(`addr ${address}/${prefixLength} dev ${name}`);
  for (const peer of tables.wireguards.read(name)?.peers ?? [])
    lines.push(
      `wg ${peer.publicKey} dev ${name} endpoint ${peer.endpoint && formatEndpoint(peer.endpoint)} allowed-ips ${peer.allowedIps.join(' ')}`,
    );
  return lines;
}

function renderTunnel(tables: MemoryTables, { mac, name, vxlan }: LinkMessage): string {
  const wireguard = tables.wireguards.read(name);
  if (wireguard !== undefined)
    return ` public-key ${wireguard.publicKey} listen-port ${wireguard.listenPort}`;
  if (vxlan === undefined) return '';
  const { vni, local, port, learning, gbp, parentIndex } = vxlan;
  const settings = `address ${mac} id ${vni} local ${local} dev ${tables.nameOf(parentIndex)} dstport ${port}`;
  return ` ${settings}${learning ? '' : ' nolearning'}${gbp ? ' gbp' : ''}`;
}

function renderRoute(tables: MemoryTables, route: RouteMessage): string {
  const via = route.gateway === undefined ? '' : ` via ${route.gateway}`;
  const dev = tables.nameOf(route.index);
  const metric = route.metric === defaultMetric(route.destination) ? '' : ` metric ${route.metric}`;
  const settings = `${via}${dev === undefined ? '' : ` dev ${dev}`} proto ${route.protocol}`;
  return `route ${route.destination}${settings}${metric}${route.isOnLink ? ' onlink' : ''}`;
}
