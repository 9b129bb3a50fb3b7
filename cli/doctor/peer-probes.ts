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
  readonly underlayOk: boolean;
  readonly overlayOk: boolean;
  /** Set if `overlayOk`: largest packet through the overlay, of the MTU at most. */
  readonly largest?: number;
  /** Set if `overlayOk` through VXLAN of the kernel. */
  readonly checksums?: ProbeResult;
}

type ProbeTarget = Pick<PeerProbe, 'peer' | 'underlay' | 'overlay'>;

const ECHO = { count: 3, intervalMs: 50, timeoutMs: 1000 } as const;

/** Every peer with a tunnel, or the first ones. @throws ProbeError where nothing can be probed */
export function probePeers(facts: Facts): Promise<readonly PeerProbe[]> {
  return facts.once('probes', async () => {
    const [status, peers] = await Promise.all([facts.status, facts.reachedPeers]);
    if (status === undefined) return [];
    if (isRouted(status))
      return Promise.all(peers.flatMap(targetsOf).map((target) => probeRoute(facts, target)));
    if ((status.network?.devices.length ?? 0) === 0) return [];
    return Promise.all(peers.flatMap(targetsOf).map((target) => probeTunnel(facts, status, target)));
  });
}

/** Where a peer is, by family of its subnets. */
function targetsOf(peer: PeerV1): readonly ProbeTarget[] {
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
 * that it may not go on, or that it knows no target. Whichever comes, the packet got there.
 */
async function probeRoute(facts: Facts, target: ProbeTarget): Promise<PeerProbe> {
  const overlay = addToAddress(target.overlay, 1n);
  const [below, routed] = await Promise.all([
    facts.prober.probe(target.underlay, ECHO),
    facts.nearProber.probe(overlay, ECHO),
  ]);
  const isRouterError = routed.errors.some(({ error }) => 'by' in error && error.by === target.underlay);
  return {
    ...target,
    overlay,
    underlayOk: below.received > 0,
    overlayOk: routed.received > 0 || isRouterError,
  };
}

async function probeTunnel(facts: Facts, status: StatusV1, target: ProbeTarget): Promise<PeerProbe> {
  const { overlay, underlay } = target;
  const [below, through] = await Promise.all([
    facts.prober.probe(underlay, ECHO),
    facts.prober.probe(overlay, ECHO),
  ]);
  const probe = { ...target, underlayOk: below.received > 0, overlayOk: through.received > 0 };
  if (!probe.overlayOk) return probe;
  const maxBytes = status.network?.mtu ?? 1280;
  const [{ packetBytes: largest = 0 }, checksums] = await Promise.all([
    facts.prober.findLargest(overlay, { maxBytes }),
    probePeerChecksums(overlay, status),
  ]);
  return { ...probe, largest, ...(checksums && { checksums }) };
}

/** `undefined` where no device computes checksums of the tunnel. */
async function probePeerChecksums(
  overlay: IpAddress,
  { network }: StatusV1,
): Promise<ProbeResult | undefined> {
  const { native } = loadNative();
  if (native === undefined || network?.checksumOffload === undefined) return undefined;
  return probeChecksums(overlay, { native, clock: systemClock });
}

/** It is there, and nothing gets through to it. */
export const isBlocked = ({ underlayOk, overlayOk }: PeerProbe): boolean => underlayOk && !overlayOk;

/** For people. */
export const name = ({ peer, overlay }: Pick<PeerProbe, 'peer' | 'overlay'>): string =>
  `${peer.key} (${overlay} at ${peer.publicIp ?? peer.publicIpv6})`;
