// Journeys of packets to and from each peer, as facts of this host give them.
import type { BackendConfig } from '../../../allocator/config/config.ts';
import { transportOf } from '../../../backends/transport.ts';
import {
  addressOf,
  addToAddress,
  bitsOf,
  contains,
  prefixLengthOf,
  type Cidr,
} from '../../../lib/address.ts';
import type { Facts } from '../facts.ts';
import { readContainerLinks } from '../containers/container-links.ts';
import { isUp } from './bridges.ts';
import { readOwnPaths, type OwnPath } from './own-path.ts';
import { lookupPath } from './path-lookup.ts';
import { readPeerEnds, type PeerEnd } from './peer-ends.ts';
import { isOnPath } from './detours.ts';
import type { Journey, Tunnel } from './stages.ts';

export interface PeerJourney {
  readonly path: OwnPath;
  readonly end: PeerEnd;
  readonly journey: Journey;
}

/** One for each peer and family; without peers, one of each family to a host that may join. */
export function readJourneys(facts: Facts): Promise<readonly PeerJourney[]> {
  return facts.once('journeys', async () => {
    const [paths, ends] = await Promise.all([readOwnPaths(facts), readPeerEnds(facts)]);
    const found = await Promise.all(
      paths.flatMap((path) => {
        const own = ends.filter(({ family }) => family === path.family);
        const isAlone = ends.length === 0 && !facts.isTargeted;
        return (isAlone ? hostToJoin(path) : own).map((end) => toJourney(facts, path, end));
      }),
    );
    return found.flat();
  });
}

/** Key of {@link hostToJoin}. */
export const JOINING = 'a host that joins';

/** The subnet behind this host's, at the address behind its own; none if the network has no other. */
function hostToJoin({ family, network, subnet, underlay }: OwnPath): readonly PeerEnd[] {
  const next = addToAddress(addressOf(subnet), 1n << BigInt(bitsOf(family) - prefixLengthOf(subnet)));
  const first = contains(network, next) ? next : addressOf(network);
  if (first === addressOf(subnet)) return [];
  return [
    {
      key: JOINING,
      family,
      subnet: `${first}/${prefixLengthOf(subnet)}` as Cidr,
      address: addToAddress(first, 2n),
      ...(underlay && { underlay: addToAddress(underlay.address, 1n) }),
    },
  ];
}

async function toJourney(facts: Facts, path: OwnPath, end: PeerEnd): Promise<readonly PeerJourney[]> {
  const lookup = await lookupPath(facts, { from: path.address, to: end.address, iif: 'lo' });
  const device = isOnPath(path, end, lookup) ? lookup.dev : path.devices[0];
  if (device === undefined) return [];
  const bridge = (path.bridges.find(isUp) ?? path.bridges[0])?.ifname;
  const [containers, outer, tunnels] = await Promise.all([
    readContainerLinks(facts),
    readOuter(facts, path, end),
    readTunnels(facts, device, device !== path.underlay?.name),
  ]);
  const port = containers.find((link) => link.bridge?.ifname === bridge)?.outside?.ifname;
  const journey: Journey = {
    family: path.family,
    local: path.address,
    remote: end.address,
    device,
    tunnels: outer === undefined ? [] : tunnels,
    ...(bridge !== undefined && { bridge }),
    ...(port !== undefined && { port }),
    ...(tunnels.length > 0 && outer !== undefined && { outer }),
  };
  return [{ path, end, journey }];
}

/** The tunnel leaves by the route to the peer's host. */
async function readOuter(facts: Facts, path: OwnPath, end: PeerEnd): Promise<Journey['outer'] | undefined> {
  if (path.underlay === undefined || end.underlay === undefined) return undefined;
  const { dev } = await lookupPath(facts, { from: path.underlay.address, to: end.underlay, iif: 'lo' });
  return { local: path.underlay.address, remote: end.underlay, device: dev ?? path.underlay.name };
}

/** IKE, IKE and ESP in UDP (RFC 3948), and ESP. */
const IPSEC: readonly Tunnel[] = [
  { protocol: 'udp', port: 500, isSymmetric: true },
  { protocol: 'udp', port: 4500, isSymmetric: true },
  { protocol: 'esp', isSymmetric: true },
];

/** What carries packets that leave by a device: an overlay device's tunnel, or IPsec's. */
async function readTunnels(facts: Facts, name: string, isOverlay: boolean): Promise<readonly Tunnel[]> {
  const [devices, config] = await Promise.all([facts.devices, facts.config]);
  const backend = config?.backend;
  if (backend?.type === 'ipsec') return backend.isUdpEncap ? IPSEC.slice(0, -1) : IPSEC;
  if (!isOverlay) return [];
  const all = (devices?.devices ?? []).filter(({ tunnel }) => tunnel !== undefined);
  const tunnel = (all.find((device) => device.name === name) ?? all[0])?.tunnel;
  const kind = tunnel?.encapsulation ?? backend?.type;
  if (kind === 'ipip') return [{ protocol: 'ipip', isSymmetric: false }];
  if (kind !== 'vxlan' && kind !== 'udp' && kind !== 'wireguard') return [];
  const port = tunnel?.port ?? (backend && defaultPort(backend));
  return port === undefined ? [] : [{ protocol: 'udp', port, isSymmetric: kind !== 'vxlan' }];
}

/** Of a host without a daemon that has a device. */
function defaultPort(backend: BackendConfig): number | undefined {
  return backend.type === 'wireguard' ? backend.listenPort : transportOf(backend).port;
}
