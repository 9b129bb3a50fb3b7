// POST /v1/ping: ICMP echoes to the overlay address and the public IP of peers. The reply has a
// line for each echo if one peer is pinged, and a summary line for each peer. At most
// MAX_CONCURRENT_PEERS are pinged at a time.
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, type IpAddress } from '../../lib/address.ts';
import type { Lease } from '../../allocator/lease.ts';
import { formatEchoError } from '../probe/echo-error.ts';
import { ECHO_HEADER_BYTES, type EchoResult } from '../probe/echo-socket.ts';
import { findPeer, targetsOf, type FoundPeer } from '../probe/peer-targets.ts';
import { ProbeError, Prober } from '../probe/prober.ts';
import type { ProbeReport } from '../probe/report.ts';
import type { NodeView } from '../view/node-view.ts';
import { ControlError, type ControlledNode, type Endpoint } from './endpoint.ts';
import { AsyncQueue } from '../../lib/async-queue.ts';
import { parsePingRequest, type PingRequest } from './ping-request.ts';
import type { PingEchoV1, PingLayerV1, PingLineV1 } from '../../api/index.ts';

const MAX_CONCURRENT_PEERS = 256;
/** Time between the starts of two peers: spreads what would be a burst. */
const START_INTERVAL_MS = 2;

export const pingEndpoint: Endpoint = {
  method: 'POST',
  path: '/v1/ping',
  summary: 'pings one peer, or all without "peer": {"peer":"198.18.1.2","count":3}; a stream',
  handle: async (daemon, { body, signal }) => {
    const request = parsePingRequest(body);
    await daemon.hostNames?.refresh();
    const peers = findPeers(daemon, request);
    const prober = new Prober({ addon: daemon.addon });
    const lines = new AsyncQueue<PingLineV1>();
    // Each series of echoes listens for the client to disconnect.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', () => prober.close(), { once: true });
    // An error that concerns all peers is an error of the request, not a line of the stream.
    await prober
      .open(peers.flatMap(({ peer }) => Object.values(targetsOf(peer, 'vxlan', request))))
      .catch(reject);
    void pingAll(daemon, { request, peers, prober, lines, signal }).then(
      () => lines.end(),
      (error: unknown) => lines.fail(error),
    );
    return { lines };
  },
};

function reject(error: unknown): never {
  if (error instanceof ProbeError) throw new ControlError(500, 'cannot-probe', error.message);
  throw error;
}

function findPeers({ hostNames, leaseManager }: NodeView, { peer: name }: PingRequest): readonly FoundPeer[] {
  const peers = [...(leaseManager?.peers.values() ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1));
  if (name === undefined) return peers.map((peer) => ({ peer }));
  const found = findPeer(peers, name, (peer) => hostNames?.of(peer));
  if (found !== undefined) return [found];
  const message = `No peer has the name, public IP, subnet or key ${JSON.stringify(name)}, nor that address inside its subnet: weft peers lists them`;
  throw new ControlError(404, 'bad-peer', message);
}

interface PingRun {
  readonly request: PingRequest;
  readonly peers: readonly FoundPeer[];
  readonly prober: Prober;
  readonly lines: AsyncQueue<PingLineV1>;
  readonly signal: AbortSignal;
}

async function pingAll(daemon: ControlledNode, run: PingRun): Promise<void> {
  const queue = run.peers.values();
  const work = async (): Promise<void> => {
    for (const found of queue) {
      if (run.signal.aborted) return;
      await pingPeer(daemon, run, found);
    }
  };
  const workers: Promise<void>[] = [];
  while (workers.length < Math.min(MAX_CONCURRENT_PEERS, run.peers.length)) {
    workers.push(work());
    await sleep(START_INTERVAL_MS);
  }
  try {
    await Promise.all(workers);
  } finally {
    run.prober.close();
  }
}

async function pingPeer(daemon: ControlledNode, run: PingRun, { peer, target }: FoundPeer): Promise<void> {
  const { request, lines, signal } = run;
  const backend = daemon.config?.backend.type ?? 'vxlan';
  const targets = targetsOf(peer, backend, { ...request, ...(target && { target }) });
  const [overlay, underlay] = await Promise.all(
    (['overlay', 'underlay'] as const).map((layer) => pingLayer(run, peer, layer, targets[layer])),
  );
  // A disconnected client has cut the series short.
  if (signal.aborted) return;
  const measured = overlay ?? underlay;
  if (measured !== undefined && target === undefined)
    daemon.probes.record(peer.key, { atMs: Date.now(), report: measured.report });
  // What the daemon knows of a silent peer must not contradict the answer that the user sees.
  const isMissed = (daemon.liveness?.of(peer.key)?.state ?? 'reachable') !== 'reachable';
  if (isMissed && (overlay?.layer.received ?? 0) > 0) void daemon.liveness?.retry();
  const { publicIp, publicIpv6 } = peer.attributes;
  const name = daemon.hostNames?.of(peer);
  lines.push({
    kind: 'peer',
    key: peer.key,
    ...(name !== undefined && { name }),
    ...peer.subnets,
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    payloadBytes: request.payloadBytes,
    ...(overlay && { overlay: overlay.layer }),
    ...(underlay && { underlay: underlay.layer }),
  });
}

interface LayerResult {
  readonly report: ProbeReport;
  readonly layer: PingLayerV1;
}

async function pingLayer(
  { request, peers, prober, lines, signal }: PingRun,
  { key }: Lease,
  layer: PingEchoV1['layer'],
  address: IpAddress | undefined,
): Promise<LayerResult | undefined> {
  if (address === undefined) return undefined;
  const { count, intervalMs, timeoutMs, payloadBytes } = request;
  const packetBytes = ECHO_HEADER_BYTES[familyOf(address)] + payloadBytes;
  const onEcho = (sequence: number, result: EchoResult): void =>
    lines.push({ kind: 'echo', key, layer, address, sequence, ...toEcho(result) });
  const isOne = peers.length === 1;
  const options = { count, intervalMs, timeoutMs, packetBytes, signal, ...(isOne && { onEcho }) };
  const report = await prober.probe(address, options);
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
  return { error: result.kind === 'lost' ? 'no reply in time' : formatEchoError(result.error) };
}
