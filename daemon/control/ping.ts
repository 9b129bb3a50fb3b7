// POST /v1/ping: echoes to peers, to their end of the overlay and to their public IP; a line for each echo to a single peer,
// and one for each peer when all is known of it. Many peers are asked side by side, a bounded number at a time.
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, type IpAddress } from '../../lib/address.ts';
import type { Lease } from '../../allocator/lease.ts';
import { formatEchoError } from '../probe/echo-error.ts';
import { ECHO_HEADER_BYTES, type EchoResult } from '../probe/echo-socket.ts';
import { findPeer, targetsOf, type FoundPeer } from '../probe/peer-targets.ts';
import { ProbeError, Prober } from '../probe/prober.ts';
import type { ProbeReport } from '../probe/report.ts';
import type { DaemonView } from './daemon-view.ts';
import { ControlError, type Endpoint } from './endpoint.ts';
import { loadNative } from '../../native/index.ts';
import { AsyncQueue } from '../../lib/async-queue.ts';
import { parsePingRequest, type PingRequest } from './ping-request.ts';
import type { PingEchoV1, PingLayerV1, PingLineV1 } from '../../api/types.ts';

/** Peers that are asked at a time, and the time between the starts of two, so that a crowd makes no burst. */
const SIDE_BY_SIDE = 256;
const START_EVERY_MS = 2;

export const pingEndpoint: Endpoint = {
  method: 'POST',
  path: '/v1/ping',
  summary: 'echoes to one peer or all: {"peer":"198.18.1.2","count":3}, without a peer to all; a stream',
  handle: async (daemon, { body, signal }) => {
    const request = parsePingRequest(body);
    const peers = findPeers(daemon, request);
    const prober = new Prober({ addon: loadNative() });
    const lines = new AsyncQueue<PingLineV1>();
    // Each row of echoes listens for the client that leaves.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', () => prober.close(), { once: true });
    // What stands in the way of all is an answer by itself, not a line of the stream.
    await prober
      .open(peers.flatMap(({ peer }) => Object.values(targetsOf(peer, 'vxlan', request))))
      .catch(refuse);
    void pingAll(daemon, { request, peers, prober, lines, signal }).then(
      () => lines.end(),
      (error: unknown) => lines.fail(error),
    );
    return { lines };
  },
};

function refuse(error: unknown): never {
  if (error instanceof ProbeError) throw new ControlError(500, 'cannot-probe', error.message);
  throw error;
}

function findPeers({ keeper }: DaemonView, { peer: word }: PingRequest): readonly FoundPeer[] {
  const peers = [...(keeper?.peers.values() ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1));
  if (word === undefined) return peers.map((peer) => ({ peer }));
  const found = findPeer(peers, word);
  if (found !== undefined) return [found];
  const message = `No peer has the public IP, subnet or key ${JSON.stringify(word)}, nor that address inside its subnet: weft peers lists them`;
  throw new ControlError(404, 'bad-peer', message);
}

interface Round {
  readonly request: PingRequest;
  readonly peers: readonly FoundPeer[];
  readonly prober: Prober;
  readonly lines: AsyncQueue<PingLineV1>;
  readonly signal: AbortSignal;
}

async function pingAll(daemon: DaemonView, round: Round): Promise<void> {
  const waiting = round.peers.values();
  const work = async (): Promise<void> => {
    for (const found of waiting) {
      if (round.signal.aborted) return;
      await pingPeer(daemon, round, found);
    }
  };
  const workers: Promise<void>[] = [];
  while (workers.length < Math.min(SIDE_BY_SIDE, round.peers.length)) {
    workers.push(work());
    await sleep(START_EVERY_MS);
  }
  try {
    await Promise.all(workers);
  } finally {
    round.prober.close();
  }
}

async function pingPeer(daemon: DaemonView, round: Round, { peer, target }: FoundPeer): Promise<void> {
  const { request, lines, signal } = round;
  const backend = daemon.config?.backend.type ?? 'vxlan';
  const targets = targetsOf(peer, backend, { ...request, ...(target && { target }) });
  const [overlay, underlay] = await Promise.all(
    (['overlay', 'underlay'] as const).map((layer) => pingLayer(round, peer, layer, targets[layer])),
  );
  // A client that left has cut it short.
  if (signal.aborted) return;
  const known = overlay ?? underlay;
  if (known !== undefined && target === undefined)
    daemon.probes.record(peer.key, { atMs: Date.now(), report: known.report });
  const { publicIp, publicIpv6 } = peer.attributes;
  lines.push({
    kind: 'peer',
    key: peer.key,
    ...peer.subnets,
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    payloadBytes: request.payloadBytes,
    ...(overlay && { overlay: overlay.layer }),
    ...(underlay && { underlay: underlay.layer }),
  });
}

interface KnownLayer {
  readonly report: ProbeReport;
  readonly layer: PingLayerV1;
}

async function pingLayer(
  { request, peers, prober, lines, signal }: Round,
  { key }: Lease,
  layer: PingEchoV1['layer'],
  address: IpAddress | undefined,
): Promise<KnownLayer | undefined> {
  if (address === undefined) return undefined;
  const { count, intervalMs, timeoutMs, payloadBytes } = request;
  const packetBytes = ECHO_HEADER_BYTES[familyOf(address)] + payloadBytes;
  const onEcho = (sequence: number, result: EchoResult): void =>
    lines.push({ kind: 'echo', key, layer, address, sequence, ...toEcho(result) });
  const isOne = peers.length === 1;
  const row = { count, intervalMs, timeoutMs, packetBytes, signal, ...(isOne && { onEcho }) };
  const report = await prober.probe(address, row);
  const largest = report.received > 0 && !signal.aborted ? await prober.findLargest(address) : undefined;
  const largestPacketBytes = largest?.packetBytes;
  const errors = report.errors.map(({ error, count: times }) => ({
    message: formatEchoError(error),
    count: times,
  }));
  const { sent, received, rtt } = report;
  return {
    report,
    layer: {
      address,
      sent,
      received,
      ...(rtt && { rtt }),
      ...(largestPacketBytes !== undefined && { largestPacketBytes }),
      errors,
    },
  };
}

function toEcho(result: EchoResult): { readonly rttMs?: number; readonly error?: string } {
  if (result.kind === 'reply') return { rttMs: result.rttMs };
  return { error: result.kind === 'lost' ? 'no answer in time' : formatEchoError(result.error) };
}
