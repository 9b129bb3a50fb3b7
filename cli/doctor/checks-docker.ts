// Checks whether Docker drops packets of other hosts to local containers. Docker 28 does so twice:
// in table raw by address, and in chain DOCKER of table filter by bridge (docs.docker.com, "Packet
// filtering and firewalls", direct routing).
import { contains, isInside, parseCidr, parseIp, type Cidr } from '../../lib/address.ts';
import { truncate, type Check } from './check.ts';
import { links, type LinkRow } from './checks-host.ts';
import { shellWord } from './text/shell-word.ts';

/** This host's part of the overlay network. */
export interface DirectPath {
  readonly network: Cidr;
  /** Of this host. */
  readonly subnet: Cidr;
  /** Devices on which packets of other hosts' containers arrive. */
  readonly devices: readonly string[];
  /** Bridges with an address of the subnet. */
  readonly bridges: readonly string[];
}

export interface DirectDrops {
  /** Rules of table raw; no rule of another table overrides them. */
  readonly raw: readonly string[];
  /** Rules of chain DOCKER, and their bridges. */
  readonly filter: readonly { readonly rule: string; readonly bridge: string }[];
}

const dockerDirect: Check = {
  id: 'docker-direct',
  about: 'whether Docker drops packets from other hosts to containers of this host',
  run: async (facts) => {
    const [status, rows, rules] = await Promise.all([
      facts.status,
      links(facts),
      facts.program('iptables-save'),
    ]);
    const [network, subnet] = [status?.network?.ipv4, status?.lease?.ipv4];
    if (network === undefined || subnet === undefined || rules === undefined) return [];
    const outer = status?.network?.encapsulation === 'none' ? status.interface?.name : undefined;
    const { raw, filter } = findDirectDrops(rules, {
      network: network as Cidr,
      subnet: subnet as Cidr,
      devices: [...status!.network!.devices, ...(outer === undefined ? [] : [outer])],
      bridges: (rows ?? []).filter((row) => isIn(row, subnet as Cidr)).map(({ ifname }) => ifname),
    });
    if (raw.length + filter.length === 0) return [];
    const accepts = filter.map(
      ({ bridge }) => `iptables -I DOCKER-USER -s ${network} -o ${shellWord(bridge)} -j ACCEPT`,
    );
    return [
      {
        severity: 'error',
        title: 'Docker drops packets from other hosts to containers of this host',
        evidence: truncate([
          ...filter.map(({ rule }) => `iptables, table filter: ${rule}`),
          ...raw.map((rule) => `iptables, table raw: ${rule}`),
        ]),
        impact:
          raw.length > 0
            ? 'No packet of other hosts reaches those containers, replies included'
            : 'Containers of this host can open connections to other hosts, but not accept them',
        fix: [...(raw.length > 0 ? ['start dockerd with --allow-direct-routing (28.2)'] : []), ...accepts]
          .join('; ')
          .concat(' (docs/how-to/connect-containers.md)'),
      },
    ];
  },
};

function isIn({ addr_info = [] }: LinkRow, subnet: Cidr): boolean {
  return addr_info.some(({ local = '' }) => {
    const address = parseIp(local);
    return address !== undefined && contains(subnet, address);
  });
}

/** Rules in the output of `iptables-save` that drop packets of the overlay to local containers. */
export function findDirectDrops(save: string, path: DirectPath): DirectDrops {
  const tables = new Map(
    save.split(/^\*/m).map((text) => [text.slice(0, text.indexOf('\n')), text.split('\n')] as const),
  );
  return {
    raw: rawDrops(tables.get('raw') ?? [], path),
    filter: filterDrops(tables.get('filter') ?? [], path),
  };
}

/** Docker inserts rules for trusted interfaces before the rule that drops. */
function rawDrops(rules: readonly string[], { subnet, devices }: DirectPath): readonly string[] {
  const trusted = new Set<string>();
  return rules.filter((rule) => {
    const [, range = '', device = ''] = /^-A PREROUTING -d (\S+) -i (\S+) -j ACCEPT$/.exec(rule) ?? [];
    if (devices.includes(device)) trusted.add(range);
    const [, dropped] = /^-A PREROUTING -d (\S+) ! -i \S+ (?:.* )?-j DROP$/.exec(rule) ?? [];
    return dropped !== undefined && !trusted.has(dropped) && isWithin(dropped, subnet);
  });
}

function filterDrops(rules: readonly string[], path: DirectPath): DirectDrops['filter'] {
  return path.bridges.flatMap((bridge) => {
    const rule = rules.find((one) => one === `-A DOCKER ! -i ${bridge} -o ${bridge} -j DROP`);
    if (rule === undefined || rules.some((one) => admits(one, bridge, path))) return [];
    return [{ rule, bridge }];
  });
}

/**
 * Whether a rule of DOCKER-USER, which precedes Docker's own rules, accepts the overlay network.
 */
function admits(rule: string, bridge: string, { network, subnet, devices }: DirectPath): boolean {
  const match =
    /^-A DOCKER-USER(?: -s (?<source>\S+))?(?: -d (?<target>\S+))?(?: -i (?<device>\S+))?(?: -o (?<out>\S+))? -j ACCEPT$/.exec(
      rule,
    );
  if (match === null) return false;
  const { source, target, device, out = bridge } = match.groups as Record<string, string | undefined>;
  return (
    (source === undefined || isWithin(network, source as Cidr)) &&
    (target === undefined || isWithin(subnet, target as Cidr)) &&
    (device === undefined || devices.includes(device)) &&
    out === bridge
  );
}

function isWithin(inner: string, outer: Cidr): boolean {
  return parseCidr(inner) !== undefined && isInside(inner as Cidr, outer);
}

export const DOCKER_CHECKS: readonly Check[] = [dockerDirect];
