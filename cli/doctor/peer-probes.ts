// Probes of each peer: echoes through the underlay and the overlay, the largest packet that passes,
// and offloaded checksums. Checks evaluate the results.
import { addressOf, addToAddress, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import type { PeerV1, StatusV1 } from '../../api/index.ts';
import { probeChecksums, type ProbeResult } from '../../daemon/probe/checksum-probe.ts';
import { loadNative } from '../../native/index.ts';
import type { Facts } from './facts.ts';
import { probeRouter } from './router-probe.ts';

/** Results of the probes of one peer. */
export interface PeerProbe {
  readonly peer: PeerV1;
  readonly underlay: IpAddress;
  /** The peer's VTEP address; for host-gw the usual address of its bridge. */
  readonly overlay: IpAddress;
  readonly underlayOk: boolean;
  readonly overlayOk: boolean;
  /** Set if `overlayOk`: largest packet through the overlay, at most the MTU. */
  readonly largest?: number;
  /** Set if `overlayOk` through the kernel's VXLAN. */
  readonly checksums?: ProbeResult;
}

type ProbeTarget = Pick<PeerProbe, 'peer' | 'underlay' | 'overlay'>;

const ECHO = { count: 3, intervalMs: 50, timeoutMs: 1000 } as const;

/** Probes the first peers. @throws ProbeError if this host cannot send probes. */
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

/** Targets of a peer, one per address family. */
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

/** Packets are routed without a tunnel, and no address in a peer's subnet is certain to exist. */
export const isRouted = ({ network }: StatusV1): boolean => network?.backend === 'host-gw';

/**
 * Sends an echo with TTL 1 to the usual address of bridges. The peer answers with an echo reply if
 * it has that address, else with time exceeded or unreachable. Each answer proves that the packet
 * arrived.
 */
async function probeRoute(facts: Facts, target: ProbeTarget): Promise<PeerProbe> {
  const overlay = addToAddress(target.overlay, 1n);
  const [below, routed] = await Promise.all([
    facts.prober.probe(target.underlay, ECHO),
    probeRouter(facts.nearProber, overlay),
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

/** `undefined` unless a device computes checksums of the tunnel. */
async function probePeerChecksums(
  overlay: IpAddress,
  { network }: StatusV1,
): Promise<ProbeResult | undefined> {
  const { native } = loadNative();
  if (native === undefined || network?.checksumOffload === undefined) return undefined;
  return probeChecksums(overlay, { native, clock: systemClock });
}

/** The peer answers through the underlay alone. */
export const isBlocked = ({ underlayOk, overlayOk }: PeerProbe): boolean => underlayOk && !overlayOk;

/** Name of a peer in messages. */
export const name = ({ peer, overlay }: Pick<PeerProbe, 'peer' | 'overlay'>): string =>
  `${peer.name === undefined ? '' : `${peer.name}, `}${peer.key} (${overlay} at ${peer.publicIp ?? peer.publicIpv6})`;
