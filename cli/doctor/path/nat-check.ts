// Checks whether rules of another program translate addresses of packets between containers.
import { evaluate, type Place } from '../../../daemon/trace/evaluate.ts';
import type { Hook, Packet } from '../../../daemon/trace/packet.ts';
import { truncate, type Check, type Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { readFirewall } from './firewall-facts.ts';
import { acceptCommand, placeKey, renderPlace } from './firewall-fix.ts';
import { readJourneys } from './journeys.ts';
import { stagesOf } from './stages.ts';

interface Translation {
  readonly place: Place;
  readonly fix: string;
}

/** Rules that translate the first packet of a connection at a hook. */
async function findTranslations(facts: Facts, hook: Hook): Promise<readonly Translation[]> {
  const [{ tables }, journeys] = await Promise.all([readFirewall(facts), readJourneys(facts)]);
  const found = new Map<string, Translation>();
  for (const { path, journey } of journeys)
    for (const packet of firstPackets(stagesOf(journey), hook)) {
      const { drop: place } = evaluate(tables, `nat-${hook}` as Hook, packet);
      if (place === undefined) continue;
      const { family, network } = path;
      const fix = acceptCommand(place, { layer: 'inner', family, network });
      found.set(placeKey(place), { place, fix });
    }
  return [...found.values()];
}

function firstPackets(stages: ReturnType<typeof stagesOf>, hook: Hook): readonly Packet[] {
  return stages
    .filter((stage) => stage.layer === 'inner' && stage.hook === hook && stage.packet.state === 'new')
    .map(({ packet }) => packet);
}

const overlayTranslated: Check = {
  id: 'overlay-translated',
  about: 'whether rules of nat translate addresses of packets between containers',
  run: async (facts) => {
    const [targets, sources] = await Promise.all([
      findTranslations(facts, 'prerouting'),
      findTranslations(facts, 'postrouting'),
    ]);
    return [
      ...finding(targets, {
        severity: 'error',
        title: 'A rule of this host leads packets between containers to another address',
        impact: 'Containers of this host and of other hosts do not reach each other',
      }),
      ...finding(sources, {
        severity: 'warning',
        title: 'A rule of this host masquerades packets between containers',
        impact:
          'Containers of other hosts see an address of this host as the source: logs and network policies are wrong',
      }),
    ];
  },
};

function finding(
  found: readonly Translation[],
  about: Pick<Found, 'severity' | 'title' | 'impact'>,
): readonly Found[] {
  if (found.length === 0) return [];
  return [
    {
      ...about,
      evidence: truncate(found.map(({ place }) => renderPlace(place))),
      fix: `${[...new Set(found.map(({ fix }) => fix))].join('; ')}  # or --ip-masq of the daemon, which excludes the overlay, instead of that rule`,
    },
  ];
}

export const NAT_CHECKS: readonly Check[] = [overlayTranslated];
