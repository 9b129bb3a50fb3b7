// Journeys of packets to and from each peer, as facts of this host give them.
import { transportOf } from '../../../backends/transport.ts';
import type { Facts } from '../facts.ts';
import { isUp } from './bridges.ts';
import { readOwnPaths, type OwnPath } from './own-path.ts';
import { lookupPath } from './path-lookup.ts';
import { readPeerEnds, type PeerEnd } from './peer-ends.ts';
import { isOnPath } from './route-checks.ts';
import type { Journey, Tunnel } from './stages.ts';

export interface PeerJourney {
  readonly path: OwnPath;
  readonly end: PeerEnd;
  readonly journey: Journey;
}

/** One for each peer and family. */
export function readJourneys(facts: Facts): Promise<readonly PeerJourney[]> {
  return facts.once('journeys', async () => {
    const [paths, ends] = await Promise.all([readOwnPaths(facts), readPeerEnds(facts)]);
    if (paths.length === 0 || ends.length === 0) return [];
    const tunnel = await readTunnel(facts);
    const found = await Promise.all(
      paths.flatMap((path) =>
        ends
          .filter(({ family }) => family === path.family)
          .map((end) => toJourney(facts, { path, end, tunnel })),
      ),
    );
    return found.flat();
  });
}

interface Parts {
  readonly path: OwnPath;
  readonly end: PeerEnd;
  readonly tunnel: Tunnel | undefined;
}

async function toJourney(facts: Facts, { path, end, tunnel }: Parts): Promise<readonly PeerJourney[]> {
  const lookup = await lookupPath(facts, { from: path.address, to: end.address, iif: 'lo' });
  const device = isOnPath(path, end, lookup) ? lookup.dev : path.devices[0];
  if (device === undefined) return [];
  const bridge = (path.bridges.find(isUp) ?? path.bridges[0])?.ifname;
  const outer = await readOuter(facts, path, end);
  const isTunnelled = device !== path.underlay?.name;
  const journey: Journey = {
    family: path.family,
    local: path.address,
    remote: end.address,
    device,
    ...(bridge !== undefined && { bridge }),
    ...(isTunnelled && tunnel !== undefined && outer !== undefined && { tunnel, outer }),
  };
  return [{ path, end, journey }];
}

/** The tunnel leaves by the route to the peer's host. */
async function readOuter(facts: Facts, path: OwnPath, end: PeerEnd): Promise<Journey['outer'] | undefined> {
  if (path.underlay === undefined || end.underlay === undefined) return undefined;
  const { dev } = await lookupPath(facts, { from: path.underlay.address, to: end.underlay, iif: 'lo' });
  return { local: path.underlay.address, remote: end.underlay, device: dev ?? path.underlay.name };
}

/** What carries packets of this network; `undefined` without encapsulation, and with IPsec. */
export function readTunnel(facts: Facts): Promise<Tunnel | undefined> {
  return facts.once('tunnel', async () => {
    const [devices, config] = await Promise.all([facts.devices, facts.config]);
    const tunnel = devices?.devices.find((device) => device.tunnel !== undefined)?.tunnel;
    const kind = tunnel?.encapsulation ?? config?.backend.type;
    if (kind === 'ipip') return { protocol: 'ipip', isSymmetric: false };
    if (kind !== 'vxlan' && kind !== 'udp' && kind !== 'wireguard') return undefined;
    const port = tunnel?.port ?? (config === undefined ? undefined : transportOf(config.backend).port);
    return port === undefined ? undefined : { protocol: 'udp', port, isSymmetric: kind !== 'vxlan' };
  });
}
