// Metrics of WireGuard devices; absent without one. Peers are counted, and never named.
import type { WireguardPeerView } from '../view/node-view.ts';
import { type Metric, type Sample, type ScrapeContext } from './metric.ts';

export const WIREGUARD_METRICS: readonly Metric[] = [
  deviceGauge('weft_wireguard_peers', 'Peers of a WireGuard device', (peers) => peers.length),
  deviceGauge(
    'weft_wireguard_silent_peers',
    'Peers that packets are sent to and that answer no handshake',
    (peers) => peers.filter(({ isSilent }) => isSilent).length,
  ),
  deviceGauge(
    'weft_wireguard_oldest_handshake_seconds',
    'Age of the oldest last handshake among peers that have answered one',
    (peers) => {
      const ages = peers.flatMap(({ handshakeAgeMs }) => handshakeAgeMs ?? []);
      return ages.length === 0 ? undefined : ages.reduce((oldest, age) => Math.max(oldest, age), 0) / 1000;
    },
  ),
  {
    name: 'weft_wireguard_bytes_total',
    type: 'counter',
    help: 'Bytes of WireGuard packets of the present peers, handshakes among them',
    labels: ['device', 'direction'],
    read: (context) =>
      devicesOf(context).flatMap(([device, peers]): readonly Sample[] => [
        { labels: { device, direction: 'receive' }, value: sum(peers.map(({ rxBytes }) => rxBytes)) },
        { labels: { device, direction: 'transmit' }, value: sum(peers.map(({ txBytes }) => txBytes)) },
      ]),
  },
];

function deviceGauge(
  name: string,
  help: string,
  valueOf: (peers: readonly WireguardPeerView[]) => number | undefined,
): Metric {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['device'],
    read: (context) =>
      devicesOf(context).flatMap(([device, peers]) => {
        const value = valueOf(peers);
        return value === undefined ? [] : [{ labels: { device }, value }];
      }),
  };
}

function devicesOf({ daemon }: ScrapeContext): readonly (readonly [string, readonly WireguardPeerView[]])[] {
  const byDevice = new Map<string, WireguardPeerView[]>();
  for (const [key, peer] of daemon.wireguard?.peers ?? []) {
    const device = key.slice(0, key.indexOf(' '));
    const others = byDevice.get(device);
    if (others === undefined) byDevice.set(device, [peer]);
    else others.push(peer);
  }
  return [...byDevice];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
