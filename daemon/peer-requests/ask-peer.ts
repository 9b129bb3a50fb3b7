// Asks a peer's daemon, through the registry: writes a request that hangs on a short registry lease and
// waits for the answer. What the peer makes for it exists until the caller ends the iteration, which
// revokes the lease.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerAnswerV1, PeerAskV1, UntestedAnswerV1 } from '../../api/index.ts';
import type { Lease } from '../../allocator/lease.ts';
import { HOSTS_FOLDER, parseHostReport } from '../../allocator/registry/node-status.ts';
import type { AnyRegistry, LeaseId, Registry } from '../../allocator/registry/registry.ts';
import { parsePeerAnswer } from './peer-answer.ts';
import { ANSWERS_FOLDER, LIFETIME_SEC, requestsFolder, type PeerRequestV1 } from './peer-request.ts';

export interface AskOptions {
  readonly registry: AnyRegistry;
  /** Key of this host's lease. */
  readonly ownKey: string;
  readonly peer: Lease;
  readonly ask: PeerAskV1;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Default {@link ACCEPT_TIMEOUT_MS}. */
  readonly acceptTimeoutMs?: number;
}

const POLL_MS = 150;
/** From the request to the first sign of the peer's daemon. */
const ACCEPT_TIMEOUT_MS = 8000;
/** From the request to the answer. */
const ANSWER_TIMEOUT_MS = 50_000;

/** Lines of `POST /v1/ask`; after the answer it waits until `signal` aborts or the request's time is over. */
export async function* askPeer(options: AskOptions): AsyncGenerator<PeerAnswerV1> {
  const { registry, peer, signal } = options;
  if (registry.allocation === 'assigned')
    return yield untested('hosts that take subnets from the Kubernetes API are not asked');
  const nodeId = peer.attributes.publicIp ?? peer.attributes.publicIpv6;
  if (nodeId === undefined) return yield untested('its lease has no public IP');
  let leaseId: LeaseId | undefined;
  try {
    const refusal = await refusalOf(registry, nodeId);
    if (refusal !== undefined) return yield untested(refusal);
    leaseId = await registry.grant(LIFETIME_SEC, signal);
    yield* request(options, registry, nodeId, leaseId);
  } catch (error) {
    if (!signal.aborted) yield untested((error as Error).message);
  } finally {
    // Without an answer it expires.
    if (leaseId !== undefined) await registry.revoke(leaseId).catch(() => undefined);
  }
}

const untested = (reason: string): UntestedAnswerV1 => ({ kind: 'untested', reason });

/** What the peer publishes of whether it answers. */
async function refusalOf(registry: Registry, nodeId: string): Promise<string | undefined> {
  const entry = await registry.readMeta(`${HOSTS_FOLDER}${nodeId}`);
  const report = parseHostReport(entry?.text ?? '');
  if (report === undefined)
    return 'no weft daemon publishes its status there: it runs flannel, is stopped, or may not write weft/hosts/ in etcd';
  if (report.answersPeers === undefined) return 'its daemon is of an earlier version, which is not asked';
  return report.answersPeers ? undefined : 'its daemon refuses: --answer-peers=false';
}

async function* request(
  { acceptTimeoutMs = ACCEPT_TIMEOUT_MS, ask, ownKey, signal }: AskOptions,
  registry: Registry,
  nodeId: string,
  leaseId: LeaseId,
): AsyncGenerator<PeerAnswerV1> {
  const id = randomBytes(8).toString('hex');
  const document: PeerRequestV1 = { version: 1, from: ownKey, leaseId, ask };
  const key = `${requestsFolder(nodeId)}${id}`;
  await registry.writeMeta({ key, value: JSON.stringify(document), leaseId }, signal);
  const startMs = performance.now();
  const elapsedMs = (): number => performance.now() - startMs;
  let isAccepted = false;
  while (elapsedMs() < (isAccepted ? ANSWER_TIMEOUT_MS : acceptTimeoutMs)) {
    await sleep(POLL_MS, undefined, { signal });
    const answer = parsePeerAnswer((await registry.readMeta(`${ANSWERS_FOLDER}${id}`, signal))?.text ?? '');
    if (answer === undefined) continue;
    if (answer.kind !== 'accepted') {
      yield answer;
      await sleep(Math.max(0, LIFETIME_SEC * 1000 - elapsedMs()), undefined, { signal });
      return;
    }
    if (!isAccepted) yield answer;
    isAccepted = true;
  }
  const seconds = Math.round(elapsedMs() / 1000);
  yield untested(
    isAccepted
      ? `it has no result within ${seconds} s`
      : `its daemon does not answer within ${seconds} s: it is stopped, has too many requests, or may not read weft/requests/ in etcd`,
  );
}
