// WireGuard: one device a family, or one for both; per peer its key with endpoint and subnets, and
// a route. Names, ports and published data are flannel's. flannel routes the whole network to the
// device; here each peer has a route of its own, so that each can be sent to by another transport
// during a migration, and a blackhole keeps the rest of the network from leaving in the clear.
import { UNSPECIFIED, type Family, type Ipv4, type Ipv6 } from '../../lib/address.ts';
import { formatEndpoint } from '../../lib/endpoint.ts';
import type { NetworkConfig, WireguardConfig } from '../../allocator/config/config.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import { BackendError } from '../backend.ts';
import type { Backend, BackendContext, HostFacts, PeerState } from '../backend.ts';
import { deriveNetworkBlackhole } from '../blackhole-route.ts';
import { backendDataOf, familiesOf, publicIpOf, subnetOf } from '../address-family.ts';
import type { KernelObject, OverlayMtu, WireguardLink, WireguardPeerObject } from '../kernel-state.ts';
import { wireguardOverheadBytes } from '../mtu.ts';
import { deviceMtu, deviceObjects } from '../overlay-device.ts';
import { derivePeerState, type PeerFamily, type PeerFamilyState } from '../peer-state.ts';
import { ownershipOf, requireInterfaceAddress, requirePublicIp } from '../requirements.ts';
import {
  formatWireguardData,
  parseWireguardData,
  type WireguardDataResult,
} from './wireguard-backend-data.ts';
import { underlayFamily } from './wireguard-endpoint.ts';
import { wireguardDeviceName, wireguardPort } from './wireguard-slot.ts';

/** Makes a peer answer at once, and again, until a handshake shows that it knows this host's key. */
const MIGRATION_KEEPALIVE_SEC = 5;

export const wireguardBackend: Backend = {
  type: 'wireguard',

  attributes(config, host) {
    const wireguard = wireguardConfigOf(config);
    const publicKey = ownKey(wireguard, host);
    // flannel publishes each address that it knows, whatever the families of the network.
    let attributes: LeaseAttributes = {
      backendType: 'wireguard',
      weft: { keyEpoch: wireguard.keyEpoch },
      ...(host.publicIp && { publicIp: host.publicIp }),
      ...(host.publicIpv6 && { publicIpv6: host.publicIpv6 }),
    };
    for (const family of familiesOf(config)) {
      requireInterfaceAddress(host, family);
      const publicIp = requirePublicIp(host, family);
      const data = formatWireguardData(publicKey, wireguardPort(wireguard, family));
      attributes =
        family === 4
          ? { ...attributes, publicIp: publicIp as Ipv4, backendData: data }
          : { ...attributes, publicIpv6: publicIp as Ipv6, backendV6Data: data };
    }
    return attributes;
  },

  mtu(config, host) {
    return Math.min(...familiesOf(config).map((family) => mtuOf(config, host, family))) as OverlayMtu;
  },

  ownership(config, host) {
    const wireguard = wireguardConfigOf(config);
    const names = familiesOf(config).map((family) => wireguardDeviceName(wireguard, family));
    return ownershipOf(config, host, [...new Set(names)]);
  },

  deriveHost(context) {
    const objects = familiesOf(context.config).flatMap((family) => hostObjects(context, family));
    // Both families of one device want the same device.
    return [...new Map(objects.map((object) => [JSON.stringify(object), object])).values()];
  },

  derivePeer(context, peer) {
    const { mode } = wireguardConfigOf(context.config);
    if (mode === 'separate')
      return derivePeerState(context, peer, (peerInFamily) => separatePeer(context, peerInFamily));
    const state = derivePeerState(context, peer, (peerInFamily) => sharedRoute(context, peerInFamily));
    return state.mode === 'tunnel' ? withSharedPeer(context, peer, state) : state;
  },
};

function wireguardConfigOf(config: NetworkConfig): WireguardConfig {
  if (config.backend.type !== 'wireguard')
    throw new TypeError(`Cannot derive WireGuard state from the config of backend "${config.backend.type}"`);
  return config.backend;
}

/** Public key of this host. @throws BackendError without one. */
function ownKey({ keyEpoch }: WireguardConfig, { wireguard }: HostFacts): string {
  const key = wireguard?.publicKeys[keyEpoch];
  if (key !== undefined) return key;
  throw new BackendError(
    wireguard?.error ?? `Cannot use WireGuard: this host has no key of epoch ${keyEpoch}`,
  );
}

function mtuOf(config: NetworkConfig, host: HostFacts, family: Family): OverlayMtu {
  const { mode, mtu } = wireguardConfigOf(config);
  const shared = mode === 'ipv4' || (mode === 'auto' && config.ipv6 === undefined) ? 4 : 6;
  const overheadBytes = (own: Family): number => wireguardOverheadBytes(mode === 'separate' ? own : shared);
  return deviceMtu({ name: 'WireGuard', configuredMtu: mtu, overheadBytes }, host, family);
}

function hostObjects(context: BackendContext, family: Family): readonly KernelObject[] {
  const { config, host, own } = context;
  const subnet = subnetOf(own.subnets, family);
  if (subnet === undefined) return [];
  const wireguard = wireguardConfigOf(config);
  const isShared = wireguard.mode !== 'separate';
  const link: WireguardLink = {
    kind: 'link',
    type: 'wireguard',
    name: wireguardDeviceName(wireguard, family),
    publicKey: ownKey(wireguard, host),
    listenPort: wireguardPort(wireguard, family),
    mtu: isShared ? wireguardBackend.mtu(config, host) : mtuOf(config, host, family),
  };
  return [...deviceObjects(link, family, subnet), ...deriveNetworkBlackhole(context, family)];
}

/** The peer on the device of its family. */
function separatePeer(context: BackendContext, peerInFamily: PeerFamily): PeerFamilyState {
  const { family, lease, publicIp, subnet } = peerInFamily;
  const parsed = checkedData(context, backendDataOf(lease.attributes, family));
  if (!parsed.ok) return { mode: 'error', reason: parsed.reason };
  const { publicKey, port = defaultPort(context, family) } = parsed.data;
  const endpoint = formatEndpoint({ address: publicIp, port });
  const peer = peerObject(context, { family, publicKey, endpoint, allowedIps: subnet });
  return { mode: 'tunnel', objects: [peer, routeTo(context, peerInFamily)] };
}

/** The route of one family; the peer itself follows once both families are known. */
function sharedRoute(context: BackendContext, peerInFamily: PeerFamily): PeerFamilyState {
  const parsed = sharedData(context, peerInFamily.lease);
  if (!parsed.ok) return { mode: 'error', reason: parsed.reason };
  return { mode: 'tunnel', objects: [routeTo(context, peerInFamily)] };
}

function withSharedPeer(
  context: BackendContext,
  { attributes, ...lease }: Lease,
  state: Exclude<PeerState, { mode: 'error' }>,
): PeerState {
  const { mode } = wireguardConfigOf(context.config);
  const parsed = sharedData(context, { ...lease, attributes });
  if (mode === 'separate' || !parsed.ok) return state;
  const family = underlayFamily(mode, context.host, attributes);
  const address = publicIpOf(attributes, family);
  if (address === undefined) {
    const reason = `it publishes no IPv${family} public address, which Mode "${mode}" needs`;
    return { mode: 'error', reason, objects: [] };
  }
  const { publicKey, port = defaultPort(context, family) } = parsed.data;
  const routes = state.objects.flatMap((object) => (object.kind === 'route' ? [object.destination] : []));
  const allowedIps = routes.sort().join(' ');
  const endpoint = formatEndpoint({ address, port });
  const peer = peerObject(context, { family, publicKey, endpoint, allowedIps });
  return { ...state, objects: [peer, ...state.objects] };
}

/**
 * Key and port of a peer with one device. flannel publishes ListenPortV6 for IPv6 and listens on
 * ListenPort alone, so that the port of IPv4 counts.
 */
function sharedData(context: BackendContext, { attributes }: Lease): WireguardDataResult {
  const { backendData, backendV6Data } = attributes;
  const first = checkedData(context, backendData ?? backendV6Data);
  const second = backendData === undefined ? first : parseWireguardData(backendV6Data);
  if (!first.ok || !second.ok || first.data.publicKey === second.data.publicKey) return first;
  return { ok: false, reason: 'it publishes one key for IPv4 and another one for IPv6' };
}

/** The kernel skips a peer with the device's own key, without an error (set_peer). */
function checkedData({ config, host }: BackendContext, value: unknown): WireguardDataResult {
  const parsed = parseWireguardData(value);
  if (!parsed.ok || parsed.data.publicKey !== ownKey(wireguardConfigOf(config), host)) return parsed;
  const { publicKey } = parsed.data;
  return { ok: false, reason: `its PublicKey ${publicKey} is this host's own; two hosts share one key file` };
}

/** Port of hosts that publish none: that of the config. */
function defaultPort({ config }: BackendContext, family: Family): number {
  return wireguardPort({ ...wireguardConfigOf(config), slot: 0 }, family);
}

type PeerEnd = Pick<WireguardPeerObject, 'publicKey' | 'endpoint' | 'allowedIps'> & {
  readonly family: Family;
};

function peerObject(context: BackendContext, { family, ...end }: PeerEnd): WireguardPeerObject {
  const wireguard = wireguardConfigOf(context.config);
  const { keepaliveSec, pskId } = wireguard;
  const dev = wireguardDeviceName(wireguard, family);
  const isProbing = context.isMigrating === true && keepaliveSec === 0 && begins(context, dev, end.publicKey);
  return {
    kind: 'wireguard-peer',
    dev,
    ...end,
    pskId,
    keepaliveSec: isProbing ? MIGRATION_KEEPALIVE_SEC : keepaliveSec,
  };
}

/**
 * Whether this host begins the handshake: of two, the one with the lesser key, and the other one if nothing comes. Two
 * handshakes that cross leave neither host a session until they try again after 5 s, and wireguard-go can be left with one by
 * which a host receives nothing for 15 s: it derives keys from a handshake that another thread may have replaced meanwhile.
 */
function begins({ config, host }: BackendContext, dev: string, publicKey: string): boolean {
  const own = ownKey(wireguardConfigOf(config), host);
  return own < publicKey || host.handshakes?.isLate(dev, publicKey) !== false;
}

function routeTo({ config }: BackendContext, { family, subnet }: PeerFamily): KernelObject {
  const dev = wireguardDeviceName(wireguardConfigOf(config), family);
  return { kind: 'route', destination: subnet, gateway: UNSPECIFIED[family], dev, isOnLink: false };
}
