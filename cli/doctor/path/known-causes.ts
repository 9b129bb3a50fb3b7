// What other checks found that explains the silence of peers, so that it is not blamed twice.
import { readSuspects, type Suspect } from '../containers/suspects.ts';
import type { Hook } from '../../../daemon/trace/packet.ts';
import type { Facts } from '../facts.ts';
import { walkFirewall } from './firewall-checks.ts';
import { readBlockedPeers, readStaticNeighbours } from './kernel-checks.ts';
import { readOwnPaths } from './own-path.ts';
import { readDivertedPeers } from './route-checks.ts';

export interface KnownCauses {
  /** Keys of peers whose silence a check of routes, neighbours or policies explains. */
  readonly explained: ReadonlySet<string>;
  /** Whether a rule of this host drops the packets of the tunnel. */
  readonly hasPortRule: boolean;
  /** Whether one drops the overlay's packets before or after the tunnel, those of this host as well. */
  readonly hasInnerRule: boolean;
  /** What may drop packets on devices of the tunnel and cannot be evaluated. */
  readonly suspects: readonly Suspect[];
}

/** Hooks that packets of the host itself meet, too. */
const HOST_HOOKS: readonly Hook[] = ['ingress', 'prerouting', 'postrouting', 'egress'];

export function readKnownCauses(facts: Facts): Promise<KnownCauses> {
  return facts.once('known causes', async () => {
    const [neighbours, blocked, diverted, { drops }, suspects] = await Promise.all([
      readStaticNeighbours(facts),
      readBlockedPeers(facts),
      readDivertedPeers(facts),
      walkFirewall(facts),
      readTunnelSuspects(facts),
    ]);
    const inTunnel = drops.filter(({ traffic }) => traffic.layer === 'tunnel');
    const bySending = inTunnel
      .filter(({ hooks }) => hooks.has('output') || hooks.has('egress'))
      .flatMap(({ peers }) => [...peers]);
    return {
      explained: new Set([...neighbours.flatMap(({ keys }) => keys), ...blocked, ...diverted, ...bySending]),
      hasPortRule: inTunnel.length > 0,
      hasInnerRule: drops.some(
        ({ traffic, hooks }) => traffic.layer === 'inner' && HOST_HOOKS.some((hook) => hooks.has(hook)),
      ),
      suspects,
    };
  });
}

async function readTunnelSuspects(facts: Facts): Promise<readonly Suspect[]> {
  const paths = await readOwnPaths(facts);
  const names = paths.flatMap(({ devices, underlay }) => [...devices, underlay?.name ?? '']);
  return readSuspects(facts, [...new Set(names.filter((name) => name !== ''))]);
}
