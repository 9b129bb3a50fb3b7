// What operators read about peers that do not answer. Pure.
import type { LivenessStateV1 } from '../../api/index.ts';
import type { Liveness } from './liveness-state.ts';

const MESSAGES: Readonly<Record<LivenessStateV1, string>> = {
  reachable: 'A peer answers again',
  silent: 'A peer does not answer, neither on the overlay nor on the underlay',
  'overlay-broken': 'A peer answers on the underlay and not on the overlay',
};

/** The change to `state` as a message. */
export function livenessMessage(state: LivenessStateV1): string {
  return MESSAGES[state];
}

/** Peers named in one line. */
const MAX_NAMED = 3;

/** What operators call the host of a lease; `undefined` if it has no name. */
export type PeerName = (key: string) => string | undefined;

/** One line for each state that a peer of `found` is in; `total`: peers of this host. */
export function livenessProblems(
  found: readonly (readonly [key: string, liveness: Liveness])[],
  total: number,
  nameOf: PeerName = () => undefined,
): readonly string[] {
  const named = (peers: typeof found): string => listPeers(peers, nameOf);
  const silent = found.filter(([, { state }]) => state === 'silent');
  const broken = found.filter(([, { state }]) => state === 'overlay-broken');
  const lines: string[] = [];
  if (silent.length > 1 && silent.length === total)
    lines.push(`no peer answers: check the underlay of this host; ${named(silent)}`);
  else if (silent.length > 0) lines.push(`${silent.length} of ${total} peers silent: ${named(silent)}`);
  if (broken.length > 0)
    lines.push(
      `${broken.length} of ${total} peers answer on the underlay and not on the overlay, weft doctor finds the cause: ${named(broken)}`,
    );
  return lines;
}

function listPeers(found: readonly (readonly [key: string, liveness: Liveness])[], nameOf: PeerName): string {
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  const names = sorted
    .slice(0, MAX_NAMED)
    .map(([key, { sinceMs }]) => `${withName(key, nameOf)} since ${new Date(sinceMs).toISOString()}`);
  const more = found.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The key, with the host's name where that is another. */
function withName(key: string, nameOf: PeerName): string {
  const name = nameOf(key);
  return name === undefined || name === key ? key : `${key} (${name})`;
}
