// What the peers document says of WireGuard: when a peer last answered a handshake, and where.
import type { KernelObject } from '../../backends/kernel-state.ts';
import { formatEndpoint } from '../../lib/endpoint.ts';
import type { WireguardPeerV1 } from '../../api/index.ts';
import type { NodeView, WireguardMonitorView } from './node-view.ts';

/** Of both families the peer whose last handshake is younger; `undefined` without WireGuard. */
export function wireguardOf(
  objects: Iterable<KernelObject>,
  monitor: WireguardMonitorView | undefined,
  wallMs: number,
): WireguardPeerV1 | undefined {
  let found: WireguardPeerV1 | undefined;
  for (const object of objects) {
    if (object.kind !== 'wireguard-peer') continue;
    const peer = monitor?.peerOf(object.dev, object.publicKey);
    const endpoint = peer?.endpoint === undefined ? object.endpoint : formatEndpoint(peer.endpoint);
    const lastMs = peer?.lastHandshakeMs ?? 0;
    const one: WireguardPeerV1 = {
      publicKey: object.publicKey,
      endpoint,
      ...(lastMs > 0 && { handshakeAgeSec: Math.max(0, Math.round((wallMs - lastMs) / 1000)) }),
      isSilent: peer?.isSilent === true,
      rxBytes: peer?.rxBytes ?? 0,
      txBytes: peer?.txBytes ?? 0,
    };
    if (found === undefined || ageOf(one) < ageOf(found)) found = one;
  }
  return found;
}

/** Peers that answer no handshake although liveness knows nothing against them: it probes the underlay alone. */
export function silentHandshakes({
  leaseManager,
  liveness,
  reconciler,
  wireguard,
}: Pick<NodeView, 'leaseManager' | 'liveness' | 'reconciler' | 'wireguard'>): number {
  let silent = 0;
  for (const key of leaseManager?.peers.keys() ?? []) {
    const isReported = (liveness?.of(key)?.state ?? 'reachable') !== 'reachable';
    const objects = reconciler?.objectsOf(key).values() ?? [];
    if (!isReported && wireguardOf(objects, wireguard, 0)?.isSilent === true) silent++;
  }
  return silent;
}

function ageOf({ handshakeAgeSec = Infinity }: WireguardPeerV1): number {
  return handshakeAgeSec;
}

/** Why a silent peer is in error. */
export function silenceReason({ endpoint, handshakeAgeSec, isSilent }: WireguardPeerV1): string | undefined {
  if (!isSilent) return undefined;
  const since = handshakeAgeSec === undefined ? 'it never did' : `${handshakeAgeSec} s ago it did`;
  return `it answers no WireGuard handshake at ${endpoint} (${since}): its host is down, a firewall drops UDP there, or it has another key or PSK`;
}
