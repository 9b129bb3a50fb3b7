// What other checks found that explains the silence of peers, so that it is not blamed twice.
import type { Facts } from '../facts.ts';
import { walkFirewall } from './firewall-checks.ts';
import { readBlockedPeers, readStaticNeighbours } from './kernel-checks.ts';
import { readDivertedPeers } from './route-checks.ts';

export interface KnownCauses {
  /** Keys of peers whose silence a check of routes, neighbours or policies explains. */
  readonly explained: ReadonlySet<string>;
  /** Whether a rule of this host drops the packets of the tunnel. */
  readonly hasPortRule: boolean;
}

export function readKnownCauses(facts: Facts): Promise<KnownCauses> {
  return facts.once('known causes', async () => {
    const [neighbours, blocked, diverted, { drops }] = await Promise.all([
      readStaticNeighbours(facts),
      readBlockedPeers(facts),
      readDivertedPeers(facts),
      walkFirewall(facts),
    ]);
    const inTunnel = drops.filter(({ traffic }) => traffic.layer === 'tunnel');
    const bySending = inTunnel.filter(({ hooks }) => hooks.has('output')).flatMap(({ peers }) => [...peers]);
    return {
      explained: new Set([...neighbours.flatMap(({ keys }) => keys), ...blocked, ...diverted, ...bySending]),
      hasPortRule: inTunnel.length > 0,
    };
  });
}
