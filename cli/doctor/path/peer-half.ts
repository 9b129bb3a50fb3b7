// The peer's half of the path with `--to`: what the checks of the peer's own daemon find on the path back
// to this host, under the peer's name.
import { familyOf } from '../../../lib/address.ts';
import type { FinalAnswer } from '../../client/ask-peer.ts';
import type { Check } from '../check.ts';
import type { Facts } from '../facts.ts';
import { readContainers } from './containers.ts';
import { readOwnPaths, type OwnPath } from './own-path.ts';
import { readPeerEnds } from './peer-ends.ts';

/** Checks of `weft doctor --own-half`, which a daemon runs for a peer: those of the path, without probes of all peers. */
export const OWN_HALF_CHECKS: readonly string[] = [
  'interface-down',
  'forwarding-off',
  'network-overlap',
  'vxlan-conflict',
  'bridge-down',
  'bridge-address',
  'bridge-subnet',
  'bridge-twice',
  'bridge-mtu',
  'device-forwarding',
  'route-diverted',
  'container-route',
  'container-port',
  'container-vlan',
  'container-mtu',
  'container-neighbour',
  'container-address',
  'container-path',
  'rp-filter',
  'forward-drop',
  'overlay-translated',
  'port-dropped',
  'xfrm-block',
  'static-neighbour',
  'conntrack-full',
];

interface AnsweredHalf {
  /** Name or address of the peer. */
  readonly host: string;
  readonly answer: FinalAnswer;
}

/** `undefined` without `--to`, and without a daemon that could ask. */
export function readPeerHalf(facts: Facts): Promise<AnsweredHalf | undefined> {
  return facts.once('peer half', async () => {
    if (!facts.isTargeted || (await facts.status) === undefined) return undefined;
    const [ends, paths] = await Promise.all([readPeerEnds(facts), readOwnPaths(facts)]);
    const [end] = ends;
    const path = paths.find(({ family }) => family === end?.family);
    if (end === undefined || path === undefined) return undefined;
    const peer = (await facts.peers)?.peers.find(({ key }) => key === end.key);
    const host = peer?.name ?? end.underlay ?? end.key;
    const to = await containerOf(facts, path);
    return { host, answer: await facts.askPeer({ peer: end.key, ask: { kind: 'doctor', to } }) };
  });
}

/** A container of this host, or an address that one could have. */
async function containerOf(facts: Facts, { address, subnet, family }: OwnPath): Promise<string> {
  const containers = await readContainers(facts, subnet);
  return containers.find((one) => familyOf(one.address) === family)?.address ?? address;
}

const peerHalf: Check = {
  id: 'peer-half',
  about: 'with --to: what the checks of that peer find on the path back',
  run: async (facts) => {
    const half = await readPeerHalf(facts);
    if (half?.answer.kind !== 'doctor') return [];
    return half.answer.findings.map((finding) => ({ ...finding, host: half.host }));
  },
  notTested: async (facts) => {
    const half = await readPeerHalf(facts);
    if (half === undefined) return [];
    const { host, answer } = half;
    if (answer.kind === 'doctor') return answer.notTested.map((line) => `on ${host}: ${line}`);
    const reason = answer.kind === 'untested' ? answer.reason : 'an unknown answer';
    return [`rules, routes and bridges of ${host}: ${reason}; weft doctor there tests them`];
  },
};

export const PEER_HALF_CHECKS: readonly Check[] = [peerHalf];
