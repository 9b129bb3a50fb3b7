// Output of `weft route`. Pure.
import type { PeersV1, RouteV1 } from '../../api/index.ts';
import { formatSync } from './format-peers.ts';
import type { Style } from './style.ts';
import { formatTable } from './table.ts';

const DATAPATHS: Readonly<Record<RouteV1['datapath'], string>> = {
  kernel: "through the kernel's VXLAN",
  userspace: "through weft's own packet path",
  direct: 'by a plain route, without a tunnel',
  local: 'to a container of this host',
  none: 'dropped',
};

/** The owner of an address and the route of a packet there, lookup by lookup. */
export function formatRoute(
  { to, lookups, datapath, mtu, overheadBytes, kind }: RouteV1,
  style: Style,
): string {
  const rows = lookups.map(({ table, key, entry, problem }) => [
    `  ${table}`,
    key,
    [entry, problem !== undefined && style.bad(entry === undefined ? problem : `! ${problem}`)]
      .filter(Boolean)
      .join('  '),
  ]);
  const bytes = mtu === undefined ? '' : `, packets of up to ${mtu} bytes`;
  const overhead = overheadBytes === undefined ? '' : ` (${overheadBytes} more on the underlay)`;
  const summary = kind === 'outside' ? 'outside of the overlay' : `${DATAPATHS[datapath]}${bytes}${overhead}`;
  const paint = datapath === 'none' ? style.bad : style.good;
  return `${style.bold(to)}  ${paint(summary)}\n${formatTable(rows)}`;
}

/** The routes to all peers. */
export function formatRoutes({ peers }: PeersV1, style: Style): string {
  const heading = ['DESTINATION', 'HOST', 'MODE', 'STATE'];
  const rows = peers.flatMap((peer) =>
    [peer.ipv4, peer.ipv6]
      .filter((subnet) => subnet !== undefined)
      .map((subnet) => [
        subnet,
        peer.publicIp ?? peer.publicIpv6 ?? '-',
        peer.mode,
        formatSync(peer.state, style),
      ]),
  );
  if (rows.length === 0) return 'no routes: this host is alone in its network\n';
  const [first = '', ...lines] = formatTable([heading, ...rows]).split('\n');
  return [style.dim(first), ...lines].join('\n');
}
