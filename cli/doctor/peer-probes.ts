// What is seen of the way to each peer: echoes below and through the overlay network, the largest that pass, and checksums that
// are left to network devices. Judges nothing.
import { addressOf, addToAddress, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import type { PeerV1, StatusV1 } from '../../api/index.ts';
import { probeChecksums, type ProbeResult } from '../../daemon/probe/checksum-probe.ts';
import { loadNative } from '../../native/index.ts';
import type { Facts } from './facts.ts';

/** What came of the probes of one peer. */
export interface PeerProbe {
  readonly peer: PeerV1;
  readonly underlay: IpAddress;
  /** Of the peer's end of the tunnel; without one, what its bridge has as a rule. */
  readonly overlay: IpAddress;
  readonly isAlive: boolean;
  readonly isReached: boolean;
  /** Set if `isReached`: largest packet through the overlay, of the MTU at most. */
  readonly largest?: number;
  /** Set if `isReached` through VXLAN of the kernel. */
  readonly checksums?: ProbeResult;
}

type Transport = Pick<PeerProbe, 'peer' | 'underlay' | 'overlay'>;

const ECHO = { count: 3, intervalMs: 50, timeoutMs: 1000 } as const;

/** Every peer with a tunnel, or the first ones. @throws ProbeError where nothing can be probed */
export function lookAtPeers(facts: Facts): Promise<readonly PeerProbe[]> {
  return facts.once('sights', async () => {
    const [status, peers] = await Promise.all([facts.status, facts.reachedPeers]);
    if (status === undefined) return [];
    if (isRouted(status)) return Promise.all(peers.flatMap(waysTo).map((way) => lookAtRoute(facts, way)));
    if ((status.network?.devices.length ?? 0) === 0) return [];
    return Promise.all(peers.flatMap(waysTo).map((way) => lookAt(facts, status, way)));
  });
}

/** Where a peer is, by family of its subnets. */
function waysTo(peer: PeerV1): readonly Transport[] {
  return (
    [
      [peer.ipv4, peer.publicIp],
      [peer.ipv6, peer.publicIpv6],
    ] as const
  ).flatMap(([subnet, publicIp]) => {
    const underlay = parseIp(publicIp ?? '');
    return subnet === undefined || underlay === undefined
      ? []
      : [{ peer, underlay, overlay: addressOf(subnet as Cidr) }];
  });
}

/** Packets go to peers as they are, and peers have no address in their subnets for sure. */
export const isRouted = ({ network }: StatusV1): boolean => network?.backend === 'host-gw';

/**
 * An echo that may pass no router, to the address that bridges have as a rule: the peer answers it if it has that, else says
 * that it may not go on, or that it knows no way. Whichever comes, the packet got there.
 */
async function lookAtRoute(facts: Facts, way: Transport): Promise<PeerProbe> {
  const overlay = addToAddress(way.overlay, 1n);
  const [below, routed] = await Promise.all([
    facts.prober.probe(way.underlay, ECHO),
    facts.nearProber.probe(overlay, ECHO),
  ]);
  const isSaid = routed.errors.some(({ error }) => 'by' in error && error.by === way.underlay);
  return { ...way, overlay, isAlive: below.received > 0, isReached: routed.received > 0 || isSaid };
}

async function lookAt(facts: Facts, status: StatusV1, way: Transport): Promise<PeerProbe> {
  const { overlay, underlay } = way;
  const [below, through] = await Promise.all([
    facts.prober.probe(underlay, ECHO),
    facts.prober.probe(overlay, ECHO),
  ]);
  const sight = { ...way, isAlive: below.received > 0, isReached: through.received > 0 };
  if (!sight.isReached) return sight;
  const maxBytes = status.network?.mtu ?? 1280;
  const [{ packetBytes: largest = 0 }, checksums] = await Promise.all([
    facts.prober.findLargest(overlay, { maxBytes }),
    lookAtChecksums(overlay, status),
  ]);
  return { ...sight, largest, ...(checksums && { checksums }) };
}

/** `undefined` where no device computes checksums of the tunnel. */
async function lookAtChecksums(overlay: IpAddress, { network }: StatusV1): Promise<ProbeResult | undefined> {
  const { native } = loadNative();
  if (native === undefined || network?.checksumOffload === undefined) return undefined;
  return probeChecksums(overlay, { native, clock: systemClock });
}

/** It is there, and nothing gets through to it. */
export const isBlocked = ({ isAlive, isReached }: PeerProbe): boolean => isAlive && !isReached;

/** For people. */
export const name = ({ peer, overlay }: Pick<PeerProbe, 'peer' | 'overlay'>): string =>
  `${peer.key} (${overlay} at ${peer.publicIp ?? peer.publicIpv6})`;
