// Checks with packets of containers of this host themselves: whether they reach their gateway, and the
// peers that this host reaches. It finds what no other check can name.
import { parseIp, type IpAddress } from '../../../lib/address.ts';
import type { ProbeOutcome, ProbeSpec } from '../../../daemon/connectivity/probe.ts';
import { truncate, type Check, type Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { FIREWALL_CHECKS } from '../checks-firewall.ts';
import { HOST_CHECKS } from '../checks-host.ts';
import { KERNEL_CHECKS } from '../checks-kernel.ts';
import { BRIDGE_CHECKS } from '../path/bridge-checks.ts';
import { walkFirewall, type Doubt } from '../path/firewall-checks.ts';
import { acceptCommand, renderPlace } from '../path/firewall-fix.ts';
import { NAT_CHECKS } from '../path/nat-check.ts';
import { PATH_KERNEL_CHECKS } from '../path/kernel-checks.ts';
import { ROUTE_CHECKS } from '../path/route-checks.ts';
import { name as nameOf, probePeers, type PeerProbe } from '../peer-probes.ts';
import { isEchoIgnored, isUnresolved } from './gateway.ts';
import { readContainerLinks, type ContainerLink } from './container-links.ts';
import { LINK_CHECKS } from './link-checks.ts';
import { CONTAINER_ROUTE_CHECKS } from './route-check.ts';
import { readArpSuspects, readInnerSuspects, readSuspects, type Suspect } from './suspects.ts';
import { shellWord } from '../text/shell-word.ts';

/** Echoes of a series, and how many of them may be lost on a busy host. */
const SERIES = 20;
const LOSS_ALLOWED = 3;
/** Containers that send probes; each costs a process. */
const MAX_CONTAINERS = 3;
const MAX_TARGETS = 3;
const SMALL_BYTES = { 4: 84, 6: 104 } as const;

/** Checks of this host whose errors explain why containers reach nothing. */
const CAUSES: readonly Check[] = [
  ...HOST_CHECKS,
  ...BRIDGE_CHECKS,
  ...ROUTE_CHECKS,
  ...KERNEL_CHECKS,
  ...PATH_KERNEL_CHECKS,
  ...FIREWALL_CHECKS,
  ...NAT_CHECKS,
  ...LINK_CHECKS,
  ...CONTAINER_ROUTE_CHECKS,
];

interface Probed {
  readonly link: ContainerLink;
  readonly gateway: IpAddress;
  /** A peer that this host itself reaches, by small and by large packets. */
  readonly targets: readonly PeerProbe[];
  readonly toGateway: ProbeOutcome;
  /** Whether its link is at fault, and not a filter of ICMP to this host. */
  readonly isGatewayLost: boolean;
  readonly small: readonly ProbeOutcome[];
  readonly large: readonly ProbeOutcome[];
  /** To the first target, in quick succession. */
  readonly series?: ProbeOutcome;
}

function probeContainers(facts: Facts): Promise<readonly Probed[]> {
  return facts.once('container probes', async () => {
    const [all, peers] = await Promise.all([
      readContainerLinks(facts),
      probePeers(facts).catch((): readonly PeerProbe[] => []),
    ]);
    const mtu = (await facts.status)?.network?.mtu;
    const links = all.filter(({ bridge }) => bridge !== undefined).slice(0, MAX_CONTAINERS);
    const found = await Promise.all(links.map((link) => probeTwice(facts, link, peers, mtu)));
    return found.flat();
  });
}

/** A busy host may answer late: what seems lost is sent once more, and the second answer counts. */
async function probeTwice(...args: Parameters<typeof probeFrom>): Promise<readonly Probed[]> {
  const probed = await probeFrom(...args);
  return probed.some((one) => isSmallLost(one) || isLargeLost(one)) ? probeFrom(...args) : probed;
}

async function probeFrom(
  facts: Facts,
  link: ContainerLink,
  peers: readonly PeerProbe[],
  mtu = 0,
): Promise<readonly Probed[]> {
  const { path, container, bridge, inside } = link;
  const gateway = (bridge?.addr_info ?? [])
    .filter(({ scope, local = '' }) => scope !== 'link' && local.includes(':') === (path.family === 6))
    .map(({ local = '' }) => parseIp(local))
    .find((address) => address !== undefined);
  if (gateway === undefined) return [];
  const isOfFamily = ({ overlay }: PeerProbe): boolean => overlay.includes(':') === (path.family === 6);
  const targets = peers.filter((peer) => peer.overlayOk && isOfFamily(peer)).slice(0, MAX_TARGETS);
  const largeBytes = Math.min(inside.mtu, mtu);
  const whole = targets.filter(({ largest = 0 }) => largest >= largeBytes);
  const echo = (to: IpAddress, bytes: number): ProbeSpec => ({ kind: 'echo', to, bytes });
  const small = SMALL_BYTES[path.family];
  const specs = [
    echo(gateway, small),
    ...targets.map(({ overlay }) => echo(overlay, small)),
    ...whole.map(({ overlay }) => echo(overlay, largeBytes)),
    ...targets.slice(0, 1).map(({ overlay }) => ({ ...echo(overlay, small), count: SERIES })),
  ];
  const outcomes = await facts.probeFrom(container.path, specs).catch(() => undefined);
  const [toGateway, ...others] = outcomes ?? [];
  if (toGateway === undefined) return [];
  const smallOutcomes = others.slice(0, targets.length);
  return [
    {
      link,
      gateway,
      targets,
      toGateway,
      isGatewayLost:
        isLost(toGateway) &&
        ((await isUnresolved(facts, link, gateway)) ||
          (reachesNone(smallOutcomes) && !(await isEchoIgnored(facts, link)))),
      small: smallOutcomes,
      large: others.slice(targets.length, targets.length + whole.length),
      ...(targets.length > 0 && { series: others.at(-1)! }),
    },
  ];
}

const isLost = (outcome: ProbeOutcome): boolean => !outcome.ok && outcome.isUntested !== true;
/** A network policy keeps a container from some peers. */
const reachesNone = (small: readonly ProbeOutcome[]): boolean => small.length > 0 && small.every(isLost);
const isSmallLost = ({ small, isGatewayLost }: Probed): boolean =>
  small.length === 0 ? isGatewayLost : reachesNone(small);
const isLargeLost = (probed: Probed): boolean =>
  probed.large.length > 0 &&
  probed.large.every(isLost) &&
  !probed.small.some(isLost) &&
  // What loses small packets as well is no matter of size.
  lostOf(probed) <= LOSS_ALLOWED;

const containerPath: Check = {
  id: 'container-path',
  about: 'whether packets of containers here reach their gateway and the peers that this host reaches',
  run: async (facts) => {
    if (await isExplained(facts)) return [];
    const all = await probeContainers(facts);
    const [lost, cut] = [all.filter(isSmallLost), all.filter(isLargeLost)];
    if (lost.length + cut.length === 0) return [];
    return lost.length > 0 ? [await lostFinding(facts, lost, all.length)] : [await cutFinding(facts, cut)];
  },
  notTested: async (facts) => {
    const links = await readContainerLinks(facts);
    const probed = (await isExplained(facts)) ? [] : await probeContainers(facts);
    const count = new Set(links.map(({ container }) => container.path)).size;
    const tested = new Set(probed.map(({ link }) => link.container.path)).size;
    if (count <= tested) return [];
    return [
      `packets of ${count - tested} of ${count} containers here: weft connectivity sends some from a container of its own`,
    ];
  },
};

function isExplained(facts: Facts): Promise<boolean> {
  return facts.once('container path explained', async () => {
    const found = await Promise.all(CAUSES.map((check) => check.run(facts).catch(() => [])));
    return found.flat().some(({ severity }) => severity === 'error');
  });
}

async function lostFinding(facts: Facts, lost: readonly Probed[], count: number): Promise<Found> {
  const [first] = lost as [Probed];
  const { doubts } = await walkFirewall(facts);
  const suspects = await suspectsOf(facts, first);
  const isAll = lost.length === count;
  // A rule that is not evaluated may be a network policy, which may deny the gateway as well.
  const isCertain = isAll && doubts.length === 0;
  return {
    severity: isCertain ? 'error' : 'warning',
    title: titleOf(lost, count),
    evidence: truncate(
      [
        ...lost.map(describeLost),
        ...suspects.map(({ evidence }) => evidence),
        ...doubts.slice(0, 2).map(({ place }) => `perhaps dropped by ${renderPlace(place)}`),
      ],
      8,
    ),
    impact: isCertain
      ? 'Containers of this host reach no other host'
      : 'They reach no other host; a network policy may intend it',
    fix: suspects.length === 0 && doubts.length > 0 ? lossFix(first, doubts) : fixOf(first, suspects),
  };
}

function titleOf(lost: readonly Probed[], count: number): string {
  if (lost.length < count) return `Packets of ${lost.length} of ${count} containers here reach no peer`;
  return lost.some(({ targets }) => targets.length > 0)
    ? 'Packets of containers here do not reach the peers that this host reaches'
    : 'Packets of containers here do not reach their gateway';
}

function describeLost({ link, gateway, toGateway, isGatewayLost, targets, small }: Probed): string {
  const from = `container ${link.container.address}`;
  if (isGatewayLost) return `${from}: no answer of its gateway ${gateway}: ${reasonOf(toGateway)}`;
  const [target] = targets;
  return `${from}: ${gateway} ${toGateway.ok ? 'answers' : 'ignores echoes'}; from ${target === undefined ? 'peers' : nameOf(target)}: ${reasonOf(small[0])}`;
}

const reasonOf = (outcome?: ProbeOutcome): string =>
  outcome === undefined || outcome.ok ? 'no answer' : outcome.reason;

/** Devices that the packet passes in turn, the container aside. */
async function suspectsOf(facts: Facts, { link, isGatewayLost }: Probed): Promise<readonly Suspect[]> {
  const { outside, bridge, path, container } = link;
  const near = [outside?.ifname, bridge?.ifname].filter((name) => name !== undefined);
  const devices = isGatewayLost ? near : [...near, ...path.devices];
  const found = await Promise.all([
    readSuspects(facts, devices),
    isGatewayLost && bridge !== undefined ? readArpSuspects(facts, bridge.ifname) : [],
    readInnerSuspects(facts, container.path),
  ]);
  return found.flat();
}

function fixOf({ link, gateway, isGatewayLost }: Probed, suspects: readonly Suspect[]): string {
  const [suspect] = suspects;
  if (suspect !== undefined && suspects.length === 1)
    return `${suspect.fix}${suspect.fix.includes('#') ? '' : '  # unless another program needs it'}`;
  const enter = `nsenter --net=${shellWord(link.container.path)}`;
  const device = isGatewayLost ? link.bridge?.ifname : link.path.devices[0];
  const see = `${enter} ping -c 3 ${gateway}; tcpdump -ni ${shellWord(device ?? 'any')} icmp`;
  return suspects.length === 0
    ? `${see}  # and where the packet ends: ip -s link, nft list ruleset, bpftool net`
    : `${suspects.map(({ fix }) => fix).join('  # or\n')}  # one at a time, unless another program needs it`;
}

async function cutFinding(facts: Facts, cut: readonly Probed[]): Promise<Found> {
  const [first] = cut as [Probed];
  const mtu = (await facts.status)?.network?.mtu ?? 0;
  const { container, inside, outside, bridge, path } = first.link;
  const rows = [inside, outside, bridge].filter((row) => row !== undefined);
  const bytes = Math.min(inside.mtu, mtu);
  return {
    severity: 'error',
    title: `Packets of ${bytes} bytes of containers here do not reach the peers that this host reaches with them`,
    evidence: [
      `container ${container.address}: ${reasonOf(first.large[0])}`,
      ...rows.map(({ ifname, mtu: own }) => `ip link show ${ifname}: mtu ${own}`),
      ...(await readSuspects(facts, [...rows.map(({ ifname }) => ifname), ...path.devices])).map(
        ({ evidence }) => evidence,
      ),
    ],
    impact: 'Small packets pass and large packets are lost: connections open and then hang',
    fix:
      rows
        .slice(1)
        .filter((row) => row.mtu < bytes)
        .map(({ ifname }) => `ip link set ${shellWord(ifname)} mtu ${bytes}`)
        .join('; ') ||
      `nsenter --net=${shellWord(container.path)} ip link set ${shellWord(inside.ifname)} mtu 1280  # until the device that drops is found`,
  };
}

const lostOf = ({ series }: Probed): number => (series?.ok === true ? (series.lost ?? 0) : 0);

const packetLoss: Check = {
  id: 'packet-loss',
  about: 'whether packets of containers to peers are lost at random',
  run: async (facts) => {
    if (await isExplained(facts)) return [];
    const cut = (await probeContainers(facts)).filter((probed) => lostOf(probed) > LOSS_ALLOWED);
    const [first] = cut;
    if (first === undefined) return [];
    const { doubts } = await walkFirewall(facts);
    const suspects = await suspectsOf(facts, first);
    return [
      {
        severity: 'warning',
        title: 'Packets of containers to peers are lost at random',
        evidence: [
          ...cut.map(
            (probed) =>
              `container ${probed.link.container.address}: ${lostOf(probed)} of ${SERIES} echoes to ${nameOf(probed.targets[0]!)} got no answer`,
          ),
          ...suspects.map(({ evidence }) => evidence),
          ...doubts.slice(0, 3).map(({ place }) => `perhaps dropped by ${renderPlace(place)}`),
        ],
        impact: 'Connections are slow, or end',
        fix: suspects.length > 0 ? fixOf(first, suspects) : lossFix(first, doubts),
      },
    ];
  },
};

/** A rule that drops some packets is the likeliest cause, then the network itself. */
function lossFix({ link: { path } }: Probed, doubts: readonly Doubt[]): string {
  const { underlay, devices } = path;
  const rules = doubts.slice(0, 3).map(({ place, traffic }) => acceptCommand(place, traffic));
  const see = [...devices, underlay?.name ?? '']
    .filter((name) => name !== '')
    .map((name) => `ip -s link show ${shellWord(name)}`);
  return rules.length > 0
    ? `${[...new Set(rules)].join('; ')}  # if one of them drops; else ${see.join('; ')}`
    : `${see.join('; ')}; ethtool -S ${shellWord(underlay?.name ?? 'eth0')}  # drops and errors; then the network between the hosts`;
}

export const CONTAINER_PATH_CHECKS: readonly Check[] = [containerPath, packetLoss];
