// POST /v1/ask: asks a peer's daemon for a test endpoint or for its half of `weft doctor`. The peer ends
// what it made for it when the client disconnects.
import type { AskV1 } from '../../api/index.ts';
import { findPeer } from '../probe/peer-targets.ts';
import { parseAsk } from '../peer-requests/peer-request.ts';
import { ControlError, type ControlledNode, type Endpoint } from './endpoint.ts';

export const askEndpoint: Endpoint = {
  method: 'POST',
  path: '/v1/ask',
  summary: 'asks a peer: {"peer":"198.18.1.2","ask":{"kind":"endpoint"}}; a stream that keeps what it made',
  handle: async (daemon, { body, signal }) => {
    const { registry, leaseManager } = daemon;
    const { peer: name, ask: wanted } = (body ?? {}) as Partial<AskV1>;
    const ask = parseAsk(wanted);
    if (ask === undefined || typeof name !== 'string')
      throw new ControlError(
        400,
        'bad-request',
        'peer and ask: both are required; ask.kind is endpoint or doctor',
      );
    const ownKey = leaseManager?.own?.key;
    if (registry === undefined || ownKey === undefined)
      throw new ControlError(503, 'not-ready', 'The daemon has no lease yet');
    const peer = await findAsked(daemon, name);
    const { askPeer } = await import('../peer-requests/ask-peer.ts');
    return { lines: askPeer({ registry, ownKey, peer, ask, signal }) };
  },
};

async function findAsked({ hostNames, leaseManager }: ControlledNode, name: string) {
  await hostNames?.refresh();
  const found = findPeer(leaseManager?.peers.values() ?? [], name, (peer) => hostNames?.of(peer));
  if (found !== undefined) return found.peer;
  throw new ControlError(
    404,
    'bad-peer',
    `No peer has the name, public IP, subnet or key ${JSON.stringify(name)}, nor that address inside its subnet: weft peers lists them`,
  );
}
