// Checks of routes and policy rules, with the source address and the incoming device of packets
// between containers, and of each device's forwarding.
import { contains, type IpAddress } from '../../../lib/address.ts';
import {
  causeOf,
  renderRule,
  routeArguments,
  type RouteCause,
  type RouteRow,
  type RuleRow,
} from '../../../daemon/trace/policy-routing.ts';
import { truncate, type Check, type Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { ownPathCheck } from './bridges.ts';
import {
  devicesOff,
  KEPT_PROTOCOLS,
  OWN_TABLES,
  readDetours,
  readOwnDetours,
  readRoutes,
  type Detour,
} from './detours.ts';
import { readOwnPaths, type OwnPath } from './own-path.ts';
import type { PathLookup } from './path-lookup.ts';
import { readPeerEnds } from './peer-ends.ts';
import { shellWord, sysctlFix } from '../text/shell-word.ts';

const deviceForwarding = ownPathCheck(
  'device-forwarding',
  'whether the kernel forwards packets that arrive by each device of the path',
  async (facts, path) => {
    const off = await devicesOff(facts, path);
    if (off.length === 0 || (await facts.sysctl('net/ipv4/ip_forward')) === '0') return [];
    return [
      {
        severity: 'error',
        title: `The kernel does not forward packets that arrive by ${off.join(', ')}`,
        evidence: off.map((dev) => `net/ipv4/conf/${dev}/forwarding = 0, though net.ipv4.ip_forward is on`),
        impact: off.some((dev) => path.devices.includes(dev))
          ? 'Containers of this host get no packet of other hosts'
          : 'No packet of these containers leaves this host',
        fix: off.map((dev) => sysctlFix(`net/ipv4/conf/${dev}/forwarding`, 1)).join('; '),
      },
    ];
  },
);

const routeDiverted: Check = {
  id: 'route-diverted',
  about: 'whether packets between containers take the routes of the daemon, also by policy rules',
  run: async (facts) => {
    if (!(await isRoutingByDaemon(facts))) return [];
    const paths = await readOwnPaths(facts);
    const byFamily = await Promise.all(paths.map((path) => divertedIn(facts, path)));
    return byFamily.flat();
  },
};

/** Backends without routes of the daemon lead packets by other means. */
export async function isRoutingByDaemon(facts: Facts): Promise<boolean> {
  const type = (await facts.status)?.network?.backend ?? (await facts.config)?.backend.type;
  return type !== 'alloc' && type !== 'extension';
}

async function divertedIn(facts: Facts, path: OwnPath): Promise<readonly Found[]> {
  const [forwarded, own] = await Promise.all([readDetours(facts, path), readOwnDetours(facts, path)]);
  const detours = [...own, ...forwarded.filter(({ lookup }) => lookup.error !== 'EXDEV')];
  if (detours.length === 0) return [];
  const causes = await readCauses(facts, path, detours);
  return [
    {
      severity: 'error',
      title: "Packets between containers take another route than the daemon's",
      evidence: [...truncate(detours.map(({ lookup }) => renderLookup(lookup))), ...causes.evidence],
      impact: 'Those packets do not arrive',
      fix:
        causes.fixes.length === 0
          ? 'ip rule show; ip route show table all; weft diff'
          : causes.fixes.join('; '),
    },
  ];
}

/** Keys of peers that this host's own packets do not take the right route to. */
export async function readDivertedPeers(facts: Facts): Promise<readonly string[]> {
  if (!(await isRoutingByDaemon(facts))) return [];
  const [paths, ends] = await Promise.all([readOwnPaths(facts), readPeerEnds(facts)]);
  const detours = (await Promise.all(paths.map((path) => readOwnDetours(facts, path)))).flat();
  return ends
    .filter(({ subnet }) => detours.some(({ ends: { to } }) => contains(subnet, to)))
    .map(({ key }) => key);
}

function renderLookup({ command, dev, table, error }: PathLookup): string {
  if (dev !== undefined) return `${command}: dev ${dev}${table === undefined ? '' : ` table ${table}`}`;
  const reason = error === 'blackhole' || error === 'no route' ? 'no route, or blackhole' : error;
  return `${command}: ${reason}`;
}

interface Causes {
  readonly evidence: readonly string[];
  readonly fixes: readonly string[];
}

/** Rules and routes that divert; each once. */
async function readCauses(facts: Facts, path: OwnPath, detours: readonly Detour[]): Promise<Causes> {
  const option = path.family === 4 ? '-4' : '-6';
  const [rules, routes] = await Promise.all([
    facts.ip<RuleRow>(option, 'rule', 'show'),
    readRoutes(facts, path.family),
  ]);
  const evidence = new Set<string>();
  const fixes = new Set<string>();
  for (const detourFound of detours) {
    const cause = causeOfDetour(rules ?? [], routes, path, detourFound);
    if (cause === undefined) continue;
    const { rule, route } = cause;
    const isPolicy = rule.action !== undefined || !OWN_TABLES.has(rule.table ?? 'main');
    const name = isPolicy ? `rule: ${renderRule(rule)}` : '';
    const by = route === undefined ? '' : `${isPolicy ? '; ' : ''}route: ${routeArguments(route)}`;
    evidence.add(`ip ${option} ${name}${by}`);
    fixes.add(
      isPolicy || route === undefined
        ? passRule(path, detourFound.ends.to, rule.priority)
        : `ip ${option} route del ${routeArguments(route, shellWord)}`,
    );
  }
  return { evidence: truncate([...evidence], 3), fixes: [...fixes] };
}

/**
 * What diverts a packet, if it is a rule or a route that others made. The kernel also searches
 * the return path of a packet that it forwards (fib_validate_source), and drops it for an error there.
 */
function causeOfDetour(
  rules: readonly RuleRow[],
  routes: readonly RouteRow[],
  { bridges }: OwnPath,
  { ends, lookup }: Detour,
): RouteCause | undefined {
  const { from, to, iif } = ends;
  const reversed = { ...ends, from: to, to: from, iif: bridges[0]?.ifname ?? 'lo' };
  const candidates = iif === 'lo' || lookup.error === undefined ? [ends] : [ends, reversed];
  return candidates
    .map((packet) => causeOf(rules, routes, packet))
    .find((cause) => {
      if (cause === undefined) return false;
      const { rule, route } = cause;
      if (rule.action !== undefined || !OWN_TABLES.has(rule.table ?? 'main')) return true;
      return route !== undefined && route.dst !== 'default' && !KEPT_PROTOCOLS.has(String(route.protocol));
    });
}

/** Leaves the rule to other traffic, which it may serve. `to` is in the overlay, or a peer's host. */
function passRule({ family, network }: OwnPath, to: IpAddress, priority: number): string {
  const option = family === 4 ? '' : ' -6';
  const target = contains(network, to) ? network : to;
  return `ip${option} rule add to ${target} lookup main pref ${Math.max(priority - 1, 0)}`;
}

/** Source checks of the kernel that drop packets of peers' containers on overlay devices. */
export async function findSourceChecks(facts: Facts): Promise<readonly Found[]> {
  const found = await Promise.all((await readOwnPaths(facts)).map((path) => readDetours(facts, path)));
  const dropped = found.flat().filter(({ lookup }) => lookup.error === 'EXDEV');
  if (dropped.length === 0) return [];
  const devices = [...new Set(dropped.map(({ ends }) => ends.iif))];
  const values = await Promise.all(
    devices.map(async (dev) => {
      const [all, own] = await Promise.all(
        ['all', dev].map((name) => facts.sysctl(`net/ipv4/conf/${name}/rp_filter`)),
      );
      return `net/ipv4/conf/${dev}/rp_filter = ${own}, net/ipv4/conf/all/rp_filter = ${all}: the greater one counts`;
    }),
  );
  return [
    {
      severity: 'error',
      title: `Strict rp_filter on ${devices.join(', ')} drops packets between containers`,
      evidence: [
        ...truncate(
          dropped.map(({ lookup }) => `${lookup.command}: Invalid cross-device link`),
          3,
        ),
        ...values,
      ],
      impact: 'The kernel drops these packets silently',
      fix: devices.map((dev) => sysctlFix(`net/ipv4/conf/${dev}/rp_filter`, 2)).join('; '),
    },
  ];
}

export const ROUTE_CHECKS: readonly Check[] = [deviceForwarding, routeDiverted];
