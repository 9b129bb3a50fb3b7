// Checks how containers of this host route packets to other hosts: by their own routes and policy rules,
// and through which gateway.
import { contains, parseIp } from '../../../lib/address.ts';
import {
  causeOf,
  renderRule,
  routeArguments,
  type RouteCause,
  type RouteRow,
  type RuleRow,
} from '../../../daemon/trace/policy-routing.ts';
import { truncate, type Check } from '../check.ts';
import { links } from '../checks-host.ts';
import type { Facts } from '../facts.ts';
import { isUp, ownPathCheck } from '../path/bridges.ts';
import { inNamespace, readContainers, type Container } from '../path/containers.ts';
import { localAddresses, type OwnPath } from '../path/own-path.ts';
import { OWN_TABLES } from '../path/detours.ts';
import { readPeerEnds, type PeerEnd } from '../path/peer-ends.ts';

/** A container that sends packets for a peer elsewhere, or nowhere. */
interface Lost {
  readonly container: Container;
  readonly evidence: string;
  readonly fixes: readonly string[];
}

const containerRoute = ownPathCheck(
  'container-route',
  'whether containers of this host have a route to other hosts',
  async (facts, path) => {
    const [end] = (await readPeerEnds(facts)).filter(({ family }) => family === path.family);
    const gateway = gatewayAddress(path);
    if (gateway === undefined || end === undefined) return [];
    const containers = await readContainers(facts, path.subnet);
    const found = await Promise.all(
      containers.map((container) => findLost(facts, { path, container, end, gateway })),
    );
    const lost = found.filter((each) => each !== undefined);
    if (lost.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `${lost.length} ${lost.length === 1 ? 'container has' : 'containers have'} no route to other hosts`,
        evidence: truncate(lost.map(({ evidence }) => evidence)),
        impact: 'They reach containers of this host alone, and answer no other host',
        fix: lost
          .slice(0, 5)
          .flatMap(({ container, fixes }) => fixes.map((fix) => `nsenter --net=${container.path} ${fix}`))
          .join('; '),
      },
    ];
  },
);

interface Lookup {
  readonly path: OwnPath;
  readonly container: Container;
  readonly end: PeerEnd;
  /** The bridge's address in the subnet. */
  readonly gateway: string;
}

async function findLost(facts: Facts, lookup: Lookup): Promise<Lost | undefined> {
  const { container, end } = lookup;
  const route = await routeOf(facts, lookup);
  if (route === undefined) return undefined;
  const { rule } = (await causeIn(facts, lookup)) ?? {};
  const by = rule !== undefined && isForeign(rule) ? `, by ip rule ${renderRule(rule)}` : '';
  return {
    container,
    evidence: `container ${container.address}: nsenter --net=${container.path} ip route get ${end.address}: ${route}${by}`,
    fixes: await fixesOf(facts, lookup),
  };
}

/** `undefined` where the route leads to this host, or by a device of another network. */
async function routeOf(facts: Facts, { path, container, end }: Lookup): Promise<string | undefined> {
  const argv = ['ip', '-j', 'route', 'get', end.address] as const;
  const { code, stdout, stderr } = await inNamespace(facts, container.path, ...argv);
  if (code !== 0) return reasonOf(stderr);
  const [{ dev, gateway } = {}] = JSON.parse(stdout) as { dev?: string; gateway?: string }[];
  if (dev === undefined || dev !== deviceOf(container)) return undefined;
  if (gateway !== undefined)
    return localAddresses((await links(facts)) ?? []).has(gateway)
      ? undefined
      : `via ${gateway}, which is no address of this host`;
  const proxies = await Promise.all(
    path.bridges.map(({ ifname }) => facts.sysctl(`net/ipv4/conf/${ifname}/proxy_arp`)),
  );
  return path.family === 6 || proxies.includes('1')
    ? undefined
    : `dev ${dev} without a gateway: no host answers ARP for other subnets there`;
}

function reasonOf(stderr: string): string | undefined {
  if (/unreachable|No route/.test(stderr)) return 'unreachable';
  if (/Invalid argument/.test(stderr)) return 'no route, or blackhole';
  return /Permission denied/.test(stderr) ? 'prohibited' : undefined;
}

const deviceOf = ({ links: rows, address }: Container): string | undefined =>
  rows.find(({ addr_info = [] }) => addr_info.some(({ local }) => local === address))?.ifname;

/** Commands in the namespace of the container. */
async function fixesOf(facts: Facts, lookup: Lookup): Promise<readonly string[]> {
  const { path, container, gateway } = lookup;
  const option = path.family === 4 ? '' : ' -6';
  const addDefault = `ip${option} route replace default via ${gateway}`;
  const device = container.links.find(({ ifname }) => ifname === deviceOf(container));
  if (device !== undefined && !isUp(device)) return [`ip link set ${device.ifname} up`, addDefault];
  const { rule, route } = (await causeIn(facts, lookup)) ?? {};
  if (rule !== undefined && isForeign(rule)) return [`ip${option} rule del pref ${rule.priority}`];
  if (route !== undefined && route.dst !== 'default' && !isOwnSubnet(lookup, route))
    return [
      `ip${option} route del ${routeArguments(route)}`,
      ...(await defaultOf(facts, lookup, addDefault)),
    ];
  return [addDefault];
}

const isForeign = ({ action, table = 'main' }: RuleRow): boolean =>
  action !== undefined || !OWN_TABLES.has(table);

/** What the container's own routes and rules decide. */
async function causeIn(facts: Facts, { path, container, end }: Lookup): Promise<RouteCause | undefined> {
  const option = path.family === 4 ? '-4' : '-6';
  const [rules, routes] = await Promise.all([
    rowsIn<RuleRow>(facts, container, option, 'rule', 'show'),
    rowsIn<RouteRow>(facts, container, option, '-d', 'route', 'show', 'table', 'all'),
  ]);
  return causeOf(rules, routes, { from: container.address, to: end.address, iif: 'lo' });
}

/** A default route, if the container has none. */
async function defaultOf(
  facts: Facts,
  { path, container }: Lookup,
  command: string,
): Promise<readonly string[]> {
  const option = path.family === 4 ? '-4' : '-6';
  const routes = await rowsIn<RouteRow>(facts, container, option, 'route', 'show', 'default');
  return routes.length === 0 ? [command] : [];
}

async function rowsIn<Row>(
  facts: Facts,
  { path }: Container,
  ...args: readonly string[]
): Promise<readonly Row[]> {
  const { code, stdout } = await inNamespace(facts, path, 'ip', '-j', ...args);
  return code === 0 && stdout.trim() !== '' ? (JSON.parse(stdout) as Row[]) : [];
}

/** The kernel's route for the container's address: its prefix length is wrong, not the route. */
const isOwnSubnet = ({ container }: Lookup, { protocol, dst }: RouteRow): boolean =>
  String(protocol) === 'kernel' && dst.includes('/') && container.links.length > 0;

/** The bridge's address in the subnet. */
function gatewayAddress({ bridges, subnet, family }: OwnPath): string | undefined {
  return bridges
    .flatMap(({ addr_info = [] }) => addr_info)
    .find(({ local = '', scope }) => {
      const address = parseIp(local);
      const isOfFamily = local.includes(':') === (family === 6);
      return scope !== 'link' && isOfFamily && address !== undefined && contains(subnet, address);
    })?.local;
}

export const CONTAINER_ROUTE_CHECKS: readonly Check[] = [containerRoute];
