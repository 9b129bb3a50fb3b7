// Checks of what else the kernel may drop packets for: policies of IPsec, static neighbours, a full
// table of connections.
import {
  parseXfrmPolicies,
  policyOf,
  type XfrmDirection,
  type XfrmPolicy,
} from '../../../daemon/trace/xfrm-policy.ts';
import { truncate, type Check } from '../check.ts';
import type { Facts } from '../facts.ts';
import { readJourneys } from './journeys.ts';
import { lookupPath } from './path-lookup.ts';
import { probePeers } from '../peer-probes.ts';
import { readOwnPaths } from './own-path.ts';
import { readPeerEnds } from './peer-ends.ts';
import { stagesOf, type Stage } from './stages.ts';
import { shellWord } from '../text/shell-word.ts';

/** A hook's place in the order of IPsec: policies are checked once for each direction. */
const DIRECTIONS: Readonly<Partial<Record<Stage['hook'], XfrmDirection>>> = {
  forward: 'fwd',
  input: 'in',
  output: 'out',
  postrouting: 'out',
};

interface Blocked {
  readonly policy: XfrmPolicy;
  readonly key: string;
}

/** Policies that block packets to or from a peer. */
function readBlocked(facts: Facts): Promise<readonly Blocked[]> {
  return facts.once('xfrm', async () => {
    const [text, journeys] = await Promise.all([facts.program('ip', 'xfrm', 'policy'), readJourneys(facts)]);
    const policies = parseXfrmPolicies(text ?? '');
    if (policies.length === 0) return [];
    return journeys.flatMap(({ end, journey }) =>
      stagesOf(journey)
        .map((stage) => policyAt(policies, stage))
        .filter((policy) => policy?.isBlocking === true)
        .map((policy) => ({ policy: policy!, key: end.key })),
    );
  });
}

function policyAt(policies: readonly XfrmPolicy[], { hook, packet }: Stage): XfrmPolicy | undefined {
  const direction = DIRECTIONS[hook];
  const { source, target, protocol, targetPort: port } = packet;
  if (direction === undefined) return undefined;
  return policyOf(policies, direction, { source, target, protocol, ...(port !== undefined && { port }) });
}

/** Keys of peers that a policy blocks. */
export async function readBlockedPeers(facts: Facts): Promise<readonly string[]> {
  return (await readBlocked(facts)).map(({ key }) => key);
}

const xfrmBlock: Check = {
  id: 'xfrm-block',
  about: 'whether a policy of IPsec blocks packets between containers, or those of the tunnel',
  run: async (facts) => {
    const policies = [...new Set((await readBlocked(facts)).map(({ policy }) => policy))];
    if (policies.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'A policy of IPsec on this host blocks packets between hosts or containers',
        evidence: truncate(
          policies.map(
            ({ selector, direction, priority }) =>
              `ip xfrm policy: ${selector} dir ${direction} action block priority ${priority}`,
          ),
        ),
        impact: 'The kernel drops these packets silently',
        fix: policies
          .map(({ selector, direction }) => `ip xfrm policy delete ${quoteEach(selector)} dir ${direction}`)
          .join('; '),
      },
    ];
  },
};

const quoteEach = (text: string): string => text.split(/\s+/).map(shellWord).join(' ');

interface NeighbourRow {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** A static neighbour entry that leads to a silent peer. */
export interface StaticNeighbour extends NeighbourRow {
  /** Keys of the silent peers behind it. */
  readonly keys: readonly string[];
}

/** Static entries of addresses that packets to silent peers are sent to. */
export function readStaticNeighbours(facts: Facts): Promise<readonly StaticNeighbour[]> {
  return facts.once('static neighbours', async () => {
    const rows = (await facts.ip<NeighbourRow>('neigh', 'show', 'nud', 'permanent')) ?? [];
    if (rows.length === 0) return [];
    const [ends, paths, probes] = await Promise.all([
      readPeerEnds(facts),
      readOwnPaths(facts),
      probePeers(facts).catch(() => []),
    ]);
    const silent = new Set(probes.filter(({ underlayOk }) => !underlayOk).map(({ underlay }) => underlay));
    const found = new Map<NeighbourRow, string[]>();
    for (const { key, family, underlay } of ends) {
      const own = paths.find((path) => path.family === family);
      if (underlay === undefined || own === undefined || !silent.has(underlay)) continue;
      const lookup = await lookupPath(facts, { from: own.address, to: underlay, iif: 'lo' });
      const row = rows.find(({ dst, dev }) => dev === lookup.dev && dst === (lookup.gateway ?? underlay));
      if (row !== undefined) found.set(row, [...(found.get(row) ?? []), key]);
    }
    return [...found].map(([row, keys]) => ({ ...row, keys: [...new Set(keys)] }));
  });
}

const staticNeighbour: Check = {
  id: 'static-neighbour',
  about: 'whether a static neighbour entry leads packets of silent peers to a wrong MAC address',
  run: async (facts) => {
    const entries = await readStaticNeighbours(facts);
    if (entries.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `A static neighbour entry leads to ${entries.flatMap(({ keys }) => keys).length === 1 ? 'a peer that does' : 'peers that do'} not answer`,
        evidence: truncate(
          entries.map(
            ({ dst, dev, lladdr, keys }) =>
              `ip neigh: ${dst} dev ${dev} lladdr ${lladdr} PERMANENT; no echo from ${keys.join(', ')}`,
          ),
        ),
        impact: 'Packets to these hosts go to that MAC address, whichever the host has now',
        fix: entries.map(({ dst, dev }) => `ip neigh del ${dst} dev ${shellWord(dev)}`).join('; '),
      },
    ];
  },
};

/** Share of the table that is as good as full: the kernel drops what finds no room. */
const FULL = 0.95;

const conntrackFull: Check = {
  id: 'conntrack-full',
  about: 'whether the table of tracked connections has room',
  run: async (facts) => {
    const [count, max] = await Promise.all(
      ['count', 'max'].map(async (name) =>
        Number((await facts.sysctl(`net/netfilter/nf_conntrack_${name}`)) ?? 0),
      ),
    );
    if (count === undefined || max === undefined || max === 0 || count < max * FULL) return [];
    return [
      {
        severity: 'error',
        title: 'The table of tracked connections of this host is full',
        evidence: [`net.netfilter.nf_conntrack_count = ${count}, nf_conntrack_max = ${max}`],
        impact: 'The kernel drops packets of new connections, of the tunnel as well',
        fix: `sysctl -w net.netfilter.nf_conntrack_max=${max * 4}`,
      },
    ];
  },
};

export const PATH_KERNEL_CHECKS: readonly Check[] = [xfrmBlock, staticNeighbour, conntrackFull];
