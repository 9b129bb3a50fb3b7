// Requests of peers as they are in the registry, below `<prefix>/weft/`: the request under
// `requests/<public IP of the host that is asked>/<id>`, its answer under `answers/<id>`. Both are
// bound to a registry lease of the host that asks, and go with it.
import { isIP } from 'node:net';
import type { BackTargetsV1, ListenerV1, PeerAskV1 } from '../../api/index.ts';
import { toLeaseId, type LeaseId } from '../../allocator/registry/registry.ts';
import { parseFields, parseListener } from './peer-answer.ts';

export const ANSWERS_FOLDER = 'answers/';

/** Longest life of a request, of its answer, and of what the peer makes for it. */
export const LIFETIME_SEC = 60;

/** Folder of requests to the host with the node ID `nodeId`. */
export const requestsFolder = (nodeId: string): string => `requests/${nodeId}/`;

export interface PeerRequestV1 {
  readonly version: 1;
  /** Key of the lease of the host that asks. */
  readonly from: string;
  /** Registry lease that the request and its answer hang on. */
  readonly leaseId: LeaseId;
  readonly ask: PeerAskV1;
}

const ID = /^[0-9a-f]{16}$/;
const MAX_LENGTH = 1000;

/** Parses a request; `undefined` if it is none that this version understands. */
export function parsePeerRequest(id: string, text: string): PeerRequestV1 | undefined {
  if (!ID.test(id) || text.length > MAX_LENGTH) return undefined;
  const request = parseFields(text) as Partial<PeerRequestV1> | undefined;
  const ask = parseAsk(request?.ask);
  if (request?.version !== 1 || ask === undefined) return undefined;
  const { from, leaseId } = request;
  if (typeof from !== 'string' || typeof leaseId !== 'string' || !/^[1-9]\d*$/.test(leaseId))
    return undefined;
  return { version: 1, from, leaseId: toLeaseId(leaseId), ask };
}

/** Parses what a peer is asked for; `undefined` if this version does not know it. */
export function parseAsk(value: unknown): PeerAskV1 | undefined {
  const ask = value as Partial<{ kind: unknown; to: unknown; back: unknown }> | null | undefined;
  if (ask?.kind === 'endpoint') {
    const back = parseBack(ask.back);
    return { kind: 'endpoint', ...(back && { back }) };
  }
  if (ask?.kind === 'doctor' && typeof ask.to === 'string' && isIP(ask.to) > 0)
    return { kind: 'doctor', to: ask.to };
  return undefined;
}

/** Listeners of a host: one for each family, on the host and in a container. */
const MAX_LISTENERS = 2;
const TOKEN = /^[0-9a-f]{16}$/;

function parseBack(value: unknown): BackTargetsV1 | undefined {
  const back = value as Partial<Record<keyof BackTargetsV1, unknown>> | null | undefined;
  if (typeof back?.token !== 'string' || !TOKEN.test(back.token)) return undefined;
  return { token: back.token, host: parseListeners(back.host), container: parseListeners(back.container) };
}

function parseListeners(value: unknown): readonly ListenerV1[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly unknown[]).slice(0, MAX_LISTENERS).flatMap((each) => parseListener(each) ?? []);
}
