// From WireGuard devices as read to kernel objects, and which endpoint of a peer counts. Pure but
// for the memory of endpoints.
import { formatEndpoint } from '../../../lib/endpoint.ts';
import type { OverlayMtu, WireguardPeerObject } from '../../../backends/kernel-state.ts';
import type { ActualWireguardLink } from '../actual-state.ts';
import { WIREGUARD_KIND } from '../netlink/constants.ts';
import type { LinkMessage } from '../netlink/link.ts';
import type { WireguardDeviceMessage, WireguardPeerMessage } from './wireguard-model.ts';

/** REJECT_AFTER_TIME of the WireGuard protocol: no session is older. */
export const SESSION_MS = 180_000;

/** A WireGuard device, with its mismatches. */
export function toWireguardLink(link: LinkMessage, device: WireguardDeviceMessage): ActualWireguardLink {
  const isKernel = link.kind === WIREGUARD_KIND;
  const mismatches = [
    ...(link.isUp ? [] : ['down']),
    ...(device.fwmark === 0 ? [] : [`fwmark ${device.fwmark}`]),
    ...(isKernel && link.txQueueLength !== 0 ? [`txqlen ${link.txQueueLength}`] : []),
  ];
  return {
    kind: 'link',
    type: 'wireguard',
    name: link.name,
    publicKey: device.publicKey,
    listenPort: device.listenPort,
    mtu: link.mtu as OverlayMtu,
    ...(!isKernel && { isInUserspace: true }),
    ...(mismatches.length > 0 && { mismatch: mismatches.join(', ') }),
  };
}

/** A peer of `dev` with `endpoint` as its endpoint. */
export function toWireguardPeer(
  dev: string,
  { publicKey, pskId, keepaliveSec, allowedIps }: WireguardPeerMessage,
  endpoint: string,
): WireguardPeerObject {
  const sorted = joinAllowedIps(allowedIps);
  return { kind: 'wireguard-peer', dev, publicKey, pskId, endpoint, keepaliveSec, allowedIps: sorted };
}

export function joinAllowedIps(allowedIps: readonly string[]): string {
  return [...allowedIps].sort().join(' ');
}

/**
 * Endpoints as set last. WireGuard itself moves the endpoint of a peer to where its authenticated
 * packets come from, which is no drift while the session lives: behind a NAT the port is another.
 */
export class EndpointMemory {
  readonly #set = new Map<string, string>();

  record({
    action,
    object,
  }: {
    readonly action: 'set' | 'remove';
    readonly object: WireguardPeerObject;
  }): void {
    const key = `${object.dev} ${object.publicKey}`;
    if (action === 'set') this.#set.set(key, object.endpoint);
    else this.#set.delete(key);
  }

  /** All peers of a device are gone. */
  forget(dev: string): void {
    for (const key of this.#set.keys()) if (key.startsWith(`${dev} `)) this.#set.delete(key);
  }

  /** The endpoint to compare with the desired one, at `nowMs` since 1970. */
  endpointOf(dev: string, peer: WireguardPeerMessage, nowMs: number): string {
    const found = peer.endpoint === undefined ? '' : formatEndpoint(peer.endpoint);
    const isAlive = nowMs - peer.lastHandshakeMs < SESSION_MS;
    return (isAlive ? this.#set.get(`${dev} ${peer.publicKey}`) : undefined) ?? found;
  }
}
