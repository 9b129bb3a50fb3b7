// Checks whether a rule of this host drops packets between containers, or those of the tunnel: each
// hook that such a packet meets, with every rule of nftables and iptables there.
import type { Place } from '../../../daemon/trace/evaluate.ts';
import { renderPacket, type Hook } from '../../../daemon/trace/packet.ts';
import { truncate, type Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { findDrops } from '../firewall/firewall-drops.ts';
import { acceptCommand, impactOf, keepHint, placeKey, renderPlace, type Traffic } from './firewall-fix.ts';
import { readFirewall } from './firewall-facts.ts';
import { JOINING, readJourneys, type PeerJourney } from './journeys.ts';
import { walkJourney } from './firewall-walk.ts';
import type { Stage, Tunnel } from './stages.ts';

/** A rule that drops, with the packets that it drops. */
interface Drop {
  readonly place: Place;
  readonly traffic: Traffic;
  readonly packets: Set<string>;
  readonly hooks: Set<Hook>;
  readonly peers: Set<string>;
}

export interface Doubt {
  readonly place: Place;
  readonly traffic: Traffic;
}

interface Walked {
  readonly drops: readonly Drop[];
  /** Rules that may drop, or may accept before another one drops. */
  readonly doubts: readonly Doubt[];
}

/** Follows the packets of all peers through all hooks; once. */
export function walkFirewall(facts: Facts): Promise<Walked> {
  return facts.once('firewall walk', async () => {
    const [{ tables }, journeys] = await Promise.all([readFirewall(facts), readJourneys(facts)]);
    const drops = new Map<string, Drop>();
    const doubts = new Map<string, Doubt>();
    for (const { path, end, journey } of journeys)
      for (const { stage, outcome } of walkJourney(tables, journey)) {
        const traffic = trafficOf(stage, path.network, journey.bridge ?? '');
        for (const place of outcome.doubts) doubts.set(placeKey(place), { place, traffic });
        if (outcome.drop === undefined) continue;
        note(drops, { place: outcome.drop, traffic, stage, peer: end.key });
      }
    return { drops: [...drops.values()], doubts: [...doubts.values()] };
  });
}

function trafficOf(
  { layer, packet: { family }, tunnel }: Stage,
  network: Extract<Traffic, { layer: 'inner' }>['network'],
  bridge: string,
): Traffic {
  if (layer === 'arp') return { layer, family: 4, bridge };
  return tunnel === undefined ? { layer: 'inner', family, network } : { layer: 'tunnel', family, tunnel };
}

interface Noted {
  readonly place: Place;
  readonly traffic: Traffic;
  readonly stage: Stage;
  readonly peer: string;
}

function note(drops: Map<string, Drop>, { place, traffic, stage, peer }: Noted): void {
  const kind = traffic.layer === 'tunnel' ? nameOf(traffic.tunnel) : traffic.layer;
  const key = `${placeKey(place)} ${kind} ${traffic.family}`;
  const drop = drops.get(key) ?? { place, traffic, packets: new Set(), hooks: new Set(), peers: new Set() };
  drop.packets.add(renderPacket(stage.packet));
  drop.hooks.add(stage.hook);
  drop.peers.add(peer);
  drops.set(key, drop);
}

function finding(drops: readonly Drop[], title: string): readonly Found[] {
  const [first] = drops;
  if (first === undefined) return [];
  const evidence = drops.map(
    ({ place, packets }) =>
      `${renderPlace(place)} (drops ${[...packets][0]}${packets.size > 1 ? `, and ${packets.size - 1} more` : ''})`,
  );
  const fixes = [...new Set(drops.map(({ place, traffic }) => acceptCommand(place, traffic)))];
  const hooks = drops.flatMap((drop) => [...drop.hooks]);
  const hint = keepHint(
    drops.map(({ place }) => place),
    first.traffic,
  );
  return [
    {
      // A rule may know the addresses of hosts that join.
      severity: drops.every(({ peers }) => [...peers].every((key) => key === JOINING)) ? 'warning' : 'error',
      title,
      evidence: truncate([...new Set(evidence)]),
      impact: impactOf(hooks, first.traffic.layer),
      fix: `${fixes.join('; ')}  # ${hint}`,
    },
  ];
}

/** Rules that drop packets between containers. */
export async function findForwardDrops(facts: Facts): Promise<readonly Found[]> {
  const { drops } = await walkFirewall(facts);
  return finding(
    drops.filter(({ traffic }) => traffic.layer !== 'tunnel'),
    'A firewall of this host drops packets between containers of this host and of others',
  );
}

/** Rules that could not be read, or whose conditions are not evaluated. */
export async function listUnreadRules(facts: Facts): Promise<readonly string[]> {
  const [{ unread }, { doubts }] = await Promise.all([readFirewall(facts), walkFirewall(facts)]);
  const unknown = doubts.map(({ place }) => `whether a packet meets ${renderPlace(place)}`);
  return [...unread, ...truncate(unknown, 8)];
}

/** Rules that drop packets of the tunnel. */
export async function findPortDrops(facts: Facts): Promise<readonly Found[]> {
  const [{ drops }, journeys, { hasNft }] = await Promise.all([
    walkFirewall(facts),
    readJourneys(facts),
    readFirewall(facts),
  ]);
  const inTunnel = drops.filter(({ traffic }) => traffic.layer === 'tunnel');
  const peers = new Set(inTunnel.flatMap((drop) => [...drop.peers]));
  const all = new Set(journeys.map(({ end }) => end.key));
  const isOfFew = peers.size > 0 && peers.size < all.size;
  const few = isOfFew ? `, to or from ${[...peers].slice(0, 3).join(', ')}` : '';
  const names = inTunnel.flatMap(({ traffic }) => (traffic.layer === 'tunnel' ? nameOf(traffic.tunnel) : []));
  const found = finding(inTunnel, `${titleOf(names)}${few}`);
  return found.length > 0 || hasNft ? found : byText(facts, journeys);
}

/** @param names - of what carries the overlay's packets */
function titleOf(names: Iterable<string>): string {
  return `A firewall of this host drops ${[...new Set(names)].join(' and ')}, which the overlay network needs`;
}

function nameOf({ protocol, port }: Tunnel): string {
  return port === undefined ? `IP protocol ${protocol}` : `UDP port ${port}`;
}

/** Where nft has no JSON, its text says whether a rule drops the port. */
async function byText(facts: Facts, journeys: readonly PeerJourney[]): Promise<readonly Found[]> {
  const tunnels = journeys.flatMap(({ journey }) => journey.tunnels);
  const text = (await facts.program('nft', 'list', 'ruleset')) ?? '';
  const drops = new Map(
    tunnels.flatMap((tunnel) => {
      const lines = tunnel.port === undefined ? [] : findDrops(tunnel.port, text);
      return lines.length === 0 ? [] : [[nameOf(tunnel), lines] as const];
    }),
  );
  if (drops.size === 0) return [];
  return [
    {
      severity: 'error',
      title: titleOf(drops.keys()),
      evidence: truncate([...new Set([...drops.values()].flat())]),
      impact: 'No packet of containers arrives from other hosts',
      fix: 'remove that rule: nft -a list ruleset has its handle',
    },
  ];
}
