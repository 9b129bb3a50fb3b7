// Output of `weft route`. Pure.
import type { PeersV1, RouteV1 } from '../../api/index.ts';
import { formatSync } from './format-peers.ts';
import type { Style } from './style.ts';
import { formatTable } from './table.ts';

type Encapsulation = NonNullable<RouteV1['encapsulation']>;

const ENCAPSULATIONS: Readonly<Record<Encapsulation, string>> = {
  vxlan: 'VXLAN',
  udp: 'IP-in-UDP',
  wireguard: 'WireGuard',
  ipip: 'IP-in-IP',
  esp: 'IPsec',
};

/** Where the packet goes, as far as this host's tables say. */
function datapathText({ datapath, dev, encapsulation }: RouteV1): string {
  const protocol = encapsulation === undefined ? 'tunnel' : ENCAPSULATIONS[encapsulation];
  switch (datapath) {
    case 'kernel':
      return `through the kernel's ${protocol}`;
    case 'userspace':
      return encapsulation === 'wireguard'
        ? 'through WireGuard in userspace'
        : "through weft's own packet path";
    case 'direct':
      return 'by a plain route, without a tunnel';
    case 'local':
      return 'to a container of this host';
    case 'unencapsulated':
      return `leaves by ${dev}, without encapsulation`;
    case 'none':
      return 'dropped';
  }
}

/** The owner of an address and the route of a packet there, lookup by lookup. */
export function formatRoute(route: RouteV1, style: Style): string {
  const { to, lookups, datapath, mtu, overheadBytes, kind } = route;
  const rows = lookups.map(({ table, key, entry, problem }) => [
    `  ${table}`,
    key,
    [entry, problem !== undefined && style.bad(entry === undefined ? problem : `! ${problem}`)]
      .filter(Boolean)
      .join('  '),
  ]);
  const bytes = mtu === undefined ? '' : `, packets of up to ${mtu} bytes`;
  const overhead = overheadBytes === undefined ? '' : ` (${overheadBytes} more on the underlay)`;
  const place = kind === 'outside' ? 'outside of the overlay: ' : '';
  const summary = `${place}${datapathText(route)}${bytes}${overhead}`;
  const isLost = datapath === 'none' || datapath === 'unencapsulated';
  const paint = isLost && kind !== 'outside' ? style.bad : style.good;
  return `${style.bold(to)}  ${paint(summary)}\n${formatTable(rows)}`;
}

/** The routes to all peers. */
export function formatRoutes({ peers }: PeersV1, style: Style): string {
  const hasNames = peers.some(({ name }) => name !== undefined);
  const heading = ['DESTINATION', 'HOST', ...(hasNames ? ['NAME'] : []), 'MODE', 'STATE'];
  const rows = peers.flatMap((peer) =>
    [peer.ipv4, peer.ipv6]
      .filter((subnet) => subnet !== undefined)
      .map((subnet) => [
        subnet,
        peer.publicIp ?? peer.publicIpv6 ?? '-',
        ...(hasNames ? [peer.name ?? '-'] : []),
        peer.mode,
        formatSync(peer.state, style),
      ]),
  );
  if (rows.length === 0) return 'no routes: this host is alone in its network\n';
  const [first = '', ...lines] = formatTable([heading, ...rows]).split('\n');
  return [style.dim(first), ...lines].join('\n');
}
