// Whether packets arrive: echoes to every peer below and through the overlay network, large ones, and such whose checksum is
// left to network devices.
import { addressOf, parseIp, type Cidr, type IpAddress } from '../../allocator/address.ts';
import { systemClock } from '../../allocator/clock.ts';
import type { PeerV1, StatusV1 } from '../../daemon/control/types.ts';
import { probeChecksums, type ChecksumSight } from '../../daemon/probe/checksum-probe.ts';
import { ProbeError } from '../../daemon/probe/prober.ts';
import { loadNative } from '../../native/index.ts';
import { firstOf, type Check, type Found } from './check.ts';
import { judgeChecksums } from './checksum-finding.ts';
import type { Facts } from './facts.ts';

/** What came of the probes of one peer. */
interface Sight {
  readonly peer: PeerV1;
  readonly underlay: IpAddress;
  readonly overlay: IpAddress;
  readonly isAlive: boolean;
  readonly isReached: boolean;
  /** Set if `isReached`: largest packet through the overlay, of the MTU at most. */
  readonly largest?: number;
  /** Set if `isReached` through VXLAN of the kernel. */
  readonly checksums?: ChecksumSight;
}

const ECHO = { count: 3, intervalMs: 50, timeoutMs: 1000 } as const;

/** Every peer with a tunnel, or the first ones. @throws ProbeError where nothing can be probed */
function lookAtPeers(facts: Facts): Promise<readonly Sight[]> {
  return facts.once('sights', async () => {
    const [status, peers] = await Promise.all([facts.status, facts.reachedPeers]);
    if (status === undefined || (status.network?.devices.length ?? 0) === 0) return [];
    return Promise.all(peers.flatMap(waysTo).map((way) => lookAt(facts, status, way)));
  });
}

/** Where a peer is, by family of its subnets. */
function waysTo(peer: PeerV1): readonly Pick<Sight, 'peer' | 'underlay' | 'overlay'>[] {
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

async function lookAt(
  facts: Facts,
  status: StatusV1,
  way: Pick<Sight, 'peer' | 'underlay' | 'overlay'>,
): Promise<Sight> {
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
async function lookAtChecksums(
  overlay: IpAddress,
  { network }: StatusV1,
): Promise<ChecksumSight | undefined> {
  const { native } = loadNative();
  if (native === undefined || network?.checksumOffload === undefined) return undefined;
  return probeChecksums(overlay, { native, clock: systemClock });
}

function pathCheck(
  id: string,
  about: string,
  judge: (sights: readonly Sight[], status: StatusV1) => Found | undefined,
): Check {
  return {
    id,
    about,
    run: async (facts) => {
      const [found, status] = await Promise.all([
        lookAtPeers(facts).catch((error: Error) => {
          if (error instanceof ProbeError) return [];
          throw error;
        }),
        facts.status,
      ]);
      const finding = status && judge(found, status);
      return finding === undefined ? [] : [finding];
    },
  };
}

const name = ({ peer, overlay }: Pick<Sight, 'peer' | 'overlay'>): string =>
  `${peer.key} (${overlay} at ${peer.publicIp ?? peer.publicIpv6})`;

const probesImpossible: Check = {
  id: 'probes',
  about: 'whether this host can be probed from',
  run: async (facts) => {
    const problem = await lookAtPeers(facts).then(
      () => undefined,
      (error: Error) => error,
    );
    if (problem === undefined) return [];
    return [
      {
        severity: 'warning',
        title: 'The way to peers could not be probed',
        evidence: [problem.message],
        consequence: 'Blocked ports, a small path MTU and broken checksums are not found',
        remedy: 'sudo weft doctor',
      },
    ];
  },
};

const peerSilent = pathCheck(
  'peer-silent',
  'peers that answer neither below nor through the overlay',
  (found) => {
    const silent = found.filter(({ isAlive, isReached }) => !isAlive && !isReached);
    if (silent.length === 0) return undefined;
    return {
      severity: 'warning',
      title: `${silent.length} ${silent.length === 1 ? 'host answers' : 'hosts answer'} nothing: gone, or cut off`,
      evidence: firstOf(silent.map((sight) => `no echo from ${name(sight)}`)),
      consequence:
        'Its containers are not reached; if it is gone, its subnet stays taken until its lease ends, a reservation for ever',
      remedy: 'on that host: weft status, ip address. If it is gone: weft leases release SUBNET',
    };
  },
);

const tunnelBlocked = pathCheck(
  'tunnel-blocked',
  'whether the packets of the tunnel arrive',
  (found, status) => {
    const blocked = found.filter(({ isAlive, isReached }) => isAlive && !isReached);
    if (blocked.length === 0) return undefined;
    return {
      severity: 'error',
      title: `${blocked.length} ${blocked.length === 1 ? 'host is' : 'hosts are'} there but not reached through the overlay network: something drops its packets`,
      evidence: firstOf(
        blocked.map(
          (sight) => `${name(sight)}: echoes of ${sight.underlay} come, of ${sight.overlay} do not`,
        ),
      ),
      consequence: 'Containers of these hosts and of this one do not reach each other',
      remedy: `let the UDP port of backend ${status.network?.backend} pass between all hosts (vxlan: 8472, udp: 8285, or "Port"): firewalls, security groups; weft doctor on that host; tcpdump -ni ${status.interface?.name ?? 'any'} udp`,
    };
  },
);

const pathMtu = pathCheck('path-mtu', 'whether packets of the whole MTU arrive', (found, status) => {
  const mtu = status.network?.mtu ?? 0;
  const narrow = found.filter(({ largest }) => largest !== undefined && largest < mtu);
  if (narrow.length === 0) return undefined;
  const smallest = Math.min(...narrow.map(({ largest }) => largest!));
  return {
    severity: 'error',
    title: `Packets of the MTU of containers (${mtu}) do not arrive`,
    evidence: firstOf(
      narrow.map((sight) => `${name(sight)}: the largest packet that passes has ${sight.largest} bytes`),
    ),
    consequence: 'Small packets pass and large ones are lost: connections open and then hang',
    remedy: `raise the MTU of the network between the hosts, or lower that of the interface on every host: ip link set ${status.interface?.name} mtu ${(status.interface?.mtu ?? mtu) - (mtu - smallest)}`,
  };
});

const checksumOffload = pathCheck(
  'checksum-offload',
  'whether packets arrive whose checksum is left to the device',
  (found, { network }) =>
    judgeChecksums(
      found.map(({ checksums: sight, overlay, ...rest }) => ({
        sight,
        overlay,
        name: name({ ...rest, overlay }),
      })),
      network?.checksumOffload ?? [],
    ),
);

export const PATH_CHECKS: readonly Check[] = [
  probesImpossible,
  peerSilent,
  tunnelBlocked,
  pathMtu,
  checksumOffload,
];
