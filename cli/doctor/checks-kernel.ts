// Whether the kernel does with packets to peers what the daemon wants, and whether somebody keeps it from that.
import { addressOf, contains, parseCidr, type Cidr } from '../../allocator/address.ts';
import { wayOf } from '../../backends/way.ts';
import type { DifferenceV1, PeerV1 } from '../../daemon/control/types.ts';
import { firstOf, type Check, type Found } from './check.ts';
import type { Facts } from './facts.ts';

/** Peers that are looked at one by one; in large clusters the first ones stand for all. */
export const MAX_PEERS_LOOKED_AT = 32;

/** What differs for so long is not on its way any more. */
const STEADY_MS = 600;

const kernelDrift: Check = {
  id: 'kernel-drift',
  about: 'whether devices, routes, neighbours, FDB entries and rules are as they should be',
  run: async (facts) => {
    const before = await facts.readDiff();
    if (before === undefined || before.differences.length === 0) return [];
    await new Promise((resolve) => setTimeout(resolve, STEADY_MS));
    const seen = new Set(before.differences.map(({ object }) => object));
    const steady = (await facts.readDiff())?.differences.filter(({ object }) => seen.has(object)) ?? [];
    if (steady.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `The kernel lacks or holds other than it should: ${steady.length} objects`,
        evidence: firstOf(steady.map(describeDifference)),
        consequence: 'Packets of these peers or containers are lost or go elsewhere',
        remedy: 'weft diff; weft watch shows whether it comes back; journalctl -u weft',
      },
    ];
  },
};

function describeDifference({ kind, object, what, reason }: DifferenceV1): string {
  return `${kind}: ${object}${what === undefined ? '' : ` (${what})`}${reason === undefined ? '' : `: ${reason}`}`;
}

const contested: Check = {
  id: 'contested',
  about: 'whether something else keeps changing what the daemon sets',
  run: async (facts) => {
    const objects = (await facts.status)?.kernel?.contested ?? [];
    if (objects.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'Something on this host keeps changing what the daemon sets',
        evidence: firstOf(objects),
        consequence: 'Packets are lost each time until it is set again',
        remedy:
          'weft watch; find the other program: NetworkManager, systemd-networkd, flanneld, a script (auditctl, bpftrace)',
      },
    ];
  },
};

const peerError: Check = {
  id: 'peer-error',
  about: 'peers that this host cannot send to',
  run: async (facts) => {
    const wrong = (await facts.peers)?.peers.filter(({ state }) => state === 'error') ?? [];
    if (wrong.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `${wrong.length} ${wrong.length === 1 ? 'peer' : 'peers'} cannot be sent to`,
        evidence: firstOf(wrong.map(({ key, reason }) => `${key}: ${reason ?? 'no reason given'}`)),
        consequence: 'Containers of those hosts are not reached from here',
        remedy:
          'weft peers -p; on that host: weft status. A key of a host that is gone: weft leases release SUBNET',
      },
    ];
  },
};

interface RouteGet {
  readonly dev?: string;
  readonly gateway?: string;
  readonly type?: string;
}

const routeDiverted: Check = {
  id: 'route-diverted',
  about: "whether packets to peers' subnets take the way that the daemon made",
  run: async (facts) => {
    const [status, peers] = await Promise.all([facts.status, facts.peers]);
    const devices = new Set([...(status?.network?.devices ?? []), status?.interface?.name ?? '']);
    const subnets = reached(peers?.peers).flatMap(({ ipv4, ipv6 }) =>
      [ipv4, ipv6].filter((one) => one !== undefined),
    );
    const lines = await Promise.all(subnets.map((subnet) => describeDetour(facts, subnet as Cidr, devices)));
    const detours = lines.flat();
    if (detours.length === 0) return [];
    return [
      {
        severity: 'error',
        title: "Packets to peers' subnets take another way than the daemon made",
        evidence: [...firstOf(detours), ...(await foreignRules(facts))],
        consequence: 'They do not arrive',
        remedy: 'ip rule show; ip route show table all; remove the rule, or the route that is more specific',
      },
    ];
  },
};

function reached(peers: readonly PeerV1[] = []): readonly PeerV1[] {
  return peers
    .filter(({ state, mode }) => state === 'in-sync' && mode !== 'none')
    .slice(0, MAX_PEERS_LOOKED_AT);
}

/** Looks at both halves of a subnet: what covers one is more specific than the daemon's. */
async function describeDetour(
  facts: Facts,
  subnet: Cidr,
  devices: ReadonlySet<string>,
): Promise<readonly string[]> {
  const first = addressOf(subnet);
  const probes = first.includes(':')
    ? [`${first}1`]
    : [first.replace(/\d+$/, '2'), first.replace(/\d+$/, '130')];
  const lines = await Promise.all(
    probes.map(async (address) => {
      const text = await facts.program('ip', '-j', 'route', 'get', address);
      const [row] = text === undefined ? [] : (JSON.parse(text) as RouteGet[]);
      if (row === undefined) return [`ip route get ${address}: no way, or blackhole`];
      return devices.has(row.dev ?? '')
        ? []
        : [`ip route get ${address}: dev ${row.dev ?? row.type ?? 'none'}`];
    }),
  );
  return lines.flat();
}

async function foreignRules(facts: Facts): Promise<readonly string[]> {
  const rules = (await facts.program('ip', 'rule', 'show'))?.split('\n') ?? [];
  return firstOf(
    rules.filter((rule) => rule !== '' && !/lookup (?:local|main|default)\s*$/.test(rule)),
    3,
  ).map((rule) => `ip rule: ${rule.replaceAll('\t', ' ')}`);
}

const rpFilter: Check = {
  id: 'rp-filter',
  about: 'whether reverse path filtering drops what peers send',
  run: async (facts) => {
    const [status, peers] = await Promise.all([facts.status, facts.peers]);
    const name = status?.interface?.name;
    if (name === undefined) return [];
    const mode = Math.max(
      ...(await Promise.all(
        ['all', name].map(async (dev) => Number((await facts.sysctl(`net/ipv4/conf/${dev}/rp_filter`)) ?? 0)),
      )),
    );
    const other: string[] = [];
    for (const { publicIp } of reached(peers?.peers)) {
      if (publicIp === undefined) continue;
      const [row] = (await facts.ip<RouteGet>('route', 'get', publicIp)) ?? [];
      if (row?.dev !== undefined && row.dev !== name && row.dev !== 'lo')
        other.push(`ip route get ${publicIp}: dev ${row.dev}, not ${name}`);
    }
    if (other.length === 0) return [];
    const isStrict = mode === 1;
    return [
      {
        severity: isStrict ? 'error' : 'warning',
        title: isStrict
          ? `Strict rp_filter on ${name} drops what peers send, as answers would leave by another interface`
          : `Packets to peers leave by another interface than ${name}, which was chosen`,
        evidence: [...firstOf(other), `net.ipv4.conf.${name}.rp_filter (or all) = ${mode}`],
        consequence: isStrict
          ? 'Packets of those peers are lost without a trace'
          : 'The MTU and the source address may be wrong for that way',
        remedy: isStrict
          ? `sysctl -w net.ipv4.conf.${name}.rp_filter=2, or correct the routes`
          : 'correct the routes, or name the interface with --iface',
      },
    ];
  },
};

const forwardDrop: Check = {
  id: 'forward-drop',
  about: 'whether a firewall drops what this host forwards for containers',
  run: async (facts) => {
    const network = (await facts.status)?.network?.ipv4;
    if (network === undefined) return [];
    const rules = (await facts.program('iptables', '-S', 'FORWARD'))?.split('\n') ?? [];
    const isDropping = rules.some((rule) => /^-P FORWARD (?:DROP|REJECT)/.test(rule));
    const isAccepted = rules.some((rule) => acceptsForward(rule, network as Cidr));
    if (!isDropping || isAccepted) return [];
    return [
      {
        severity: 'error',
        title: 'The firewall of this host drops what it forwards for containers',
        evidence: ['iptables -S FORWARD: -P FORWARD DROP', `no rule accepts ${network}`],
        consequence: 'Containers of this host reach no other host, and none reaches them',
        remedy: `start the daemon without --iptables-forward-rules=false, or: iptables -A FORWARD -s ${network} -j ACCEPT; iptables -A FORWARD -d ${network} -j ACCEPT`,
      },
    ];
  },
};

const portDropped: Check = {
  id: 'port-dropped',
  about: 'whether a firewall of this host drops the packets of the tunnel',
  run: async (facts) => {
    const document = await facts.document;
    const backend = document?.ok === true ? document.config.backend : undefined;
    if (backend?.type !== 'vxlan' && backend?.type !== 'udp') return [];
    const { port } = wayOf(backend);
    if (port === undefined) return [];
    const [iptables, nft] = await Promise.all([
      facts.program('iptables-save'),
      facts.program('nft', 'list', 'ruleset'),
    ]);
    const evidence = findDrops(port, iptables ?? '', nft ?? '');
    if (evidence.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `A firewall of this host drops UDP port ${port}, which the overlay network needs`,
        evidence: firstOf(evidence),
        consequence: 'No packet of containers comes in from other hosts',
        remedy: `iptables -I INPUT -p udp --dport ${port} -j ACCEPT, or the same in the program that manages the firewall`,
      },
    ];
  },
};

/** Whether a rule of FORWARD lets packets of the network pass. */
export function acceptsForward(rule: string, network: Cidr): boolean {
  if (!/^-A FORWARD .*-j (?:FLANNEL-FWD|ACCEPT)$/.test(rule)) return false;
  if (rule.endsWith('-j FLANNEL-FWD')) return true;
  if (/ -[iop] | !/.test(rule) || rule.includes('state')) return false;
  const ranges = [...rule.matchAll(/ -[sd] (\S+)/g)].map(([, range]) => range!);
  return ranges.every(
    (range) => parseCidr(range) !== undefined && contains(range as Cidr, addressOf(network)),
  );
}

/** Rules, in the words of their program, that drop UDP port `port` on its way in, whoever sends it. */
export function findDrops(port: number, iptables: string, nft: string): readonly string[] {
  const rules = iptables.split('\n').filter((line) => line.startsWith('-A INPUT '));
  const first = rules.find((rule) => /-j (?:DROP|REJECT|ACCEPT)\b/.test(rule) && matchesPort(rule, port));
  const isClosed = /^:INPUT (?:DROP|REJECT)/m.test(iptables);
  if (first !== undefined && !first.includes('-j ACCEPT')) return [`iptables: ${first}`];
  if (first === undefined && isClosed && !rules.some((rule) => mayAccept(rule, port)))
    return [`iptables: INPUT drops what no rule accepts, and none accepts UDP port ${port}`];
  const isDrop = new RegExp(
    String.raw`^(?:iifname \S+ )?udp dport (?:${port}|\{[^}]*\b${port}\b[^}]*\})(?: counter[^a-z]*(?:packets \d+ bytes \d+)?)? (?:drop|reject)`,
  );
  const lines = nft.split('\n').map((line) => line.trim());
  return lines.filter((line) => isDrop.test(line)).map((line) => `nft: ${line}`);
}

/** Whether a rule is about UDP port `port`, or all there is, from anybody. */
function matchesPort(rule: string, port: number): boolean {
  if (/ (?:-s|-i|!|--state|--ctstate|-m (?:limit|set|mark|owner)) ?/.test(rule)) return false;
  if (!/ -p | --dport/.test(rule)) return true;
  return (
    / -p udp\b/.test(rule) &&
    (!/--dport/.test(rule) || new RegExp(String.raw`--dports? (?:\S*,)?${port}\b`).test(rule))
  );
}

/** Whether a rule with conditions may accept it from peers: for example by their network. */
function mayAccept(rule: string, port: number): boolean {
  return (
    /-j (?!DROP|REJECT|LOG)/.test(rule) &&
    !/-i lo\b|state/.test(rule) &&
    (!/--dport/.test(rule) || new RegExp(String.raw`\b${port}\b`).test(rule))
  );
}

const neighbourTable: Check = {
  id: 'neighbour-table',
  about: 'whether the neighbour table has room for all peers',
  run: async (facts) => {
    const peers = (await facts.status)?.peers.total ?? 0;
    const found: Found[] = [];
    for (const family of ['ipv4', 'ipv6']) {
      const limit = Number((await facts.sysctl(`net/${family}/neigh/default/gc_thresh3`)) ?? Infinity);
      if (peers < limit) continue;
      found.push({
        severity: 'warning',
        title: 'The neighbour table of the kernel is smaller than the cluster',
        evidence: [`net.${family}.neigh.default.gc_thresh3 = ${limit}, and there are ${peers} peers`],
        consequence:
          'Addresses of containers and underlay neighbours may find no room: "neighbour table overflow"',
        remedy: `sysctl -w net.${family}.neigh.default.gc_thresh3=${4 * peers}`,
      });
    }
    return found;
  },
};

export const KERNEL_CHECKS: readonly Check[] = [
  kernelDrift,
  contested,
  peerError,
  routeDiverted,
  rpFilter,
  forwardDrop,
  portDropped,
  neighbourTable,
];
