// What the kernel's routes do with packets between containers, and with those of the tunnel, where they end
// elsewhere than on the path: by devices, marks and protocols of packets, as policy rules ask for them.
import {
  addToAddress,
  bitsOf,
  contains,
  familyOf,
  parseIp,
  prefixLengthOf,
  type Cidr,
  type Family,
  type IpAddress,
} from '../../../lib/address.ts';
import type { RouteRow, RuleRow } from '../../../daemon/trace/policy-routing.ts';
import { evaluate } from '../../../daemon/trace/evaluate.ts';
import type { Facts } from '../facts.ts';
import { isUp } from './bridges.ts';
import { readFirewall } from './firewall-facts.ts';
import type { OwnPath } from './own-path.ts';
import { lookupPath, type Ends, type PathLookup } from './path-lookup.ts';
import { halvesOf, readPeerEnds, type PeerEnd } from './peer-ends.ts';

/** IPv6 forwards by one setting for all devices (net.ipv6.conf.all.forwarding). */
export async function devicesOff(
  facts: Facts,
  { family, devices, bridges }: OwnPath,
): Promise<readonly string[]> {
  if (family === 6) return [];
  const names = [...devices, ...bridges.map(({ ifname }) => ifname)];
  const values = await Promise.all(names.map((dev) => facts.sysctl(`net/ipv4/conf/${dev}/forwarding`)));
  return names.filter((_, index) => values[index] === '0');
}

export interface Detour {
  readonly ends: Ends;
  readonly lookup: PathLookup;
}

/** Lookups of packets to and from each peer that end elsewhere than on the path. */
export function readDetours(facts: Facts, path: OwnPath): Promise<readonly Detour[]> {
  return facts.once(`detours ${path.family}`, async () => {
    const bridge = path.bridges.find(isUp);
    const [device] = path.devices;
    const off = await devicesOff(facts, path);
    const isForwarding = (await facts.sysctl('net/ipv4/ip_forward')) !== '0' || path.family === 6;
    if (bridge === undefined || device === undefined || off.length > 0 || !isForwarding) return [];
    const [all, routes] = await Promise.all([readPeerEnds(facts), readRoutes(facts, path.family)]);
    const ends = all.filter(({ family }) => family === path.family);
    const kinds = await readPacketKinds(facts, path.family);
    const found = await Promise.all(
      ends.flatMap((end) =>
        kinds.flatMap((protocol) => [
          ...[...new Set([end.address, ...within(routes, end.subnet)])].map((to) =>
            sentDetours(
              facts,
              { path, end, device },
              { from: path.address, to, iif: bridge.ifname, ...protocol },
            ),
          ),
          withMark(
            facts,
            { from: end.address, to: path.address, iif: device, ...protocol },
            bridge.ifname,
          ).then((packet) =>
            detour(facts, packet, ({ dev }) => path.bridges.some(({ ifname }) => ifname === dev)),
          ),
        ]),
      ),
    );
    return found.flat();
  });
}

interface Sent {
  readonly path: OwnPath;
  readonly end: PeerEnd;
  readonly device: string;
}

/** Of a packet to a peer, and of the tunnel's that carries it: encapsulation keeps the mark (skb_scrub_packet). */
async function sentDetours(
  facts: Facts,
  { path, end, device }: Sent,
  packet: Ends,
): Promise<readonly Detour[]> {
  const ends = await withMark(facts, packet, device);
  const { underlay } = path;
  const inner = await detour(facts, ends, (lookup) => isOnPath(path, end, lookup));
  const { mark } = ends;
  if (mark === undefined || path.isRouted || underlay === undefined || end.underlay === undefined)
    return inner;
  if (familyOf(end.underlay) !== path.family) return inner;
  const outer: Ends = { from: underlay.address, to: end.underlay, iif: 'lo' };
  const { dev, gateway } = await lookupPath(facts, outer);
  const marked = await detour(
    facts,
    { ...outer, mark },
    (lookup) => lookup.dev === dev && lookup.gateway === gateway,
  );
  return [...inner, ...marked];
}

/** Protocols that the kernel is asked about: few policy rules are about one. */
async function readPacketKinds(facts: Facts, family: Family): Promise<readonly Pick<Ends, 'protocol'>[]> {
  const rules = (await facts.ip<RuleRow>(family === 4 ? '-4' : '-6', 'rule', 'show')) ?? [];
  const hasProtocols = rules.some(({ ipproto }) => ipproto !== undefined);
  return hasProtocols ? [{}, { protocol: 'tcp' }, { protocol: 'udp' }] : [{}];
}

/** The packet with the mark that rules of the firewall set before it is routed, if that is certain. */
async function withMark(facts: Facts, ends: Ends, device: string): Promise<Ends> {
  const { tables } = await readFirewall(facts);
  const { from, to, iif, protocol = 'tcp' } = ends;
  const isUdp = protocol === 'udp';
  const { packet } = evaluate(tables, 'prerouting', {
    family: familyOf(from),
    protocol: isUdp ? 'udp' : 'tcp',
    source: from,
    target: to,
    sourcePort: 40_001,
    targetPort: 39_999,
    iif,
    oif: device,
    state: 'new',
    isToHost: false,
    mark: 0,
  });
  return packet.mark === undefined || packet.mark === 0 ? ends : { ...ends, mark: packet.mark };
}

async function detour(
  facts: Facts,
  ends: Ends,
  isRight: (lookup: PathLookup) => boolean,
): Promise<readonly Detour[]> {
  const lookup = await lookupPath(facts, ends);
  return isRight(lookup) ? [] : [{ ends, lookup }];
}

/**
 * Whether a packet to a peer leaves by an overlay device, or straight to the host of the peer as
 * with host-gw and direct routing.
 */
export function isOnPath(path: OwnPath, end: PeerEnd, { dev, gateway, table }: Partial<PathLookup>): boolean {
  if (dev === undefined) return false;
  if (!path.isRouted && path.devices.includes(dev)) return true;
  return table === undefined && (path.isRouted || gateway === end.underlay) && dev === path.underlay?.name;
}

/** Lookups of packets of this host itself: an address of each half of a peer's subnet. */
export async function readOwnDetours(facts: Facts, path: OwnPath): Promise<readonly Detour[]> {
  const [all, routes] = await Promise.all([readPeerEnds(facts), readRoutes(facts, path.family)]);
  const ends = all.filter(({ family }) => family === path.family);
  const found = await Promise.all(
    ends.flatMap((end) =>
      [...new Set([...halvesOf(end), ...within(routes, end.subnet)])].map((to) =>
        detour(facts, { from: path.address, to, iif: 'lo' }, (lookup) => isOnPath(path, end, lookup)),
      ),
    ),
  );
  return found.flat();
}

/** Routes of all tables. */
export async function readRoutes(facts: Facts, family: Family): Promise<readonly RouteRow[]> {
  const option = family === 4 ? '-4' : '-6';
  return (await facts.ip<RouteRow>(option, '-d', 'route', 'show', 'table', 'all')) ?? [];
}

/** Most routes of one peer's subnet that the kernel is asked about. */
const MAX_ROUTES = 4;

/** An address of each route of others that is more specific than that of a subnet. */
function within(routes: readonly RouteRow[], subnet: Cidr): readonly IpAddress[] {
  return routes
    .filter(({ protocol }) => !KEPT_PROTOCOLS.has(String(protocol)))
    .map(({ dst }) => ({ first: parseIp(dst.replace(/\/.*/, '')), length: Number(dst.split('/')[1] ?? 128) }))
    .filter(
      ({ first, length }) =>
        first !== undefined && length > prefixLengthOf(subnet) && contains(subnet, first),
    )
    .map(({ first, length }) => (length >= bitsOf(familyOf(subnet)) ? first! : addToAddress(first!, 1n)))
    .slice(0, MAX_ROUTES);
}

/** Tables that packets search without a rule of another program. */
export const OWN_TABLES: ReadonlySet<string> = new Set(['main', 'local', 'default']);
/** Routes of the kernel itself, for the addresses of devices, and those of the daemon. */
export const KEPT_PROTOCOLS: ReadonlySet<string> = new Set(['kernel', '87']);
