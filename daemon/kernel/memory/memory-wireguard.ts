// A model of WireGuard devices: peers by public key, and each allowed IP at one peer of its device,
// the last that was given it (wg_allowedips_insert_v4). Only rules that were observed on Linux 6.1.
import { parseEndpoint } from '../../../lib/endpoint.ts';
import type { Cidr } from '../../../lib/address.ts';
import type { WireguardLink, WireguardPeerObject } from '../../../backends/kernel-state.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import type { WireguardDeviceMessage, WireguardPeerMessage } from '../wireguard/wireguard-model.ts';
import { reject } from './memory-outcome.ts';

const NO_TRAFFIC = { lastHandshakeMs: 0, rxBytes: 0, txBytes: 0 };

export class MemoryWireguard {
  readonly #devices = new Map<string, WireguardDeviceMessage>();

  read(name: string): WireguardDeviceMessage | undefined {
    return this.#devices.get(name);
  }

  /** Key and port change in place; peers stay. */
  setDevice({ name, publicKey, listenPort }: WireguardLink): Outcome {
    const peers = this.#devices.get(name)?.peers ?? [];
    this.#devices.set(name, { publicKey, listenPort, fwmark: 0, peers });
    return DONE;
  }

  /** A device takes its peers along. */
  removeDevice(name: string): void {
    this.#devices.delete(name);
  }

  /** The kernel skips a peer with the device's own key without an error (set_peer). */
  setPeer(object: WireguardPeerObject): Outcome {
    const device = this.#devices.get(object.dev);
    if (device === undefined) return reject('ENODEV');
    if (object.publicKey === device.publicKey) return DONE;
    const allowedIps = object.allowedIps.split(' ').filter((cidr) => cidr !== '') as Cidr[];
    const before = device.peers.find(({ publicKey }) => publicKey === object.publicKey);
    const endpoint = parseEndpoint(object.endpoint) ?? before?.endpoint;
    const peer: WireguardPeerMessage = {
      ...(before ?? NO_TRAFFIC),
      publicKey: object.publicKey,
      pskId: object.pskId,
      ...(endpoint && { endpoint }),
      keepaliveSec: object.keepaliveSec,
      allowedIps,
    };
    const others = device.peers
      .filter(({ publicKey }) => publicKey !== object.publicKey)
      .map((other) => ({
        ...other,
        allowedIps: other.allowedIps.filter((cidr) => !allowedIps.includes(cidr)),
      }));
    return this.#setPeers(object.dev, device, [...others, peer]);
  }

  removePeer({ dev, publicKey: key }: Pick<WireguardPeerObject, 'dev' | 'publicKey'>): Outcome {
    const device = this.#devices.get(dev);
    if (device === undefined) return reject('ENODEV');
    const left = device.peers.filter(({ publicKey }) => publicKey !== key);
    return this.#setPeers(dev, device, left);
  }

  /** What WireGuard itself changes: handshake, counters, an endpoint that moved. */
  change(dev: string, key: string, change: Partial<WireguardPeerMessage>): void {
    const device = this.#devices.get(dev);
    if (device === undefined) return;
    const peers = device.peers.map((peer) => (peer.publicKey === key ? { ...peer, ...change } : peer));
    this.#setPeers(dev, device, peers);
  }

  #setPeers(dev: string, device: WireguardDeviceMessage, peers: readonly WireguardPeerMessage[]): Outcome {
    this.#devices.set(dev, { ...device, peers });
    return DONE;
  }
}
